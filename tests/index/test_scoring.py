from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from index.scoring import Scoring


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
    found = queries @ candidates.T
    for x in range(12):
        for y in range(12):
            cosine = float(np.dot(vectors[x].astype(float), vectors[y].astype(float)))
            wanted = cosine - scoring.h[y] + scoring.c[patterns[x], patterns[y]]
            assert abs(found[x, y] - wanted) < 1e-5


@settings(deadline=None)
@given(st.integers(0, 10_000))
def test_the_distance_of_what_is_stored_and_asked_falls_as_the_score_rises(seed: int) -> None:
    scoring, vectors, _ = made(seed)
    stored, asked = scoring.stored(vectors), scoring.asked(vectors)
    assert stored.dtype == asked.dtype == np.float32
    squared = ((asked[:, None] - stored[None]) ** 2).sum(axis=2)
    score = vectors @ vectors.T - scoring.h
    np.testing.assert_allclose(squared, 2 - 2 * score - 2 * scoring.h.min(), atol=1e-4)


def test_without_corrections_the_factors_are_the_vectors_themselves() -> None:
    _, vectors, patterns = made(0)
    queries, candidates = Scoring.none(12, 3).factors(vectors, patterns)
    assert queries is vectors
    assert candidates is vectors


def test_without_artists_there_is_nothing_to_store() -> None:
    assert Scoring.none(0, 1).stored(np.empty((0, 4), np.float32)).shape == (0, 5)


def test_corrections_are_kept(tmp_path: Path) -> None:
    scoring, _, _ = made(1)
    scoring.save(tmp_path)
    again = Scoring.load(tmp_path)
    np.testing.assert_array_equal(again.h, scoring.h)
    np.testing.assert_array_equal(again.c, scoring.c)
