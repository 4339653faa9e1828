"""Where the Makefile and the image take PyTorch from."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY


def backend(folder: Path, *, system: str = "Linux", gpu: bool = False, **environment: str) -> str:
    """Return what the script prints on a machine with this kernel, with or without an NVIDIA driver."""
    commands = {"uname": f"echo {system}"} | ({"nvidia-smi": "true"} if gpu else {})
    for name, does in commands.items():
        (folder / name).write_text(f"#!/bin/sh\n{does}\n")
        (folder / name).chmod(0o755)
    for name in ("sh", "env", "grep"):
        (folder / name).symlink_to(f"/bin/{name}")
    variables = {"PATH": str(folder), "PIP_CONFIG_FILE": os.devnull, **environment}
    command = ["/bin/sh", str(REPOSITORY / "scripts" / "torch_backend.sh"), sys.executable]
    return subprocess.run(command, env=variables, capture_output=True, text=True, check=True).stdout.strip()


def test_linux_without_a_gpu_takes_the_cpu_build(tmp_path: Path) -> None:
    assert backend(tmp_path) == "cpu"


def test_a_gpu_takes_what_pip_finds(tmp_path: Path) -> None:
    assert backend(tmp_path, gpu=True) == "pip"


def test_another_system_takes_what_pip_finds(tmp_path: Path) -> None:
    assert backend(tmp_path, system="Darwin") == "pip"


@pytest.mark.parametrize("setting", ["PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS"])
def test_an_index_of_ones_own_takes_what_pip_finds(setting: str, tmp_path: Path) -> None:
    assert backend(tmp_path, **{setting: "wheels"}) == "pip"


def test_an_index_in_pips_configuration_takes_what_pip_finds(tmp_path: Path) -> None:
    (tmp_path / "pip.conf").write_text("[global]\nfind-links = wheels\n")
    assert backend(tmp_path, PIP_CONFIG_FILE=str(tmp_path / "pip.conf")) == "pip"


def test_other_settings_of_pip_change_nothing(tmp_path: Path) -> None:
    assert backend(tmp_path, PIP_DEFAULT_TIMEOUT="60", PIP_DISABLE_PIP_VERSION_CHECK="1") == "cpu"
