from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riyl.core.errors import InputError, MismatchError
from riyl.evaluation.popularity import by_quantile, pop, quantile_groups


def test_pop_is_the_natural_logarithm_of_listens_and_one():
    assert pop(np.array([0, 1, 9])).tolist() == pytest.approx([0, math.log(2), math.log(10)], abs=1e-12)


@pytest.mark.parametrize("bad", [-1, np.nan, np.inf])
def test_pop_of_what_is_no_count_is_refused(bad):
    with pytest.raises(InputError, match=f"listens: found {bad}"):
        pop(np.array([3, bad]))


def test_distinct_values_give_equal_groups_whatever_their_order():
    values = np.random.default_rng(0).permutation(np.arange(1, 101))
    np.testing.assert_array_equal(quantile_groups(values), (values - 1) // 5)


def test_a_tied_value_goes_whole_to_where_the_middle_of_its_ranks_lies():
    # Of ten in five quantiles of two, the seven ones have ranks 0..6, whose middle 3.5 is in the second; 2, 3 and 4
    # are in the fourth (7.5) and fifth (8.5, 9.5). The first and third are empty and vanish.
    values = np.array([4, 1, 1, 2, 1, 1, 3, 1, 1, 1])
    assert quantile_groups(values, 5).tolist() == [2, 0, 0, 1, 0, 0, 2, 0, 0, 0]


def test_no_plays_are_a_group_of_their_own_and_do_not_move_the_others():
    played = np.arange(1, 9)
    with_none = np.concatenate([np.zeros(5), played])
    assert quantile_groups(with_none, 4).tolist() == [0] * 5 + [1, 1, 2, 2, 3, 3, 4, 4]
    assert quantile_groups(played, 4).tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert quantile_groups(np.zeros(3), 4).tolist() == [0, 0, 0]


@given(st.lists(st.integers(0, 12), max_size=60), st.integers(1, 25))
def test_groups_follow_the_values_split_no_tie_and_leave_no_gap(values, quantiles):
    groups = quantile_groups(np.array(values, np.int64), quantiles).tolist()
    zeros = 1 if 0 in values else 0
    assert sorted(set(groups)) == list(range(len(set(groups))))
    assert len(set(groups)) <= quantiles + zeros
    for a, group in zip(values, groups, strict=True):
        for b, other_group in zip(values, groups, strict=True):
            assert (group == other_group) if a == b else (a > b or group <= other_group)
            assert a == 0 or b != 0 or group > other_group
    # Each value is where the middle of its ranks is, counted by hand among the values above 0.
    ranked = sorted(v for v in values if v > 0)
    middles = {v: (ranked.index(v) + ranked.index(v) + ranked.count(v)) / 2 for v in set(ranked)}
    places = sorted({math.floor(quantiles * m / len(ranked) + 1e-9) for m in middles.values()})
    for v, group in zip(values, groups, strict=True):
        if v:
            assert group - zeros == places.index(math.floor(quantiles * middles[v] / len(ranked) + 1e-9))


def test_rows_by_hand():
    plays = np.array([0, 5, 7, 7, 100, 0])
    scores = np.array([0.5, 0.2, 0.4, 0.6, 0.9, 0.1])
    reference = np.array([0.0, 0.1, 0.5, 0.5, 0.6, 0.0])
    none, few, many = by_quantile(plays, scores, reference, quantiles=2)
    assert (none.low, none.high, none.n_queries) == (0, 0, 2)
    assert (none.ndcg, none.reference) == (pytest.approx(0.3), 0)
    assert math.isnan(none.ratio)
    # 7 has ranks 1 and 2 of four, the middle is 2, which is where the second half begins.
    assert (few.low, few.high, few.n_queries) == (5, 5, 1)
    assert few.ratio == pytest.approx(2)
    assert (many.low, many.high, many.n_queries) == (7, 100, 3)
    # A ratio of means, 1.9 / 1.6, not the mean of the ratios 0.8, 1.2 and 1.5.
    assert many.ratio == pytest.approx(1.9 / 1.6)


def test_without_a_reference_figures_are_absolute():
    (row,) = by_quantile(np.array([3, 3]), np.array([0.25, 0.75]))
    assert (row.n_queries, row.ndcg) == (2, 0.5)
    assert np.isnan([row.reference, row.ratio]).all()


def test_no_queries_have_no_rows():
    assert by_quantile(np.zeros(0), np.zeros(0)) == []


def test_what_does_not_fit_is_refused():
    with pytest.raises(MismatchError, match="found 2 values, 3 scores and 3 of the reference"):
        by_quantile(np.ones(2), np.ones(3))
    with pytest.raises(InputError, match="quantiles: found 0"):
        quantile_groups(np.ones(2), 0)
    with pytest.raises(InputError, match="values to group by: found nan"):
        quantile_groups(np.array([1, np.nan]))
