"""Figures of the first ranks; expected values by hand, by a naive second way, and by ir_measures."""

from __future__ import annotations

import math
from itertools import product

import ir_measures
import numpy as np
import pytest
from ir_measures import nDCG

from riyl.evaluation.conditions import Condition
from riyl.evaluation.depths import at_depths, depths_below
from riyl.evaluation.protocol import Result, Setup, evaluate
from riyl.evaluation.retrieval import RankedLists
from riyl.evaluation.table import compare, depth_rows
from tests.evaluation.test_protocol import everyone, in_order, rows, system_of, truth_of


def ready(n: int, lists: dict[int, list[int]], name: str = "ready") -> RankedLists:
    lengths = [len(lists.get(row, [])) for row in range(n)]
    entries = [other for row in range(n) for other in lists.get(row, [])]
    indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return RankedLists(name, indptr, np.array(entries, np.int32), np.array([row in lists for row in range(n)]))


def random_study(n: int, k: int, seed: int = 0) -> tuple[list[tuple[int, int]], Result]:
    rng = np.random.default_rng(seed)
    pairs = sorted({(int(a), int(b)) for a, b in rng.integers(0, n, (30 * n, 2)) if a != b})
    system = system_of(rng.standard_normal((n, 8)), covered=rng.random(n) < 0.9)
    return pairs, evaluate(system, everyone(n), Setup(truth_of(n, pairs), in_order(n), k=k, rounds=20))


def test_figures_of_the_first_ranks_by_hand() -> None:
    lists = np.array([[1, 2, 3], [2, 3, 0], [1, 3, 0], [-1, -1, -1]], np.int32)
    hits = np.array([[False, True, True], [True, False, False]])
    first, two = at_depths([1, 2], lists, 4, hits, np.array([3, 1]), 50, seed=0)
    assert (first.depth, two.depth) == (1, 2)
    assert first.ndcg.tolist() == [0, 1]
    # The ideal of three relevant artists in two ranks is two hits.
    half = 1 / math.log2(3)
    assert two.ndcg == pytest.approx([half / (1 + half), 1], abs=1e-12)
    assert two.ndcg_mean == pytest.approx((half / (1 + half) + 1) / 2, abs=1e-12)
    assert two.ndcg_interval.low <= two.ndcg_mean <= two.ndcg_interval.high
    # Counts 0 2 1 0: pairs differ by 2+1+0+1+2+1 = 7, twice, over 16, over twice the mean 3 / 4; two are never there.
    assert first.gini == pytest.approx(2 * 7 / 16 / (2 * 3 / 4), abs=1e-12)
    assert first.never_retrieved == 0.5
    # Counts 0 2 2 2: three pairs differ by 2.
    assert two.gini == pytest.approx(2 * 6 / 16 / (2 * 6 / 4), abs=1e-12)
    assert two.never_retrieved == 0.25


@pytest.mark.parametrize(("k", "depths"), [(5, ()), (10, ()), (11, (10,)), (20, (10,)), (50, (10,)), (200, (10, 50))])
def test_depths_are_below_the_length_of_a_list(k: int, depths: tuple[int, ...]) -> None:
    assert depths_below(k) == depths
    assert tuple(at.depth for at in random_study(30, k)[1].depths) == depths


def test_ndcg_at_a_depth_is_that_of_ir_measures() -> None:
    n, k = 150, 120
    pairs, result = random_study(n, k)
    qrels = [ir_measures.Qrel(str(a), str(b), 1) for a, b in pairs]
    run = [
        ir_measures.ScoredDoc(str(query), str(other), float(k - rank))
        for query, of_query in zip(result.query_rows.tolist(), result.retrieved.tolist(), strict=True)
        for rank, other in enumerate(of_query)
        if other >= 0
    ]
    by_depth = {at.depth: at for at in result.depths}
    measured = {(m.measure, m.query_id): m.value for m in ir_measures.iter_calc([nDCG @ 10, nDCG @ 50], qrels, run)}
    for depth, (i, query) in product((10, 50), enumerate(result.query_rows.tolist())):
        value = measured.get((nDCG @ depth, str(query)), 0.0)
        assert by_depth[depth].ndcg[i] == pytest.approx(value, abs=1e-9)
    assert by_depth[10].ndcg.max() > 0


