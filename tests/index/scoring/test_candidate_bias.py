from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import riyl.index.scoring.hubness
from riyl.core.storage.scoring_settings import NO_SCORING, SCORING, ScoringSettings
from riyl.index.scoring.candidate_bias import candidate_bias
from riyl.index.scoring.hubness import fitted_length
from riyl.index.scoring.popularity import Popularity, targets_of
from riyl.index.scoring.score import Scoring
from tests.index.scoring.naive import naive

N = 40
BALANCED = ScoringSettings(0.3, 0.02, 12, balanced={20: 0.25, 5: 0.5}, target_exponent=0.4, sweeps=2)


def made(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, Popularity]:
    """Return unit rows, patterns, calibration and popularity of N artists."""
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((N, 6)) + np.eye(6)[0]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    c = rng.standard_normal((3, 3)).astype(np.float32) / 10
    listeners = rng.integers(0, 50, N)
    return vectors.astype(np.float32), rng.integers(0, 3, N).astype(np.int32), c, Popularity.of(listeners)


@pytest.fixture(autouse=True, scope="module")
def _long_lists() -> Iterator[None]:
    """Fit biases for lists of up to half of the few artists here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(riyl.index.scoring.hubness, "MAX_SHARE", 0.5)
        yield


def by_loops(
    vectors: np.ndarray,
    patterns: np.ndarray,
    c: np.ndarray,
    wanted: ScoringSettings,
    popularity: Popularity | None,
    longest: int | None = None,
) -> np.ndarray:
    """Compute h by its formula, with loops in float64, and with lists of at most `longest` artists, or half of them."""
    n = len(vectors)
    longest = longest or n // 2
    scores = vectors.astype(np.float64) @ vectors.T.astype(np.float64) + c[patterns][:, patterns]
    k = max(10, min(wanted.neighbours, longest))
    means = np.array([np.mean(sorted(np.delete(scores[:, y], y))[-k:]) for y in range(n)])
    ranks = np.zeros(n) if popularity is None else popularity.ranks
    listeners = np.zeros(n) if popularity is None else popularity.listeners
    targets = np.array([(1.0 + each) ** wanted.target_exponent for each in listeners])
    h = wanted.hubness * means - wanted.popularity * ranks
    start = means - 0.1 * np.log(targets)
    for depth, weight in wanted.balanced.items():
        h += weight * naive(scores, np.eye(n), targets, min(depth, longest), wanted.sweeps, start, range(n))
    return h


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 10**6), known=st.booleans())
def test_h_is_the_formula_by_loops(seed: int, known: bool) -> None:
    vectors, patterns, c, popularity = made(seed)
    given_popularity = popularity if known else None  # masked on purpose: targets are equal
    actual = candidate_bias(vectors, patterns, c, BALANCED, given_popularity, threads=1)
    np.testing.assert_allclose(actual.h, by_loops(vectors, patterns, c, BALANCED, given_popularity), atol=2e-5)
    assert actual.h.dtype == np.float32
    assert actual.thresholds is not None
    assert actual.thresholds.values.shape == (2, N)


def test_lists_are_at_most_a_share_of_the_artists(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(riyl.index.scoring.hubness, "MAX_SHARE", 0.3)
    vectors, patterns, c, popularity = made(3)
    wanted = by_loops(vectors, patterns, c, BALANCED, popularity, longest=12)
    np.testing.assert_allclose(candidate_bias(vectors, patterns, c, BALANCED, popularity).h, wanted, atol=2e-5)
    monkeypatch.setattr(riyl.index.scoring.hubness, "MAX_SHARE", 0.04)
    assert [fitted_length(200, m) for m in (10, 1_500, 5_000, 100_000)] == [1, 60, 200, 200]
    plain = replace(BALANCED, balanced={})
    alone = by_loops(vectors, patterns, c, plain, popularity, longest=N - 1)
    np.testing.assert_allclose(candidate_bias(vectors, patterns, c, plain, popularity).h, alone, atol=2e-5)


def test_weights_of_0_give_no_bias() -> None:
    vectors, patterns, c, popularity = made(1)
    plain, zero = ScoringSettings(0.3, 0.02, 12), ScoringSettings(0.3, 0.02, 12, balanced={5: 0.0, 9: 0.0})
    without = candidate_bias(vectors, patterns, c, plain, popularity, threads=1)
    actual = candidate_bias(vectors, patterns, c, zero, popularity, threads=1)
    np.testing.assert_array_equal(actual.h, without.h)
    assert actual.thresholds is without.thresholds is None
    partly = ScoringSettings(balanced={5: 1.0, 9: 0.0})
    alone = candidate_bias(vectors, patterns, c, ScoringSettings(balanced={5: 1.0}), threads=1)
    np.testing.assert_array_equal(candidate_bias(vectors, patterns, c, partly, threads=1).h, alone.h)


def test_the_first_lists_hold_the_artists_as_often_as_their_targets_want() -> None:
    rng = np.random.default_rng(2)
    vectors = (rng.standard_normal((400, 20)) + 1.5 * np.eye(20)[0]).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    listeners = np.where(np.arange(400) < 100, 15, 0)  # 16^0.5 is 4: a third of 40 of 400 lists of 20 each, or a tenth
    wanted = ScoringSettings(balanced={20: 1.0}, target_exponent=0.5, sweeps=10)
    fitted = Scoring.fit(
        vectors,
        np.ones(400, bool),
        np.zeros(400, np.int32),
        np.zeros((1, 1), np.float32),
        wanted,
        Popularity.of(listeners),
    )
    queries, candidates = fitted.factors(vectors, np.zeros(400, np.int32))
    scores = queries @ candidates.T
    np.fill_diagonal(scores, -np.inf)
    counts = np.bincount(np.argsort(-scores, axis=1)[:, :20].ravel(), minlength=400)
    # 8,000 places for 100 targets of 4 and 300 of 1: 45.7 and 11.4 each
    assert counts[:100].mean() == pytest.approx(8000 * 4 / 700, rel=0.05)
    assert counts[100:].mean() == pytest.approx(8000 / 700, rel=0.05)


def test_among_some_artists_the_bias_is_balanced_anew() -> None:
    vectors, patterns, c, popularity = made(3)
    fitted = Scoring.fit(vectors, np.ones(N, bool), patterns, c, BALANCED, popularity, threads=1)
    rows = np.arange(0, N, 2, dtype=np.int32)
    queries, candidates = fitted.among(vectors, np.ones(N, bool), patterns, rows, threads=1)
    # the ranks stay those among all, and the targets are powers of the listeners
    h = by_loops(vectors[rows], patterns[rows], c, BALANCED, popularity.at(rows))
    scores = vectors[rows] @ vectors[rows].T - h + c[patterns[rows]][:, patterns[rows]]
    np.testing.assert_allclose(queries @ candidates.T, scores, atol=2e-5)


def test_artists_without_an_embedding_have_no_part_in_the_fit() -> None:
    vectors, patterns, c, popularity = made(4)
    has_embedding = np.arange(N) % 5 > 0
    rows = np.flatnonzero(has_embedding)
    fitted = Scoring.fit(vectors, has_embedding, patterns, c, BALANCED, popularity, threads=1)
    alone = candidate_bias(vectors[rows], patterns[rows], c, BALANCED, popularity.at(rows), threads=1)
    np.testing.assert_array_equal(fitted.h[rows], alone.h)
    assert (fitted.h[~has_embedding] == alone.h.min()).all()


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_few_artists_have_thresholds_of_every_depth(n: int) -> None:
    vectors, patterns, c, popularity = made(5)
    actual = candidate_bias(vectors[:n], patterns[:n], c, BALANCED, popularity.at(np.arange(n)), threads=1)
    assert np.isfinite(actual.h).all()
    assert actual.thresholds is not None
    assert actual.thresholds.values.shape == (2, n)
    assert np.isfinite(actual.thresholds.values).all()


def test_a_sample_of_the_queries_gives_nearly_the_same_h(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(6)
    vectors = (rng.standard_normal((2000, 8)) + 0.5).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    patterns, none = np.zeros(2000, np.int32), np.zeros((1, 1), np.float32)
    wanted = ScoringSettings(balanced={50: 0.5, 200: 0.5})
    exact = candidate_bias(vectors, patterns, none, wanted)
    monkeypatch.setattr(riyl.index.scoring.hubness, "QUERIES", 800)
    sampled = candidate_bias(vectors, patterns, none, wanted)
    assert sampled.thresholds is not None
    assert sampled.thresholds.values.shape == (2, 800)
    assert np.corrcoef(sampled.h, exact.h)[0, 1] > 0.95


def test_a_graph_finds_as_much_with_balanced_biases_as_with_csls() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((2000, 24)) * rng.uniform(0.2, 1, (2000, 1)) + np.eye(24)[0]
    vectors[:3] = -5 * vectors[3:].mean(axis=0) + 0.1 * rng.standard_normal((3, 24))  # near to no other
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    patterns, none = np.zeros(2000, np.int32), np.zeros((1, 1), np.float32)
    recalls = []
    for wanted in (ScoringSettings(0.5), ScoringSettings(0.25, balanced={25: 0.25, 200: 0.5})):
        scoring = Scoring(candidate_bias(vectors, patterns, none, wanted, threads=1).h, none)
        scores = vectors @ vectors.T - scoring.h
        np.fill_diagonal(scores, -np.inf)
        stored = scoring.stored(vectors, patterns, np.zeros(2000, np.float32))
        index = faiss.IndexHNSWFlat(stored.shape[1], 16)
        index.hnsw.efSearch = 200
        index.add(stored)
        _, rows = index.search(scoring.queries(vectors, none[patterns]), 201)
        least = np.partition(scores, -200, axis=1)[:, -200, None] - 1e-6
        reaches = (rows >= 0) & (np.take_along_axis(scores, rows, axis=1) >= least)
        recalls.append(np.minimum(reaches.sum(axis=1), 200).mean() / 200)
    assert recalls[1] > recalls[0] - 0.01 > 0.97


def test_targets_are_powers_of_listeners() -> None:
    listeners = np.array([0, 3, 8, 99])
    assert targets_of(listeners, 0.5).tolist() == [1, 2, 3, 10]
    assert targets_of(listeners, 0).tolist() == [1, 1, 1, 1]


def test_settings_are_the_same_after_a_round_trip() -> None:
    payload = BALANCED.as_dict()
    assert payload["balanced"] == {"5": 0.5, "20": 0.25}
    assert SCORING.validate_python(payload) == SCORING.validate_json(SCORING.dump_json(BALANCED)) == BALANCED
    assert list(SCORING.validate_python(payload).weights_by_depth) == [5, 20]
    assert NO_SCORING.as_dict() == {"hubness": 0, "popularity": 0, "neighbours": 200, "calibration": 0, "tail": 0.005}
    assert SCORING.validate_python(NO_SCORING.as_dict()) == NO_SCORING


@pytest.mark.parametrize(
    "settings",
    [
        {"balanced": {"0": 1.0}},
        {"balanced": {"1001": 1.0}},
        {"balanced": {"5": 4.1}},
        {"balanced": {"5": -0.1}},
        {"balanced": {"5": float("nan")}},
        {"balanced": {str(depth): 0.1 for depth in range(1, 10)}},
        {"target_exponent": 1.1},
        {"sweeps": 0},
        {"sweeps": 21},
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        SCORING.validate_python(settings)
