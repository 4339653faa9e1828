#!/bin/sh
# Print the source to install PyTorch from: "cpu", its CPU build by uv, or "pip", the build that pip finds.
# usage: torch_backend.sh PYTHON
# On Linux pip takes the CUDA build, several GB. This script chooses the CPU build if there is no NVIDIA GPU, unless pip
# is configured with an index or a folder of wheels, which may have another build and takes precedence.
set -eu
python=$1
settings=$("$python" -m pip config list 2>/dev/null; env | grep '^PIP_' || true)
if [ "$(uname -s)" = Linux ] && ! command -v nvidia-smi >/dev/null &&
    ! printf '%s\n' "$settings" | grep -Eqi '(index[_-]url|find[_-]links)'; then
    echo cpu
else
    echo pip
fi
