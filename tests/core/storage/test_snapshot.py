"""Snapshots on disk read back as written, and weighted sets become rectangles."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from riyl.core.errors import FormatError
from riyl.core.storage.modality import Modality, write_modality
from riyl.core.storage.snapshot import (
    Snapshot,
    seal_snapshot,
    write_artists,
    write_holdout,
)
from riyl.core.storage.weighted_sets import WeightedSets

SETS = WeightedSets(
    indptr=np.array([0, 3, 3, 5], np.int64),
    terms=np.array([4, 2, 9, 7, 1], np.int32),
    weights=np.array([3, 2, 1, 5, 4], np.float32),
)


def modality(name: str, rows: list[int], width: int = 2, sets: WeightedSets | None = None) -> Modality:
    vectors = np.arange(len(rows) * width, dtype=np.float32).reshape(len(rows), width)
    return Modality(name, np.array(rows, np.int32), vectors, np.ones(len(rows), np.int32), sets)


def named(ids: list[str]) -> pa.Table:
    """Return artists whose names are their ids."""
    nothing = pa.nulls(len(ids), pa.string()), pa.nulls(len(ids), pa.list_(pa.string()))
    return pa.table([ids, [each.upper() for each in ids], *nothing], ["artist_id", "name", "mbid", "aliases"])


def write(folder: Path) -> Path:
    folder.mkdir()
    artists = named(list("abcd"))
    write_artists(folder, artists, np.array([3, 0, 1, 0]), np.array([30.0, 0.0, 2.5, 0.0]))
    parts = [modality("tags", [0, 1, 3], sets=SETS), modality("audio", [1, 2], width=5)]
    for part in parts:
        write_modality(folder, part)
    modalities = {p.name: len(p.rows) for p in parts}
    seal_snapshot(folder, {"id": "s1", "featurizer": "b1", "artists": 4, "modalities": modalities, "tables": {}})
    return folder


def test_a_snapshot_comes_back_as_it_was_written(tmp_path: Path) -> None:
    snapshot = Snapshot.open(write(tmp_path / "s"), verify=True)
    assert (snapshot.id, snapshot.featurizer_id, snapshot.n_artists) == ("s1", "b1", 4)
    assert snapshot.artist_ids == ["a", "b", "c", "d"]
    assert snapshot.artists.column("name").to_pylist() == ["A", "B", "C", "D"]
    assert snapshot.listeners.tolist() == [3, 0, 1, 0]
    assert snapshot.plays.tolist() == [30.0, 0.0, 2.5, 0.0]
    assert list(snapshot.modalities) == ["audio", "tags"]
    tags, audio = snapshot.modalities["tags"], snapshot.modalities["audio"]
    assert (tags.width, audio.width) == (2, 5)
    assert tags.rows.tolist() == [0, 1, 3]
    assert tags.vectors.tolist() == [[0, 1], [2, 3], [4, 5]]
    assert audio.sets is None
    assert tags.sets is not None
    assert tags.sets.terms.tolist() == SETS.terms.tolist()
    assert tags.sets.weights.tolist() == SETS.weights.tolist()


def test_vectors_are_memory_mapped_and_read_only(tmp_path: Path) -> None:
    vectors = Snapshot.open(write(tmp_path / "s")).modalities["audio"].vectors
    assert not vectors.flags.owndata
    assert not vectors.flags.writeable


def test_having_counts_any_or_all_of_the_modalities(tmp_path: Path) -> None:
    snapshot = Snapshot.open(write(tmp_path / "s"))
    assert snapshot.having().tolist() == [True, True, True, True]
    assert snapshot.having(["tags"]).tolist() == [True, True, False, True]
    assert snapshot.having(["tags", "audio"]).tolist() == [False, True, False, False]
    assert snapshot.having([]).tolist() == [True, True, True, True]


def test_who_is_held_out_takes_a_bit_an_artist(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    folder.mkdir()
    ids = [f"a{i:02d}" for i in range(11)]
    holdout = np.isin(np.arange(11), [0, 3, 8, 10])
    write_artists(folder, named(ids), np.zeros(11, np.int64), np.zeros(11))
    write_holdout(folder, holdout)
    seal_snapshot(folder, {"id": "s", "featurizer": "b", "artists": 11, "modalities": {}, "tables": {}})
    assert np.load(folder / "holdout.npy").tolist() == [0b10010000, 0b10100000]
    assert Snapshot.open(folder, verify=True).holdout.tolist() == holdout.tolist()


def test_a_snapshot_that_says_nothing_of_it_holds_nobody_out(tmp_path: Path) -> None:
    folder = write(tmp_path / "s")
    write_holdout(folder, np.zeros(4, bool))
    assert not (folder / "holdout.npy").exists()
    assert Snapshot.open(folder).holdout.tolist() == [False] * 4


def test_a_flipped_byte_is_found_only_by_verifying(tmp_path: Path) -> None:
    folder = write(tmp_path / "s")
    path = folder / "modalities" / "audio" / "vectors.npy"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    Snapshot.open(folder)
    with pytest.raises(FormatError, match=r"vectors\.npy: damaged, found sha256"):
        Snapshot.open(folder, verify=True)


def test_a_missing_file_is_found_on_opening(tmp_path: Path) -> None:
    folder = write(tmp_path / "s")
    (folder / "plays.npy").unlink()
    with pytest.raises(FormatError, match=r"plays\.npy: damaged, found no such file"):
        Snapshot.open(folder)


def test_a_modality_nobody_has_can_be_kept(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    folder.mkdir()
    write_artists(folder, pa.table({"artist_id": ["a"], "name": ["A"]}), np.array([0]), np.array([0.0]))
    write_modality(folder, modality("mood", [], width=3))
    seal_snapshot(folder, {"id": "s", "featurizer": "b", "artists": 1, "modalities": {"mood": 0}, "tables": {}})
    snapshot = Snapshot.open(folder)
    assert snapshot.modalities["mood"].vectors.shape == (0, 3)
    assert snapshot.having().tolist() == [False]


@pytest.mark.parametrize(
    "wrong",
    [
        Modality("x", np.array([0, 1], np.int32), np.zeros((1, 2), np.float32), np.ones(2, np.int32), None),
        Modality("x", np.array([0], np.int32), np.zeros((1, 2), np.float32), np.ones(2, np.int32), None),
        Modality("x", np.array([0], np.int32), np.zeros((1, 2), np.float32), np.ones(1, np.int32), SETS),
        Modality("x", np.array([0], np.int32), np.full((1, 2), np.nan, np.float32), np.ones(1, np.int32), None),
        Modality("x", np.array([0], np.int32), np.full((1, 2), np.inf, np.float32), np.ones(1, np.int32), None),
    ],
)
def test_a_modality_that_does_not_agree_with_itself_is_not_written(tmp_path: Path, wrong: Modality) -> None:
    with pytest.raises(ValueError, match="modality x: "):
        write_modality(tmp_path, wrong)
    assert list(tmp_path.iterdir()) == []


def test_padded_sets_are_as_wide_as_the_fullest(tmp_path: Path) -> None:
    terms, mask = SETS.padded(np.array([2, 0, 1]), max_terms=10)
    assert terms.tolist() == [[7, 1, 0], [4, 2, 9], [0, 0, 0]]
    assert mask.tolist() == [[True, True, False], [True, True, True], [False, False, False]]
    assert terms.dtype == np.int32


def test_padded_sets_keep_the_heaviest_terms() -> None:
    terms, mask = SETS.padded(np.array([0, 2]), max_terms=2)
    assert terms.tolist() == [[4, 2], [7, 1]]
    assert mask.all()


def test_padded_sets_without_any_term_are_one_wide() -> None:
    terms, mask = SETS.padded(np.array([1]), max_terms=4)
    assert terms.tolist() == [[0]]
    assert mask.tolist() == [[False]]


def test_sets_without_any_term_at_all_can_be_padded() -> None:
    none = WeightedSets(np.array([0, 0], np.int64), np.array([], np.int32), np.array([], np.float32))
    terms, mask = none.padded(np.array([0]), max_terms=4)
    assert terms.tolist() == [[0]]
    assert mask.tolist() == [[False]]


def test_no_sets_asked_for_give_no_rows() -> None:
    terms, mask = SETS.padded(np.array([], np.int64), max_terms=4)
    assert terms.shape == mask.shape == (0, 1)


def test_taken_sets_are_those_of_the_rows() -> None:
    sets = WeightedSets(
        np.array([0, 2, 2, 5]), np.array([4, 1, 0, 3, 2], np.int32), np.array([9, 8, 7, 6, 5], np.float32)
    )
    subset = sets.take(np.array([2, 1]))
    assert (subset.indptr.tolist(), subset.terms.tolist(), subset.weights.tolist()) == ([0, 3, 3], [0, 3, 2], [7, 6, 5])
