from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import riyl.index.scoring.hubness
from riyl.core.storage.scoring_settings import ScoringSettings
from riyl.index.scoring.calibration import calibration
from riyl.index.scoring.candidate_bias import candidate_bias
from riyl.index.scoring.popularity import Popularity
from riyl.index.scoring.score import Scoring

EVEN = np.zeros(12, np.float32)
NO_LISTENERS = np.zeros(12, np.int64)


def hubness(
    vectors: np.ndarray,
    patterns: np.ndarray,
    c: np.ndarray,
    settings: ScoringSettings,
    ranks: np.ndarray | None = None,
    threads: int = 0,
) -> np.ndarray:
    """Return h without balanced biases, which take ranks by listeners alone."""
    popularity = None if ranks is None else Popularity(ranks, np.zeros(len(ranks), np.int64))
    return candidate_bias(vectors, patterns, c, settings, popularity, threads=threads).h


def made(seed: int) -> tuple[Scoring, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((12, 4)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    patterns = rng.integers(0, 3, 12).astype(np.int32)
    h, c = rng.standard_normal(12), rng.standard_normal((3, 3))
    return Scoring(h.astype(np.float32), c.astype(np.float32)), vectors, patterns


@settings(deadline=None)
@given(st.integers(0, 10_000))
def test_the_products_of_the_factors_are_the_score_of_the_design(seed: int) -> None:
    scoring, vectors, patterns = made(seed)
    queries, candidates = scoring.factors(vectors, patterns)
    scores = queries @ candidates.T
    for x in range(12):
        for y in range(12):
            cosine = float(np.dot(vectors[x].astype(float), vectors[y].astype(float)))
            wanted = cosine - scoring.h[y] + scoring.c[patterns[x], patterns[y]]
            assert abs(scores[x, y] - wanted) < 1e-5


@settings(deadline=None)
@given(st.integers(0, 10_000))
def test_the_distance_of_what_is_stored_and_asked_falls_as_the_score_rises(seed: int) -> None:
    scoring, vectors, patterns = made(seed)
    popularity = np.random.default_rng(seed).uniform(-1, 1, 12).astype(np.float32)
    stored, queries = scoring.stored(vectors, patterns, popularity), scoring.queries(vectors, scoring.c[patterns], 0.3)
    assert stored.dtype == queries.dtype == np.float32
    queries = queries.astype(np.float64)
    squared = ((queries[:, None] - stored[None]) ** 2).sum(axis=2)
    score = vectors @ vectors.T - scoring.h + scoring.c[patterns][:, patterns] + 0.3 * popularity
    length = (queries**2).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(squared, length + 1.02 - 2 * score - 2 * scoring.h.min(), atol=1e-4)


def test_without_calibration_nothing_is_stored_of_patterns() -> None:
    scoring, vectors, patterns = made(0)
    alone = Scoring(scoring.h, np.zeros_like(scoring.c))
    stored, queries = alone.stored(vectors, patterns, EVEN), alone.queries(vectors, alone.c[patterns])
    assert stored.shape == queries.shape == (12, 7)
    squared = ((queries[:, None] - stored[None]) ** 2).sum(axis=2)
    np.testing.assert_allclose(squared, 2.01 - 2 * (vectors @ vectors.T - alone.h) - 2 * alone.h.min(), atol=1e-4)


def test_without_corrections_the_factors_are_the_vectors_themselves() -> None:
    _, vectors, patterns = made(0)
    queries, candidates = Scoring.none(12, 3).factors(vectors, patterns)
    assert queries is vectors
    assert candidates is vectors


def test_without_artists_there_is_nothing_to_store() -> None:
    none = np.empty((0, 4), np.float32)
    assert Scoring.none(0, 1).stored(none, np.empty(0, np.int32), np.empty(0, np.float32)).shape == (0, 7)


def test_corrections_are_kept(tmp_path: Path) -> None:
    scoring, _, _ = made(1)
    scoring.save(tmp_path)
    np.testing.assert_array_equal(np.load(tmp_path / "h.npy"), scoring.h)
    np.testing.assert_array_equal(np.load(tmp_path / "c.npy"), scoring.c)


def mean_of_best(vectors: np.ndarray, patterns: np.ndarray, c: np.ndarray, k: int) -> list[float]:
    """Compute the mean of the k best scores of each y for other artists x, without h."""
    n = len(vectors)
    means = []
    for y in range(n):
        scores = [float(vectors[x] @ vectors[y] + c[patterns[x], patterns[y]]) for x in range(n) if x != y]
        means.append(float(np.mean(sorted(scores)[::-1][:k])))
    return means


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.integers(1, 30))
def test_hubness_is_the_mean_of_the_best_scores_for_others(seed: int, k: int) -> None:
    scoring, vectors, patterns = made(seed)
    actual = hubness(vectors, patterns, scoring.c, ScoringSettings(hubness=0.5, neighbours=k), threads=1)
    wanted = 0.5 * np.array(mean_of_best(vectors, patterns, scoring.c, min(max(k, 10), 11)))
    np.testing.assert_allclose(actual, wanted, atol=1e-5)


def test_hubness_among_twins_leaves_out_the_artist_itself_alone() -> None:
    vectors = np.repeat(np.array([[1, 0], [0, 1]], np.float32), [3, 9], axis=0)
    actual = hubness(vectors, np.zeros(12, np.int32), np.zeros((1, 1), np.float32), ScoringSettings(hubness=1))
    # of the three, two others score 1 and nine 0: over the 11 others 2/11; of the nine, eight score 1
    np.testing.assert_allclose(actual, [2 / 11] * 3 + [8 / 11] * 9, atol=1e-6)


def test_hubness_in_a_sample_of_the_lists_is_near_that_in_all(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    vectors = (rng.standard_normal((3000, 8)) + 0.5).astype(np.float32)  # dense in one direction, sparse elsewhere
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    patterns, none = np.zeros(3000, np.int32), np.zeros((1, 1), np.float32)
    wanted = ScoringSettings(hubness=1, neighbours=200)
    exact = hubness(vectors, patterns, none, wanted)
    monkeypatch.setattr(riyl.index.scoring.hubness, "QUERIES", 1000)
    sampled = hubness(vectors, patterns, none, wanted)
    assert np.abs(sampled - exact).max() < 0.06
    assert np.corrcoef(sampled, exact)[0, 1] > 0.95


def test_nobody_and_a_lone_artist_are_no_hubs() -> None:
    for n in (0, 1):
        vectors = np.ones((n, 1), np.float32)
        actual = hubness(vectors, np.zeros(n, np.int32), np.zeros((1, 1), np.float32), ScoringSettings(hubness=1))
        assert actual.tolist() == [0] * n


def test_unknown_artists_do_not_count_in_a_fit() -> None:
    scoring, vectors, patterns = made(3)
    has_embedding = np.arange(12) != 4
    vectors[4] = 0
    wanted = ScoringSettings(hubness=0.5)
    fitted = Scoring.fit(vectors, has_embedding, patterns, scoring.c, wanted, threads=1)
    others = hubness(vectors[has_embedding], patterns[has_embedding], scoring.c, wanted, threads=1)
    np.testing.assert_array_equal(fitted.h[has_embedding], others)
    assert fitted.h[4] == others.min()


def test_among_some_artists_hubness_is_measured_anew() -> None:
    scoring, vectors, patterns = made(5)
    has_embedding, wanted = np.ones(12, bool), ScoringSettings(hubness=0.5)
    fitted = Scoring.fit(vectors, has_embedding, patterns, scoring.c, wanted, threads=1)
    rows = np.array([0, 3, 4, 7, 11], np.int32)
    queries, candidates = fitted.among(vectors, has_embedding, patterns, rows, threads=1)
    h = 0.5 * np.array(mean_of_best(vectors[rows], patterns[rows], scoring.c, 4))
    score = vectors[rows] @ vectors[rows].T - h + scoring.c[patterns[rows]][:, patterns[rows]]
    np.testing.assert_allclose(queries @ candidates.T, score, atol=1e-5)
    queries, candidates = fitted.among(vectors, has_embedding, patterns, np.arange(12, dtype=np.int32), threads=1)
    score = vectors @ vectors.T - fitted.h + scoring.c[patterns][:, patterns]
    np.testing.assert_allclose(queries @ candidates.T, score, atol=1e-5)


def test_calibration_evens_out_the_best_scores_of_the_same_artists_masked_on_purpose() -> None:
    rng = np.random.default_rng(2)
    parts = {m: rng.standard_normal((60, 5)).astype(np.float32) for m in ("a", "b")}
    parts["b"][:20] = 0  # these lack b: pairs with it are measured on the other 40
    subsets = [("a",), ("b",), ("a", "b"), ()]
    actual = calibration(parts, subsets, ScoringSettings(calibration=0.5, tail=0.1), threads=1)

    def unit(rows: np.ndarray) -> np.ndarray:
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    tails = np.full((3, 3), np.nan)
    for i, p in enumerate(subsets[:3]):
        for j, q in enumerate(subsets[:3]):
            who = [x for x in range(60) if x >= 20 or "b" not in {*p, *q}]
            e, f = (unit(np.sum([parts[m][who] for m in names], axis=0)) for names in (p, q))
            best = []
            for x in range(len(who)):
                scores = sorted((float(e[x] @ f[y]) for y in range(len(who)) if y != x), reverse=True)
                best.append(scores[round(0.1 * len(who)) - 1])
            tails[i, j] = np.mean(best)
    np.testing.assert_allclose(actual[:3, :3], 0.5 * (tails.mean(axis=1, keepdims=True) - tails), atol=1e-5)
    assert not actual[3].any()
    assert not actual[:, 3].any()


def test_where_few_artists_tell_there_is_no_calibration() -> None:
    rng = np.random.default_rng(2)
    parts = {m: rng.standard_normal((40, 5)).astype(np.float32) for m in ("a", "b")}
    parts["a"][31:] = 0
    actual = calibration(parts, [("a",), ("b",), ("c",)], ScoringSettings(calibration=1))
    assert not actual.any()


def test_the_popular_are_forgiven_and_the_obscure_charged() -> None:
    scoring, vectors, patterns = made(6)
    popularity = np.linspace(-1, 1, 12).astype(np.float32)
    plain, wanted = ScoringSettings(hubness=0.5, neighbours=3), ScoringSettings(0.5, 0.2, 3)
    without = hubness(vectors, patterns, scoring.c, plain, popularity, threads=1)
    actual = hubness(vectors, patterns, scoring.c, wanted, popularity, threads=1)
    np.testing.assert_allclose(actual, without - 0.2 * popularity, atol=1e-6)
    np.testing.assert_array_equal(hubness(vectors, patterns, scoring.c, wanted, threads=1), without)
    alone = hubness(vectors, patterns, scoring.c, ScoringSettings(popularity=0.2), popularity, threads=1)
    np.testing.assert_allclose(alone, -0.2 * popularity, atol=1e-7)


def test_a_part_of_the_artists_keeps_its_popularity() -> None:
    scoring, vectors, patterns = made(7)
    popularity, has_embedding = np.linspace(-1, 1, 12).astype(np.float32), np.ones(12, bool)
    wanted = ScoringSettings(0.5, 0.2, 3)
    fitted = Scoring.fit(
        vectors, has_embedding, patterns, scoring.c, wanted, Popularity(popularity, NO_LISTENERS), threads=1
    )
    rows = np.array([1, 4, 5, 8, 11], np.int32)
    _, candidates = fitted.among(vectors, has_embedding, patterns, rows, threads=1)
    h = hubness(vectors[rows], patterns[rows], scoring.c, wanted, popularity[rows], threads=1)
    np.testing.assert_allclose(candidates[:, vectors.shape[1]], -h, atol=1e-7)
