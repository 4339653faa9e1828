"""Check of a Faiss file byte by byte, so that Faiss never opens a file that it would read beyond."""

from __future__ import annotations

import random
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import faiss
import numpy as np
import pytest

import riyl.index.artifact.ivf
from riyl.core.errors import FormatError
from riyl.index.artifact.faiss_file import check_faiss_file
from riyl.index.artifact.ivf import IvfIndex, lay_out
from tests.conftest import REPOSITORY
from tests.sealed_folders import sealed_files

N, D, FILLED = 300, 20, 32


@pytest.fixture
def vectors() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((N, D)).astype(np.float32)


def written(folder: Path, vectors: np.ndarray) -> bytes:
    faiss.write_index(lay_out(vectors, threads=1), str(folder / "cells"))
    return (folder / "cells").read_bytes()


def check(folder: Path, data: bytes, n: int = N, d: int = D) -> None:
    (folder / "cells").write_bytes(data)
    check_faiss_file(sealed_files(folder)["cells"], n, d, FILLED)


def test_what_faiss_writes_is_taken(tmp_path: Path, vectors: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    check(tmp_path, written(tmp_path, vectors))
    monkeypatch.setattr(riyl.index.artifact.ivf, "IVF_MIN_ARTISTS", 10)
    check(tmp_path, written(tmp_path, vectors))
    two_places = np.repeat(vectors[:2], N // 2, axis=0)  # most IVF lists are empty, and sizes are stored in pairs
    check(tmp_path, written(tmp_path, two_places))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: b"IxFI" + data[4:], "found a Faiss index of kind b'IxFI'"),
        (lambda data: b"", "found 0 bytes after byte 0"),
        (lambda data: data[:-1], "bytes after byte"),
        (lambda data: data + b"\x00", "found 1 bytes after the index; wanted none"),
        (lambda data: data[:4] + struct.pack("<i", 2**31 - 1) + data[8:], "found header"),
        (lambda data: data[:8] + struct.pack("<q", N + 1) + data[16:], "found header"),
        (lambda data: data[:37] + struct.pack("<Q", 2**63) + data[45:], "IVF lists searched; wanted"),
        (lambda data: data[:45] + struct.pack("<Q", 0) + data[53:], "IVF lists searched; wanted"),
        (lambda data: data[:-8] + struct.pack("<q", N), f"found positions from 0 to {N}|found positions from"),
        (lambda data: data[:-8] + struct.pack("<q", -1), "found positions from -1"),
        (lambda data: data[:-8] + data[-16:-8], "in any IVF list; wanted each once"),
    ],
)
def test_what_faiss_would_not_write_is_refused(
    tmp_path: Path,
    vectors: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[bytes], bytes],
    message: str,
) -> None:
    monkeypatch.setattr(riyl.index.artifact.ivf, "IVF_MIN_ARTISTS", 10)
    data = written(tmp_path, vectors)
    with pytest.raises(FormatError, match=message):
        check(tmp_path, change(data))


def test_whatever_passes_is_searched_without_harm(
    tmp_path: Path, vectors: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Run in a process of its own, which a crash would end."""
    monkeypatch.setattr(riyl.index.artifact.ivf, "IVF_MIN_ARTISTS", 10)
    written(tmp_path, vectors)
    command = [sys.executable, "-X", "faulthandler", "-m", "tests.index.artifact.test_faiss_file", str(tmp_path)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    passed, refused = map(int, done.stdout.split())
    assert min(passed, refused) > 20


def search_changed(folder: Path, rounds: int = 600) -> tuple[int, int]:
    """Search files with some bytes changed; return how many passed and how many were refused."""
    data, chance, passed = (folder / "cells").read_bytes(), random.Random(0), 0
    query, everyone = np.ones((1, D), np.float32), np.full(-(-N // 8), 255, np.uint8)
    for _ in range(rounds):
        at = chance.choice([chance.randrange(300), chance.randrange(len(data)), len(data) - chance.randrange(1, 300)])
        new = chance.choice(
            [b"\xff" * 8, b"\x00" * 8, b"\xff\xff\xff\x7f", bytes([data[at] ^ 1 << chance.randrange(8)])]
        )
        changed = (data[:at] + new + data[at + len(new) :])[: len(data)]
        (folder / "cells").write_bytes(changed)
        try:
            cells = IvfIndex.open(sealed_files(folder)["cells"], N, D)
        except FormatError:
            continue
        passed += 1
        if cells is not None:
            cells.search(query, 10, everyone, 1.0)
            cells.search(query, 10, np.eye(1, -(-N // 8), dtype=np.uint8)[0], 0.01)
    return passed, rounds - passed


if __name__ == "__main__":
    sys.stdout.write("{} {}".format(*search_changed(Path(sys.argv[1]))))
