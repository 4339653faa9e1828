"""Scores of pairs, against sums in plain Python."""

from __future__ import annotations

import numpy as np
import pytest

from riyl.core.types import Scores
from riyl.index.scoring.exact import exactly, kth_highest, rescored
from riyl.index.scoring.score import score_pairs


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_a_score_is_the_cosine_with_calibration_and_popularity_and_without_hubness(kind: type) -> None:
    c, h = np.array([0.25, 0], np.float32), np.array([0.125, 0.5], np.float32)
    scores = score_pairs(np.array([0.5, -0.25], kind), c, h, np.array([0.0625, -0.125]))
    assert scores.tolist() == [0.6875, -0.875]
    assert scores.dtype == kind
    assert score_pairs(np.array([0.5], kind)).tolist() == [0.5]


@pytest.mark.parametrize(("k", "expected"), [(1, 0.5), (2, 0.25), (3, 0.25), (4, None), (5, None)])
def test_the_kth_highest_is_above_what_is_left_out(k: int, expected: float | None) -> None:
    actual = kth_highest(np.array([0.25, 0.5, -np.inf, 0.25], np.float32), k)
    assert actual == np.float32(-3.4028235e38 if expected is None else expected)


@pytest.mark.parametrize("k", [1, 10, 30, 100])
def test_the_best_that_float32_cannot_tell_apart_are_all_there_with_their_float64_scores(k: int) -> None:
    rng = np.random.default_rng(k)
    vector = rng.standard_normal(8).astype(np.float32)
    vectors = (vector + 1e-7 * rng.integers(-3, 4, (60, 8))).astype(np.float32)
    vectors[40:] = rng.standard_normal((20, 8))
    c, h = rng.standard_normal(60).astype(np.float32) * np.float32(1e-6), np.float32(0.25)
    cosines = vectors @ vector
    cosines[7] = -np.inf
    (near,), scores = rescored(cosines, lambda at: exactly(vectors[at], vector[None]), c, h, k=k)
    wanted = {
        y: sum(float(a) * float(b) for a, b in zip(vector, vectors[y], strict=True)) + float(c[y]) - 0.25
        for y in range(60)
        if y != 7
    }
    assert set(sorted(wanted, key=lambda y: -wanted[y])[:k]) <= set(near.tolist()) <= set(wanted)
    np.testing.assert_allclose(scores, [wanted[y] for y in near.tolist()], atol=1e-14)


def test_pairs_that_reach_what_is_wanted_of_each_are_all_there_and_no_others() -> None:
    rng = np.random.default_rng(0)
    queries, candidates = (rng.standard_normal((n, 4)).astype(np.float32) for n in (9, 12))
    c, h = rng.standard_normal((9, 12)).astype(np.float32), rng.standard_normal(12).astype(np.float32)
    wanted = [
        [float(np.dot(queries[x].astype(float), candidates[y].astype(float))) + float(c[x, y]) - float(h[y])
         for y in range(12)] for x in range(9)
    ]  # fmt: skip
    least = np.array([sorted(row)[6] for row in wanted], np.float32)  # equal to one score of each row
    least[3], least[4] = -np.inf, np.inf
    cosines = queries @ candidates.T
    cosines[2, 5] = cosines[3, 1] = -np.inf

    def exact(x: np.ndarray, y: np.ndarray) -> Scores:
        return exactly(queries[x], candidates[y])

    (x, y), scores = rescored(cosines, exact, c, h, least=least[:, None])
    expected = [
        (i, j)
        for i in range(9)
        for j in range(12)
        if (i, j) not in ((2, 5), (3, 1)) and np.float32(wanted[i][j]) >= least[i]
    ]
    assert list(zip(x.tolist(), y.tolist(), strict=True)) == expected
    np.testing.assert_allclose(scores, [wanted[i][j] for i, j in expected], atol=1e-14)
