from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from riyl.core.errors import FormatError, OutdatedError
from riyl.index.artifact.version import Version
from riyl.index.search.searcher import Searcher
from tests.conftest import REPOSITORY

SEGMENT = "names/00000000000000000000000000000001"
FILES = [
    *("manifest.json", "manifest.sha256", "artists.arrow", "not_embedded.arrow", "embeddings.faiss"),
    *("listeners.npy", "plays.npy", "by_popularity.npy", "patterns.npy", "embeddings.npy", "has_embedding.npy"),
    *("neighbours.npy", "scores.npy", "h.npy", "c.npy", "names/meta.json", "names/.managed.json"),
    *(f"{SEGMENT}.{end}" for end in ("fast", "fieldnorm", "idx", "pos", "store", "term")),
    *(f"parts/{name}.{end}" for name in ("audio", "cf", "tags") for end in ("rows.npy", "npy")),
    *(f"evidence/{name}.npy" for name in ("audio", "cf", "tags")),
    *(f"sets/tags.{end}" for end in ("indptr.npy", "terms.npy", "weights.npy", "arrow")),
]


@pytest.fixture
def copy(version: Version, tmp_path: Path) -> Path:
    return Path(shutil.copytree(version.folder, tmp_path / "copy"))


def test_these_are_all_the_files_of_a_version(version: Version) -> None:
    paths = {path.relative_to(version.folder).as_posix() for path in version.folder.rglob("*") if path.is_file()}
    assert paths == set(FILES)
    assert set(version.manifest["files"]) == paths - {"manifest.json", "manifest.sha256"}


@pytest.mark.parametrize("name", FILES)
def test_a_flipped_byte_is_found_in_every_file(copy: Path, name: str) -> None:
    data = (copy / name).read_bytes()
    for position in (0, len(data) // 2, len(data) - 1):
        for bit in (1, 32):
            (copy / name).write_bytes(data[:position] + bytes([data[position] ^ bit]) + data[position + 1 :])
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
        (change(format=5), "manifest.json: found format 5; this RIYL reads riyl-version formats 3 to 4"),
        (change(kind="riyl-model"), "manifest.json: found kind 'riyl-model'; wanted 'riyl-version'"),
        (change(model="0" * 16), "manifest.json: damaged, manifest.sha256 has"),
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
    for array in (version.embeddings, version.neighbours, version.has_embedding):
        assert not array.flags.owndata
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_files_can_be_read_by_another_user(version: Version) -> None:
    modes = {path.stat().st_mode & 0o444 for path in version.folder.rglob("*")}
    assert modes == {0o444}


@pytest.mark.parametrize("number", [1, 2])
def test_a_version_of_an_earlier_release_is_refused_with_what_to_run(number: int) -> None:
    folder = REPOSITORY / "tests" / "artifacts" / f"version-{number}"
    with pytest.raises(OutdatedError) as refused:
        Version.open(folder)
    assert str(refused.value) == (
        f"{folder / 'manifest.json'}: found riyl-version format {number}, of an earlier release; this RIYL reads "
        "format 3 to 4: build it anew with: riyl index build --promote"
    )


@pytest.mark.parametrize("number", [3, 4])
def test_a_version_of_every_format_opens_and_is_searched(number: int) -> None:
    """Open tests/artifacts: pca on the first 16 artists of the small world, as each format was first written."""
    folder = REPOSITORY / "tests" / "artifacts" / f"version-{number}"
    searcher = Searcher.open(folder)
    assert searcher.manifest["format"] == number
    assert searcher.named("artist 3") == [3]
    vectors = np.load(folder / "embeddings.npy").astype(np.float64)
    cosines = vectors @ vectors[3]
    cosines[[3, 15]] = -np.inf  # itself, and the last, which has no modality
    neighbours = searcher.similar(3, 5)
    np.testing.assert_allclose(neighbours.scores, np.sort(cosines)[::-1][:5], atol=1e-6)
    np.testing.assert_allclose(cosines[neighbours.rows], neighbours.scores, atol=1e-6)
    assert [row % 3 for row in neighbours.rows[:4].tolist()] == [0, 0, 0, 0]
