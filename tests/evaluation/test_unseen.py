import numpy as np
import pytest

from riyl.core.errors import InputError, MismatchError
from riyl.evaluation.bootstrap import Interval
from riyl.evaluation.unseen import seen_and_unseen
from tests.evaluation.results import made_result

UNSEEN = np.array([0, 1, 0, 0, 1, 0, 1, 1], bool)


def test_queries_are_parted_by_hand():
    result = seen_and_unseen(made_result([0.5, 0.125, 0.75, 0.25, 1.0, 0.75], [0, 1, 3, 4, 5, 7]), UNSEEN)
    # Seen: rows 0, 3 and 5; unseen: rows 1, 4 and 7; row 6 is unseen and row 2 is seen, and both are no queries.
    assert (result.seen.n_queries, result.unseen.n_queries) == (3, 3)
    assert (result.seen.ndcg, result.unseen.ndcg) == (0.75, 0.375)
    assert result.difference == -0.375
    for figure, span in ((0.75, result.seen.interval), (0.375, result.unseen.interval), (-0.375, result.interval)):
        assert span.low < figure < span.high
    # A resampled mean lies within its group's values.
    assert 0.5 <= result.seen.interval.low < result.seen.interval.high <= 1
    assert 0.125 <= result.unseen.interval.low < result.unseen.interval.high <= 0.75


def test_groups_of_equal_figures_differ_by_exactly_that():
    result = seen_and_unseen(made_result([0.5, 0.25, 0.5, 0.25], [0, 1, 2, 4]), UNSEEN)
    assert result.seen.interval == Interval(0.5, 0.5)
    assert result.unseen.interval == Interval(0.25, 0.25)
    assert (result.difference, result.interval) == (-0.25, Interval(-0.25, -0.25))


def test_intervals_are_as_wide_as_the_deviations_say():
    rng = np.random.default_rng(0)
    n, unseen = 4000, np.arange(8000) % 5 == 0
    rows = np.sort(rng.permutation(8000)[:n])
    ndcg = rng.random(n)
    result = seen_and_unseen(made_result(ndcg, rows), unseen, 4000)
    unseen_ndcg = ndcg[unseen[rows]]
    seen_ndcg = ndcg[~unseen[rows]]
    errors = {
        "seen": seen_ndcg.std() / np.sqrt(len(seen_ndcg)),
        "unseen": unseen_ndcg.std() / np.sqrt(len(unseen_ndcg)),
    }
    for name, error in errors.items():
        span = getattr(result, name).interval
        assert span.high - span.low == pytest.approx(2 * 1.96 * error, rel=0.08)
    both = np.hypot(*errors.values())
    assert result.interval.high - result.interval.low == pytest.approx(2 * 1.96 * both, rel=0.08)


@pytest.mark.parametrize("rows", [[0, 2, 3], [1, 4, 6], []])
def test_an_empty_group_has_no_figures(rows):
    result = seen_and_unseen(made_result([0.5] * len(rows), rows), UNSEEN)
    empty = [group for group in (result.seen, result.unseen) if not group.n_queries]
    assert len(empty) == (1 if rows else 2)
    for group in empty:
        assert np.isnan([group.ndcg, group.interval.low, group.interval.high]).all()
    assert np.isnan([result.difference, result.interval.low, result.interval.high]).all()
    assert result.seen.n_queries + result.unseen.n_queries == len(rows)


def test_it_repeats_for_a_seed():
    result = made_result([0.5, 0.125, 0.75, 0.25, 1.0, 0.75], [0, 1, 3, 4, 5, 7])
    assert seen_and_unseen(result, UNSEEN, 50, seed=1) == seen_and_unseen(result, UNSEEN, 50, seed=1)
    assert seen_and_unseen(result, UNSEEN, 50, seed=1) != seen_and_unseen(result, UNSEEN, 50, seed=2)


def test_marks_of_another_snapshot_are_refused():
    with pytest.raises(MismatchError, match="found 8 marks and a query in row 9"):
        seen_and_unseen(made_result([0.5, 0.5], [0, 9]), UNSEEN)
    with pytest.raises(InputError, match="rounds: found 0"):
        seen_and_unseen(made_result([0.5], [0]), UNSEEN, 0)
