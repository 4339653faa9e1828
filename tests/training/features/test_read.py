from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from riyl.core.catalog import tables as tables_module
from riyl.core.catalog.tables import Tables
from riyl.training.features.read import read_plays, read_tags, read_vectors

ARTISTS = {"artist_id": ["a", "b", "c"], "name": ["A", "B", "C"]}
IDS = ["a", "b", "c"]


def test_tags_are_compared_in_one_form_and_equal_rows_add_up(tables_folder: Callable[..., Path]) -> None:
    tags = {
        "artist_id": ["b", "a", "b", "b", "zz"],
        "tag": ["Ska", "dub", " ska ", "Pop", "ska"],  # the last tag of b is full-width
        "weight": [1.0, 2.0, 3.0, 4.0, 9.0],
    }
    read = read_tags(Tables.open(tables_folder(artists=ARTISTS, tags=tags)), IDS)
    assert read.terms == ["dub", "pop", "ska"]
    assert read.weights.toarray().tolist() == [[2, 0, 0], [0, 4, 4], [0, 0, 0]]
    assert (read.counts.rows, read.counts.unknown_artists, read.counts.double_rows) == (5, 1, 1)


def test_plays_of_one_listener_add_up(tables_folder: Callable[..., Path]) -> None:
    plays = {"user_id": ["v", "u", "v"], "artist_id": ["c", "a", "c"], "count": [5, 1, 2]}
    read = read_plays(Tables.open(tables_folder(artists=ARTISTS, plays=plays)), IDS)
    assert read.terms == ["u", "v"]
    assert read.weights.toarray().tolist() == [[1, 0], [0, 0], [0, 7]]


def test_rows_beyond_one_batch_are_read_alike(
    tables_folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    artists = [IDS[i] for i in rng.integers(0, 3, 50)]
    vectors = rng.standard_normal((50, 4)).astype(np.float32)
    folder = tables_folder(artists=ARTISTS, audio={"artist_id": artists, "vector": vectors.tolist()})
    monkeypatch.setattr(tables_module, "BATCH_ROWS", 7)
    read = read_vectors(Tables.open(folder), "audio", IDS)
    for row, artist in enumerate(IDS):
        artist_vectors = vectors[[a == artist for a in artists]]
        np.testing.assert_allclose(read.means[row], artist_vectors.mean(axis=0), rtol=1e-6)
        assert read.tracks[row] == len(artist_vectors)


def test_artists_without_vectors_are_left_out_and_unknown_ones_counted(tables_folder: Callable[..., Path]) -> None:
    audio = {"artist_id": ["c", "x", "c"], "vector": [[1.0, 2.0], [9.0, 9.0], [3.0, 4.0]]}
    read = read_vectors(Tables.open(tables_folder(artists=ARTISTS, audio=audio)), "audio", IDS)
    assert read.rows.tolist() == [2]
    assert read.means.tolist() == [[2.0, 3.0]]
    assert read.counts.unknown_artists == 1
