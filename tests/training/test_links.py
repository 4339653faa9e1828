from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from core.errors import InputError
from core.snapshot import Snapshot
from core.tables import Tables
from core.truth import save_truth
from tests.conftest import SMALL_RECIPE, small_world
from training.config import LinksConfig
from training.features.build import build_snapshot
from training.features.heldout import held_out_artists
from training.links import read_links

CONFIG = LinksConfig(held_back=0.2)


def chain(n: int) -> pa.Table:
    """Artist i is similar to artist i + 1."""
    return pa.table({"artist_id": [f"a{i:03d}" for i in range(n)], "similar_id": [f"a{i + 1:03d}" for i in range(n)]})


def test_links_are_the_pairs_among_known_artists_both_ways(snapshot: Snapshot, tmp_path: Path) -> None:
    pairs = pa.concat_tables(
        [chain(59), pa.table({"artist_id": ["a000", "nobody"], "similar_id": ["nobody", "a003"]})]
    )  # a059, the last of the small world, has nothing but a name
    links = read_links(save_truth(tmp_path, "l", pairs, directed=True, source="test"), snapshot, CONFIG, 0)
    assert links.ids == [f"a{i:03d}" for i in range(59)]
    wanted = np.eye(59, k=1) + np.eye(59, k=-1)
    np.testing.assert_array_equal(links.graph.toarray(), wanted)
    np.testing.assert_array_equal(links.back, held_out_artists(links.ids, 0.2, 0, what="kept back of links"))
    assert links.counts == {
        "artists": 59,
        "kept_back": int(links.back.sum()),
        "pairs": 58,
        "unknown_pairs": 2,
    }


def test_the_held_out_are_not_linked(tmp_path: Path) -> None:
    tables = Tables.open(small_world(tmp_path / "tables", n=120))
    held = build_snapshot(tables, SMALL_RECIPE.model_copy(update={"held_out": 0.3}), tmp_path / "snapshots")
    links = read_links(save_truth(tmp_path, "l", chain(119), directed=False, source="test"), held, CONFIG, 0)
    out = {artist for artist, mark in zip(held.artist_ids, held.held_out, strict=True) if mark}
    assert out
    assert not out & set(links.ids)
    assert 0 < links.back.sum() < len(links.ids) / 2


def test_links_of_nobody_known_are_refused(snapshot: Snapshot, tmp_path: Path) -> None:
    pairs = pa.table({"artist_id": ["x"], "similar_id": ["y"]})
    truth = save_truth(tmp_path, "theirs", pairs, directed=False, source="test")
    with pytest.raises(InputError, match="links theirs: found 0 pairs among 0 artists .* are the ids its own"):
        read_links(truth, snapshot, CONFIG, 0)
