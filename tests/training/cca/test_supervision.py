from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from riyl.core.catalog.tables import Tables
from riyl.core.errors import InputError
from riyl.core.storage.ground_truth import save_truth
from riyl.core.storage.relations import Relation
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


def pairs_of(folder: Path, *relations: tuple[str, pa.Table, float], directed: bool = False) -> list[Relation]:
    return [
        Relation(save_truth(folder, name, pairs, directed=directed, source="test"), weight)
        for name, pairs, weight in relations
    ]


def test_links_are_the_pairs_among_known_artists_both_ways(snapshot: Snapshot, tmp_path: Path) -> None:
    pairs = pa.concat_tables(
        [chain(59), pa.table({"artist_id": ["a000", "nobody"], "similar_id": ["nobody", "a003"]})]
    )  # a059, the last of the small world, has nothing but a name
    relations = pairs_of(tmp_path, ("l", pairs, 1.0), directed=True)
    similarity_pairs = read_similarity_pairs(relations, snapshot, CONFIG, 0)
    assert similarity_pairs.ids == [f"a{i:03d}" for i in range(59)]
    wanted = np.eye(59, k=1) + np.eye(59, k=-1)
    np.testing.assert_array_equal(similarity_pairs.graph.toarray(), wanted)
    np.testing.assert_array_equal(
        similarity_pairs.back, holdout_artists(similarity_pairs.ids, 0.2, 0, draw="kept back of links")
    )
    assert similarity_pairs.card == {
        "artists": 59,
        "validation": int(similarity_pairs.back.sum()),
        "pairs": 58,
        "relations": [
            {"id": relations[0].truth.id, "name": "l", "weight": 1.0, "pairs": 58, "unknown_pairs": 2},
        ],
    }  # fmt: skip


def test_a_pair_of_several_relations_has_the_sum_of_their_weights(snapshot: Snapshot, tmp_path: Path) -> None:
    twos = pa.table(
        {"artist_id": ["a000", "a001", "a003", "a000"], "similar_id": ["a001", "a000", "a001", "nobody"]}
    )  # the first pair is one of the chain, in both directions
    relations = pairs_of(tmp_path, ("chain", chain(40), 1.0), ("twos", twos, 0.25), directed=True)
    similarity_pairs = read_similarity_pairs(relations, snapshot, CONFIG, 0)
    wanted = np.zeros((41, 41))
    for i in range(40):
        wanted[i, i + 1] = wanted[i + 1, i] = 1
    wanted[0, 1] = wanted[1, 0] = 1.25
    wanted[1, 3] = wanted[3, 1] = 0.25
    np.testing.assert_array_equal(similarity_pairs.graph.toarray(), wanted)
    assert similarity_pairs.card["pairs"] == 41
    by_name = {relation["name"]: relation for relation in similarity_pairs.card["relations"]}
    sizes = {name: (r["weight"], r["pairs"], r["unknown_pairs"]) for name, r in by_name.items()}
    assert sizes == {"chain": (1.0, 40, 0), "twos": (0.25, 2, 1)}
    swapped = read_similarity_pairs(relations[::-1], snapshot, CONFIG, 0)
    assert swapped.card == similarity_pairs.card
    assert (swapped.graph != similarity_pairs.graph).nnz == 0


def test_the_held_out_are_not_linked(tmp_path: Path) -> None:
    tables = Tables.open(small_world(tmp_path / "tables", n=120))
    held = build_snapshot(tables, SMALL_RECIPE.model_copy(update={"holdout": 0.3}), tmp_path / "snapshots")
    similarity_pairs = read_similarity_pairs(pairs_of(tmp_path, ("l", chain(119), 1.0)), held, CONFIG, 0)
    out = {artist for artist, mark in zip(held.artist_ids, held.holdout, strict=True) if mark}
    assert out
    assert not out & set(similarity_pairs.ids)
    assert 0 < similarity_pairs.back.sum() < len(similarity_pairs.ids) / 2


def test_a_relation_without_known_pairs_is_refused(snapshot: Snapshot, tmp_path: Path) -> None:
    theirs = pa.table({"artist_id": ["x"], "similar_id": ["y"]})
    relations = pairs_of(tmp_path, ("ours", chain(59), 1.0), ("theirs", theirs, 1.0))
    with pytest.raises(InputError, match="pairs theirs: found 0 pairs among .*, and 1 pairs .* use the catalog's ids"):
        read_similarity_pairs(relations, snapshot, CONFIG, 0)


def test_too_few_artists_with_pairs_are_refused(snapshot: Snapshot, tmp_path: Path) -> None:
    few = pa.table({"artist_id": ["a005", "a007"], "similar_id": ["a006", "a008"]})
    relations = pairs_of(tmp_path, ("few", few, 1.0), ("five", chain(4), 1.0))
    with pytest.raises(InputError, match="found 6 pairs among 9 artists .* wanted at least 20 artists to learn from"):
        read_similarity_pairs(relations, snapshot, CONFIG, 0)
