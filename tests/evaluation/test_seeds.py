import dataclasses
import math

import numpy as np
import pytest

from riyl.core.errors import InputError, MismatchError
from riyl.evaluation.seeds import over_seeds
from tests.evaluation.results import made_result


def test_seeds_and_queries_are_stated_apart_by_hand():
    # Means 0.4, 0.5 and 0.6: deviations -0.1, 0, 0.1, so sqrt(0.02 / 2) = 0.1. Gini 0.2, 0.2, 0.5: sqrt(0.06 / 2).
    runs = [made_result([0.3, 0.5], gini=0.2), made_result([0.5, 0.5], gini=0.2), made_result([0.7, 0.5], gini=0.5)]
    summary = over_seeds(runs)
    assert (summary.condition, summary.seeds) == ("raw", 3)
    assert list(summary.figures) == ["ndcg", "recall", "gini", "coverage"]
    assert (summary.figures["ndcg"].mean, summary.figures["ndcg"].deviation) == pytest.approx((0.5, 0.1), abs=1e-12)
    assert (summary.figures["gini"].mean, summary.figures["gini"].deviation) == pytest.approx((0.3, math.sqrt(0.03)))
    assert (summary.figures["recall"].mean, summary.figures["recall"].deviation) == (0.25, 0.0)
    # Each query's mean over the seeds is 0.5: no query is harder than another, for any effect of the seeds.
    assert summary.ndcg_half_width == pytest.approx(0, abs=1e-12)


def test_queries_may_differ_where_seeds_do_not():
    # Resampled means of 0 and 1 are 0, 0.5 and 1 with chances 1/4, 1/2 and 1/4, so the interval is 0..1.
    summary = over_seeds([made_result([0.0, 1.0]), made_result([0.0, 1.0])])
    assert (summary.figures["ndcg"].mean, summary.figures["ndcg"].deviation) == (0.5, 0.0)
    assert summary.ndcg_half_width == 0.5


def test_the_queries_interval_is_that_of_each_querys_mean_over_seeds():
    rng = np.random.default_rng(0)
    hard, n = rng.random(2000), 2000
    runs = [made_result(np.clip(hard + 0.2 * rng.standard_normal(n), 0, 1)) for _ in range(4)]
    error = np.std([np.mean([r.ndcg[q] for r in runs]) for q in range(n)]) / np.sqrt(n)
    assert over_seeds(runs, 4000).ndcg_half_width == pytest.approx(1.96 * error, rel=0.06)


def test_the_first_ranks_are_stated_at_the_depths_of_all_seeds():
    runs = [made_result([0.5], depths={10: 0.2, 50: 0.5}), made_result([0.5], depths={10: 0.4})]
    (at_ten,) = over_seeds(runs).depths
    assert at_ten.depth == 10
    # Deviations of 0.1 to both sides of the mean: sqrt((0.01 + 0.01) / 1), and twice as much for the share.
    for spread in (at_ten.ndcg, at_ten.gini):
        assert (spread.mean, spread.deviation) == pytest.approx((0.3, math.sqrt(0.02)), abs=1e-12)
    never = at_ten.never_retrieved
    assert (never.mean, never.deviation) == pytest.approx((0.6, 2 * math.sqrt(0.02)), abs=1e-12)
    assert over_seeds([made_result([0.5])]).depths == ()


def test_one_seed_has_no_deviation():
    summary = over_seeds([made_result([0.25, 0.75], gini=0.4)])
    assert summary.seeds == 1
    assert [summary.figures["ndcg"].mean, summary.figures["gini"].mean] == [0.5, 0.4]
    assert np.isnan([spread.deviation for spread in summary.figures.values()]).all()


def test_what_is_undefined_stays_so():
    summary = over_seeds([made_result([], gini=np.nan), made_result([], gini=0.5)])
    assert np.isnan([summary.figures["ndcg"].mean, summary.figures["gini"].mean, summary.ndcg_half_width]).all()
    assert summary.figures["coverage"].mean == 1.0


def test_no_results_are_refused():
    with pytest.raises(InputError, match="found no results; wanted at least one"):
        over_seeds([])


@pytest.mark.parametrize(
    "other",
    [
        dataclasses.replace(made_result([0.5, 0.5]), condition="fmc"),
        dataclasses.replace(made_result([0.5, 0.5]), k=20),
        dataclasses.replace(made_result([0.5, 0.5]), query_rows=np.array([0, 2], np.int32)),
        made_result([0.5, 0.5, 0.5]),
    ],
)
def test_results_of_other_questions_are_refused(other):
    with pytest.raises(MismatchError, match="wanted the same condition, queries and k"):
        over_seeds([made_result([0.5, 0.5]), other])
