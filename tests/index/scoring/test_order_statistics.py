from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riyl.index.scoring.order_statistics import kth_of_rows, largest_of_rows


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    rows=st.integers(0, 5),
    columns=st.integers(1, 3000),
    k=st.integers(1, 300),
    values=st.sampled_from([3, 10**6]),
)
def test_the_largest_are_those_of_a_sort(seed: int, rows: int, columns: int, k: int, values: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, values, (rows, columns)).astype(np.float32)
    scores[rng.random(scores.shape) < 0.1] = -np.inf
    expected = np.sort(scores, axis=1)[:, max(0, columns - k) :]
    np.testing.assert_array_equal(np.sort(largest_of_rows(scores, k), axis=1), expected)


def test_rows_whose_every_16th_score_is_high_or_low_have_their_largest() -> None:
    high, low = np.zeros(1600, np.float32), np.arange(1600, dtype=np.float32)
    high[::16] = np.arange(100)
    low[::16] = -np.inf
    actual = np.sort(largest_of_rows(np.stack([high, low]), 8), axis=1)
    assert actual[0].tolist() == [92, 93, 94, 95, 96, 97, 98, 99]
    assert actual[1].tolist() == [1592, 1593, 1594, 1595, 1596, 1597, 1598, 1599]


def test_a_place_between_two_is_read_between_their_scores() -> None:
    scores = np.array([[3, 1, 4, 1.5], [3, 1, 4, -np.inf]], np.float32)
    assert kth_of_rows(scores, np.array([1.25, 3.0])).tolist() == pytest.approx([3.75, 1])
