from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

import riyl.evaluation.systems
from riyl.core.catalog.tables import Tables
from riyl.core.errors import InputError, MismatchError, NotFoundError
from riyl.core.storage.model import Model
from riyl.core.storage.snapshot import Snapshot
from riyl.evaluation.conditions import conditions_of
from riyl.evaluation.retrieval import retrieve
from riyl.evaluation.systems import check_parts, fuse, model_parts, model_system, subset_system, subsets_of
from riyl.index.artifact.version import Version
from riyl.index.encoding.embed import embed
from riyl.index.scoring.tie_breaking import tie_break_rank
from riyl.training.features.build import build_snapshot
from riyl.training.features.recipe import Recipe
from riyl.training.train import train
from tests.index.conftest import CORRECTED, corrected, named_model, named_snapshot  # noqa: F401
from tests.training.features.others import world_of_strangers


def subset_systems(name, parts):
    return (subset_system(name, parts, subset) for subset in subsets_of(parts))


def matrix(*rows):
    return np.array(rows, np.float32)


def test_subsets_are_the_small_first_and_then_by_name():
    assert subsets_of(["tags", "audio", "cf"]) == [
        ("audio",),
        ("cf",),
        ("tags",),
        ("audio", "cf"),
        ("audio", "tags"),
        ("cf", "tags"),
        ("audio", "cf", "tags"),
    ]
    assert [len(subsets_of("abcd"[:m])) for m in range(5)] == [0, 1, 3, 7, 15]


def test_of_a_modality_that_a_snapshot_lacks_nobody_has_a_part(
    named_model: Model,  # noqa: F811
    named_snapshot: Snapshot,  # noqa: F811
    tmp_path: Path,
) -> None:
    tables = Tables.open(world_of_strangers(tmp_path / "t"))
    strangers = build_snapshot(tables, Recipe(), tmp_path / "s", keep=named_snapshot)
    parts = model_parts(named_model, strangers)
    assert {name: np.flatnonzero(part.any(axis=1)).tolist() for name, part in parts.items()} == {
        "audio": [],
        "cf": [],
        "tags": named_snapshot.modalities["tags"].rows.tolist(),
    }
    np.testing.assert_array_equal(fuse(parts)[0], embed(named_model, strangers).vectors)
    systems = {system.name: system for system in subset_systems("pca", parts)}
    assert not systems["pca audio+cf"].covered.any()
    np.testing.assert_array_equal(systems["pca tags"].queries, systems["pca audio+cf+tags"].queries)


def test_fusing_is_the_unit_mean_of_the_parts_at_hand():
    parts = {"a": matrix([3, 0], [0, 2], [0, 0], [1, 0]), "b": matrix([0, 4], [0, 0], [0, 0], [-1, 0])}
    vectors, covered = fuse(parts)
    # 0: the mean (1.5, 2) has length 2.5; 1 has one part; 2 has none; the two parts of 3 cancel.
    np.testing.assert_allclose(vectors, [[0.6, 0.8], [0, 1], [0, 0], [0, 0]], atol=1e-7)
    assert covered.tolist() == [True, True, False, False]
    vectors, covered = fuse(parts, ["b"])
    np.testing.assert_array_equal(vectors, [[0, 1], [0, 0], [0, 0], [-1, 0]])
    assert covered.tolist() == [True, False, False, True]
    assert not fuse(parts, ["c"])[1].any()


def test_every_subset_is_what_embedding_with_it_alone_gives(
    named_model: Model,  # noqa: F811
    named_snapshot: Snapshot,  # noqa: F811
) -> None:
    parts = model_parts(named_model, named_snapshot)
    systems = list(subset_systems("pca", parts))
    assert [s.name for s in systems[2:4]] == ["pca tags", "pca audio+cf"]
    for subset, system in zip(subsets_of(parts), systems, strict=True):
        wanted = embed(named_model, named_snapshot, only=subset)
        np.testing.assert_array_equal(system.queries, wanted.vectors)
        np.testing.assert_array_equal(system.covered, wanted.covered)
    np.testing.assert_array_equal(systems[-1].candidates, embed(named_model, named_snapshot).vectors)


def test_the_seven_subsets_give_pairwise_different_lists(
    named_model: Model,  # noqa: F811
    named_snapshot: Snapshot,  # noqa: F811
) -> None:
    fmc = conditions_of(named_snapshot)[1]
    order = tie_break_rank(named_snapshot.artist_ids, 0)
    systems = subset_systems("pca", model_parts(named_model, named_snapshot))
    lists = {system.name: retrieve(system, fmc, order, k=10) for system in systems}
    assert len(lists) == 7
    assert all(not np.array_equal(a, b) for a, b in itertools.combinations(lists.values(), 2))


def test_a_subset_that_a_system_has_not_is_refused():
    parts = {"a": matrix([1, 0]), "b": matrix([0, 1])}
    with pytest.raises(NotFoundError, match=r"made: found a\+c; wanted some of a, b"):
        subset_system("made", parts, ("a", "c"))
    with pytest.raises(NotFoundError, match="made: found no modality; wanted some of a, b"):
        subset_system("made", parts, ())


def test_parts_of_two_shapes_or_of_nothing_are_refused():
    with pytest.raises(MismatchError, match=r"found a \(1, 2\), b \(1, 3\); wanted one shape"):
        check_parts({"a": matrix([1, 0]), "b": matrix([0, 1, 0])})
    with pytest.raises(InputError, match="parts: found none"):
        fuse({})


def test_blocks_of_rows_make_no_difference(monkeypatch):
    rng = np.random.default_rng(0)
    parts = {name: rng.standard_normal((20, 3)).astype(np.float32) for name in "ab"}
    expected = fuse(parts)
    monkeypatch.setattr(riyl.evaluation.systems, "_ROWS_AT_ONCE", 7)
    for actual, expected_array in zip(fuse(parts), expected, strict=True):
        np.testing.assert_array_equal(actual, expected_array)


def test_a_model_is_asked_as_its_version_is_corrections_and_all(
    corrected: Version,  # noqa: F811
    named_snapshot: Snapshot,  # noqa: F811
    tmp_path: Path,
) -> None:
    model = train("corrected", CORRECTED, named_snapshot, tmp_path)
    raw, fmc = conditions_of(named_snapshot)
    order = tie_break_rank(named_snapshot.artist_ids, 0)
    parts = model_parts(model, named_snapshot)
    system = model_system("m", model, named_snapshot, parts)
    np.testing.assert_array_equal(retrieve(system, raw, order, k=20), corrected.neighbours[raw.rows, :20])
    # among the artists of a condition hubness is measured in the condition
    e = corrected.embeddings[fmc.rows].astype(np.float64)
    scores = e @ e.T
    np.fill_diagonal(scores, -np.inf)
    scores -= 0.5 * np.sort(scores, axis=0)[::-1][:12].mean(axis=0)
    for row, retrieved in enumerate(retrieve(system, fmc, order, k=3)):
        at = np.searchsorted(fmc.rows, retrieved)
        np.testing.assert_allclose(scores[row, at], np.sort(scores[row])[::-1][:3], atol=1e-5)
    plain = retrieve(model_system("m", model, named_snapshot, parts, raw=True), raw, order, k=20)
    assert (plain != corrected.neighbours[raw.rows, :20]).any()
    for row, retrieved in zip(raw.rows.tolist(), plain, strict=True):
        cosines = corrected.embeddings @ corrected.embeddings[row]
        cosines[[row, 59]] = -np.inf  # 59 is not known
        np.testing.assert_allclose(cosines[retrieved], np.sort(cosines)[::-1][:20], atol=1e-5)