def test_a_depth_is_a_prefix_of_the_lists() -> None:
    shorter = {k: random_study(150, k)[1] for k in (10, 50)}
    for at in random_study(150, 120)[1].depths:
        alone = shorter[at.depth]
        assert at.ndcg.tolist() == alone.ndcg.tolist()
        assert (at.ndcg_interval, at.gini) == (alone.ndcg_interval, alone.gini)
        assert at.never_retrieved == pytest.approx(1 - alone.coverage, abs=1e-12)


def test_ready_lists_that_end_before_a_depth_have_no_figures_at_it() -> None:
    n, links = 60, truth_of(60, [(0, 1), (1, 0)])
    twenty = {row: [other for other in range(21) if other != row][:20] for row in range(n)}
    result = evaluate(ready(n, twenty), everyone(n), Setup(links, in_order(n), rounds=5))
    assert [at.depth for at in result.depths] == [10]
    whole = ready(n, {0: [other for other in range(n) if other != 0]})
    assert [at.depth for at in evaluate(whole, everyone(n), Setup(links, in_order(n), rounds=5)).depths] == [10, 50]
    # Of six artists no list is longer than five, so that it is whole.
    few = evaluate(ready(n, twenty), rows(0, 1, 2, 3, 4, 5), Setup(links, in_order(n), rounds=5))
    assert [at.depth for at in few.depths] == [10, 50]


@pytest.mark.parametrize("condition", [rows(), rows(3, 4)])
def test_without_queries_ndcg_is_undefined(condition: Condition) -> None:
    result = evaluate(system_of(np.ones((5, 1))), condition, Setup(truth_of(5, [(0, 1)]), in_order(5), rounds=5))
    assert [at.depth for at in result.depths] == [10, 50]
    assert all(math.isnan(at.ndcg_mean) and math.isnan(at.ndcg_interval.low) for at in result.depths)
    wanted = 0.0 if len(condition.rows) else math.nan
    assert [at.never_retrieved for at in result.depths] == pytest.approx([wanted] * 2, nan_ok=True)


def test_what_embeds_nothing_scores_zero_and_has_no_gini() -> None:
    system = system_of(np.ones((5, 1)), covered=[0] * 5)
    result = evaluate(system, everyone(5), Setup(truth_of(5, [(0, 1)]), in_order(5), rounds=5))
    for at in result.depths:
        assert (at.ndcg_mean, at.never_retrieved) == (0, 1)
        assert math.isnan(at.gini)


def test_differences_are_paired_at_the_depths_that_both_have() -> None:
    n, setup = 60, Setup(truth_of(60, [(0, 1), (1, 0), (2, 3)]), in_order(60), rounds=50)
    best = ready(n, {0: [1, *range(2, 60)], 1: [0, *range(2, 60)], 2: [0, 3, 1, *range(4, 60)]}, "best")
    tenth = ready(n, {0: [2, 1, *range(3, 12)], 1: [0, *range(2, 12)], 2: [*range(4, 16)]}, "tenth")
    results = [evaluate(each, everyone(n), setup) for each in (best, tenth)]
    (comparison,) = compare(results, "best", rounds=50)
    assert list(comparison.depths) == [10]
    half = 1 / math.log2(3)
    at_ten = comparison.depths[10]
    assert at_ten.difference == pytest.approx((half - 1 + 0 - half) / 3, abs=1e-12)
    assert at_ten.interval.low <= at_ten.difference <= at_ten.interval.high
    of_best, of_best_50, of_tenth = depth_rows(results, [comparison])
    assert [(row["system"], row["depth"]) for row in (of_best, of_best_50, of_tenth)] == [
        ("best", 10),
        ("best", 50),
        ("tenth", 10),
    ]
    assert of_best["ndcg"] == pytest.approx((1 + 1 + half) / 3, abs=1e-12)
    assert of_tenth["difference"] == at_ten.difference
    assert (of_tenth["difference_low"], of_tenth["p"]) == (at_ten.interval.low, at_ten.p)
    assert np.isnan([float(of_best[name]) for name in ("difference", "difference_high", "p")]).all()
    assert of_tenth["never_retrieved"] == pytest.approx(1 - 14 / 60, abs=1e-12)
