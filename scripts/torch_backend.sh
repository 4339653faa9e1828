#!/bin/sh
# Prints where PyTorch comes from: "cpu", its CPU build by uv, or "pip", whatever pip finds.
# usage: torch_backend.sh PYTHON
# On Linux pip takes the CUDA build, several GB. Here the CPU build is taken where there is no NVIDIA GPU, unless pip has
# an index or a folder of wheels of its own, which may hold another build and is believed.
set -eu
python=$1
settings=$("$python" -m pip config list 2>/dev/null; env | grep '^PIP_' || true)
if [ "$(uname -s)" = Linux ] && ! command -v nvidia-smi >/dev/null &&
    ! printf '%s\n' "$settings" | grep -Eqi '(index[_-]url|find[_-]links)'; then
    echo cpu
else
    echo pip
fi
