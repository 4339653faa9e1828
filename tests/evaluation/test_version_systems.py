from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from riyl.core.storage.ground_truth import Truth, save_truth
from riyl.core.storage.model import Model
from riyl.core.storage.snapshot import Snapshot
from riyl.evaluation.conditions import conditions_of
from riyl.evaluation.protocol import Setup, evaluate
from riyl.evaluation.retrieval import System, retrieve
from riyl.evaluation.systems import fuse, model_parts, subsets_of, version_ndcg, version_parts, version_system
from riyl.evaluation.table import plain_rows
from riyl.index.artifact.version import Version
from riyl.index.encoding.embed import embed
from riyl.index.scoring.score import Scoring
from riyl.index.scoring.tie_breaking import tie_break_rank
from tests.index.conftest import named_model, named_snapshot, version  # noqa: F401


@pytest.fixture
def truth(tmp_path: Path) -> Truth:
    """Build pairs of artists i and i + 3, and two pairs of which the version lacks one artist."""
    ids = [f"a{i:03d}" for i in range(61)]
    pairs = pa.table({"artist_id": [*ids[:57], "a059", "a060"], "similar_id": [*ids[3:60], "a000", "a000"]})
    return save_truth(tmp_path, "made", pairs, directed=False, source="test")


def test_a_version_has_the_conditions_of_its_snapshot(version: Version, named_snapshot: Snapshot) -> None:  # noqa: F811
    for actual, wanted in zip(conditions_of(version), conditions_of(named_snapshot), strict=True):
        assert actual.name == wanted.name
        np.testing.assert_array_equal(actual.rows, wanted.rows)


def test_a_version_is_measured_as_its_model_is(
    version: Version,  # noqa: F811
    named_model: Model,  # noqa: F811
    named_snapshot: Snapshot,  # noqa: F811
    truth: Truth,
) -> None:
    embedding = embed(named_model, named_snapshot)
    order, relevance = tie_break_rank(version.artist_ids, 0), truth.relevance(version.artist_ids)
    model = System("model", embedding.vectors, embedding.vectors, embedding.covered)
    for condition in conditions_of(version):
        actual, wanted = (
            evaluate(system, condition, Setup(relevance, order, k=20, rounds=20))
            for system in (version_system(version), model)
        )
        assert plain_rows([replace(actual, system="")]) == plain_rows([replace(wanted, system="")])
    assert actual.system == f"version {version.id}"


def test_the_parts_of_a_version_fuse_as_the_models_do(
    version: Version,  # noqa: F811
    named_model: Model,  # noqa: F811
    named_snapshot: Snapshot,  # noqa: F811
) -> None:
    parts = version_parts(version)
    assert parts is not None
    theirs = model_parts(named_model, named_snapshot)
    for subset in subsets_of(theirs):
        (actual, actual_covered), (expected, expected_covered) = fuse(parts, subset), fuse(theirs, subset)
        np.testing.assert_array_equal(actual_covered, expected_covered)
        np.testing.assert_allclose(actual, expected, atol=1e-6)


def test_corrections_count(version: Version, named_snapshot: Snapshot) -> None:  # noqa: F811
    h = np.linspace(0, 0.5, version.n_artists, dtype=np.float32)
    c = np.random.default_rng(0).random((len(version.patterns_of_modalities),) * 2, np.float32)
    corrected = Version(version.folder, version.manifest)
    corrected.__dict__["scoring"] = Scoring(h, c)  # what the cached property would have read
    raw = conditions_of(version)[0]
    lists = retrieve(version_system(corrected), raw, tie_break_rank(version.artist_ids, 0), k=5)
    e, p = version.embeddings, version.patterns
    for row, retrieved in zip(raw.rows.tolist(), lists.tolist(), strict=True):
        scores = {y: float(e[row] @ e[y] - h[y] + c[p[row], p[y]]) for y in raw.rows.tolist() if y != row}
        assert retrieved == sorted(scores, key=lambda y: -scores[y])[:5]


def test_ndcg_is_the_protocols(version: Version, truth: Truth) -> None:  # noqa: F811
    order, relevance = tie_break_rank(version.artist_ids, 0), truth.relevance(version.artist_ids)
    wanted = evaluate(version_system(version), conditions_of(version)[0], Setup(relevance, order, k=200, rounds=1))
    assert wanted.n_queries == 59
    assert version_ndcg(version, truth) == pytest.approx(wanted.ndcg_mean, abs=1e-12)


def test_ndcg_of_one_pair_by_hand(version: Version, tmp_path: Path) -> None:  # noqa: F811
    similar = version.artist_ids[version.neighbours[7, 2]]
    pair = pa.table({"artist_id": ["a007"], "similar_id": [similar]})
    truth = save_truth(tmp_path, "one", pair, directed=True, source="test")
    assert version_ndcg(version, truth) == pytest.approx(1 / math.log2(3 + 1), abs=1e-12)


def test_a_truth_of_other_artists_is_undefined(version: Version, tmp_path: Path) -> None:  # noqa: F811
    truth = save_truth(tmp_path, "o", pa.table({"artist_id": ["x"], "similar_id": ["y"]}), directed=False, source="t")
    assert math.isnan(version_ndcg(version, truth))
