from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from riyl.core.errors import FormatError
from riyl.core.storage.modality import Modality, open_modality, write_modality
from tests.sealed_folders import sealed_files

ROWS = np.array([1, 4, 5], np.int32)
VECTORS = np.arange(6, dtype=np.float32).reshape(3, 2)
LISTENERS = np.arange(12, dtype=np.float32).reshape(3, 4)


def with_blocks(**blocks: np.ndarray) -> Modality:
    return Modality("cf", ROWS, VECTORS, np.ones(3, np.int32), None, blocks)


def opened(folder: Path) -> Modality:
    return open_modality(sealed_files(folder), "cf", 6, 3)


def test_blocks_come_back_as_they_were_written(tmp_path: Path) -> None:
    write_modality(tmp_path, with_blocks(listeners=LISTENERS, other=-VECTORS))
    modality = opened(tmp_path)
    assert {name: block.tolist() for name, block in modality.blocks.items()} == {
        "listeners": LISTENERS.tolist(),
        "other": (-VECTORS).tolist(),
    }
    assert (modality.width, modality.vectors.tolist()) == (2, VECTORS.tolist())
    assert not modality.blocks["listeners"].flags.owndata
    assert not modality.blocks["listeners"].flags.writeable


def test_a_modality_without_blocks_has_no_folder_of_them(tmp_path: Path) -> None:
    write_modality(tmp_path, with_blocks())
    assert not (tmp_path / "modalities" / "cf" / "blocks").exists()
    assert opened(tmp_path).blocks == {}


def test_artists_are_taken_with_their_blocks() -> None:
    taken = with_blocks(listeners=LISTENERS).take(np.array([2, 0]))
    assert taken.rows.tolist() == [5, 1]
    assert taken.blocks["listeners"].tolist() == [[8, 9, 10, 11], [0, 1, 2, 3]]


@pytest.mark.parametrize("wrong", [LISTENERS[:2], np.full((3, 2), np.inf, np.float32)])
def test_a_block_of_other_artists_or_no_numbers_is_not_written(wrong: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="modality cf: found 3 rows"):
        write_modality(tmp_path, with_blocks(listeners=wrong))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (LISTENERS[:2], r"shape \(2, 4\); wanted shape \(3, any\)"),
        (LISTENERS.astype(np.float64), "found float64; wanted float32"),
        (np.full((3, 2), np.nan, np.float32), "found nan at position 0, 0"),
        (b"no array", "no array"),
    ],
)
def test_a_damaged_block_is_refused_on_opening(damage: np.ndarray | bytes, message: str, tmp_path: Path) -> None:
    write_modality(tmp_path, with_blocks(listeners=LISTENERS))
    path = tmp_path / "modalities" / "cf" / "blocks" / "listeners.npy"
    path.write_bytes(damage) if isinstance(damage, bytes) else np.save(path, damage)
    with pytest.raises(FormatError, match=rf"listeners\.npy: damaged, .*{message}"):
        opened(tmp_path)
