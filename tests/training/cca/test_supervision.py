from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from riyl.core.catalog.tables import Tables
from riyl.core.errors import InputError
from riyl.core.storage.ground_truth import save_truth
from riyl.core.storage.snapshot import Snapshot
from riyl.training.cca.supervision import read_similarity_pairs
from riyl.training.config import FineTuneConfig
from riyl.training.features.build import build_snapshot
from riyl.training.features.holdout import holdout_artists
from tests.conftest import SMALL_RECIPE, small_world

CONFIG = FineTuneConfig(validation=0.2)


def chain(n: int) -> pa.Table:
    """Build pairs in which artist i is similar to artist i + 1."""
    return pa.table({"artist_id": [f"a{i:03d}" for i in range(n)], "similar_id": [f"a{i + 1:03d}" for i in range(n)]})


def test_links_are_the_pairs_among_known_artists_both_ways(snapshot: Snapshot, tmp_path: Path) -> None:
    pairs = pa.concat_tables(
        [chain(59), pa.table({"artist_id": ["a000", "nobody"], "similar_id": ["nobody", "a003"]})]
    )  # a059, the last of the small world, has nothing but a name
    similarity_pairs = read_similarity_pairs(
        save_truth(tmp_path, "l", pairs, directed=True, source="test"), snapshot, CONFIG, 0
    )
    assert similarity_pairs.ids == [f"a{i:03d}" for i in range(59)]
    wanted = np.eye(59, k=1) + np.eye(59, k=-1)
    np.testing.assert_array_equal(similarity_pairs.graph.toarray(), wanted)
    np.testing.assert_array_equal(
        similarity_pairs.back, holdout_artists(similarity_pairs.ids, 0.2, 0, draw="kept back of links")
    )
    assert similarity_pairs.counts == {
        "artists": 59,
        "validation": int(similarity_pairs.back.sum()),
        "pairs": 58,
        "unknown_pairs": 2,
    }


def test_the_held_out_are_not_linked(tmp_path: Path) -> None:
    tables = Tables.open(small_world(tmp_path / "tables", n=120))
    held = build_snapshot(tables, SMALL_RECIPE.model_copy(update={"holdout": 0.3}), tmp_path / "snapshots")
    similarity_pairs = read_similarity_pairs(
        save_truth(tmp_path, "l", chain(119), directed=False, source="test"), held, CONFIG, 0
    )
    out = {artist for artist, mark in zip(held.artist_ids, held.holdout, strict=True) if mark}
    assert out
    assert not out & set(similarity_pairs.ids)
    assert 0 < similarity_pairs.back.sum() < len(similarity_pairs.ids) / 2


def test_links_of_nobody_known_are_refused(snapshot: Snapshot, tmp_path: Path) -> None:
    pairs = pa.table({"artist_id": ["x"], "similar_id": ["y"]})
    truth = save_truth(tmp_path, "theirs", pairs, directed=False, source="test")
    with pytest.raises(InputError, match="pairs theirs: found 0 pairs among 0 artists .* use the catalog's ids"):
        read_similarity_pairs(truth, snapshot, CONFIG, 0)
