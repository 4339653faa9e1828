from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import FormatError
from index.artifact import Version
from index.search import Searcher

SEGMENT = "names/00000000000000000000000000000001"
FILES = [
    *("manifest.json", "manifest.sha256", "artists.arrow", "left_out.arrow", "embeddings.faiss"),
    *("listeners.npy", "plays.npy", "by_popularity.npy", "patterns.npy", "embeddings.npy", "known.npy"),
    *("neighbours.npy", "scores.npy", "h.npy", "c.npy", "names/meta.json", "names/.managed.json"),
    *(f"{SEGMENT}.{end}" for end in ("fast", "fieldnorm", "idx", "pos", "store", "term")),
]


@pytest.fixture
def copy(version: Version, tmp_path: Path) -> Path:
    return Path(shutil.copytree(version.folder, tmp_path / "copy"))


def test_these_are_all_the_files_of_a_version(version: Version) -> None:
    found = {path.relative_to(version.folder).as_posix() for path in version.folder.rglob("*") if path.is_file()}
    assert found == set(FILES)
    assert set(version.manifest["files"]) == found - {"manifest.json", "manifest.sha256"}


@pytest.mark.parametrize("name", FILES)
def test_a_flipped_byte_is_found_in_every_file(copy: Path, name: str) -> None:
    data = (copy / name).read_bytes()
    for place in (0, len(data) // 2, len(data) - 1):
        for bit in (1, 32):
            (copy / name).write_bytes(data[:place] + bytes([data[place] ^ bit]) + data[place + 1 :])
            with pytest.raises(FormatError):
                Version.open(copy)
    (copy / name).write_bytes(data)
    Version.open(copy)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(copy: Path, name: str) -> None:
    (copy / name).unlink()
    with pytest.raises(FormatError, match=Path(name).name.replace(".", "\\.")):
        Version.open(copy)


def change(**fields: Any) -> Callable[[Path], object]:
    def apply(folder: Path) -> None:
        path = folder / "manifest.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))

    return apply


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (change(format=2), "manifest.json: found format 2; this RIYL reads riyl-version formats 1 to 1"),
        (change(kind="riyl-model"), "manifest.json: found kind 'riyl-model'; wanted 'riyl-version'"),
        (change(model="0" * 16), "manifest.json: damaged, manifest.sha256 says"),
        (lambda folder: (folder / "manifest.json").write_bytes(b"{"), "manifest.json: damaged, it is not JSON"),
        (lambda folder: shutil.rmtree(folder), "copy: found no manifest.json; wanted a riyl-version folder"),
    ],
)
def test_a_newer_foreign_or_damaged_version_is_refused(
    copy: Path, harm: Callable[[Path], object], message: str
) -> None:
    harm(copy)
    with pytest.raises(FormatError, match=message):
        Searcher.open(copy)


def test_the_arrays_are_mapped_and_cannot_be_written(version: Version) -> None:
    for array in (version.embeddings, version.neighbours, version.known):
        assert isinstance(array.base, np.memmap)
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_files_can_be_read_by_another_user(version: Version) -> None:
    modes = {path.stat().st_mode & 0o444 for path in version.folder.rglob("*")}
    assert modes == {0o444}
