import math

import ir_measures
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from riyl.core.ranking_metrics import (
    LIST_METRICS,
    coverage,
    gini,
    gini_rows,
    graded_ndcg,
    ndcg,
    precision,
    r_precision,
    recall,
    retrieval_counts,
)


def hits_of(*rows):
    return np.array(rows, bool)


def naive(name, hits, n_relevant):
    """Compute the metric of one query in plain Python."""
    k = len(hits)
    if n_relevant == 0:
        return math.nan
    if name == "ndcg":
        gain = sum(1 / math.log2(rank + 1) for rank in range(1, k + 1) if hits[rank - 1])
        ideal = sum(1 / math.log2(rank + 1) for rank in range(1, min(k, n_relevant) + 1))
        return gain / ideal if ideal else math.nan
    if name == "precision":
        return sum(hits) / k if k else math.nan
    if name == "recall":
        return sum(hits) / n_relevant
    return sum(hits[:n_relevant]) / n_relevant


@st.composite
def judged(draw):
    """Draw (q, k) hits and counts of relevant candidates, at least as many as hits in each row."""
    hits = draw(arrays(bool, st.tuples(st.integers(0, 6), st.integers(0, 12))))
    missed = draw(arrays(np.int64, len(hits), elements=st.integers(0, 20)))
    return hits, hits.sum(axis=1) + missed


def test_ndcg_by_hand():
    # Hits at ranks 1 and 3: 1/log2(2) + 1/log2(4) = 1.5; ideal over three: 1 + 1/log2(3) + 1/2 = 2.1309297535714578.
    assert ndcg(hits_of([1, 0, 1]), np.array([3])) == pytest.approx([1.5 / 2.1309297535714578], abs=1e-12)


def test_ndcg_of_more_relevant_than_places_can_be_one():
    assert ndcg(hits_of([1, 1]), np.array([7])) == pytest.approx([1.0], abs=1e-12)


def test_ndcg_with_one_relevant_falls_with_its_rank():
    scores = ndcg(hits_of([1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0]), np.array([1, 1, 1, 1]))
    assert scores == pytest.approx([1.0, 0.6309297535714575, 0.5, 0.0], abs=1e-12)


def test_graded_ndcg_by_hand():
    # Gains 0.5, 0 and 2 at ranks 1 to 3: 0.5 + 2/log2(4) = 1.5; ideal of 2, 1, 0.5 (one of 1 is missed):
    # 2 + 1/log2(3) + 0.25 = 2.8809297535714578.
    gains, relevant = np.array([[0.5, 0.0, 2.0]]), np.array([[2.0, 1.0, 0.5, 0.0]])
    assert graded_ndcg(gains, relevant) == pytest.approx([1.5 / 2.8809297535714578], abs=1e-12)
    # two ranks: 0.5 over 2 + 1/log2(3); nothing relevant has no figure
    assert graded_ndcg(gains[:, :2], relevant) == pytest.approx([0.5 / 2.6309297535714578], abs=1e-12)
    assert np.isnan(graded_ndcg(np.zeros((1, 3)), np.zeros((1, 4)))).all()


@given(judged())
def test_graded_ndcg_of_equal_gains_is_ndcg(drawn):
    hits, n_relevant = drawn
    relevant = np.arange(40) < n_relevant[:, None]
    expected = [naive("ndcg", row, n) for row, n in zip(hits.tolist(), n_relevant.tolist(), strict=True)]
    np.testing.assert_allclose(graded_ndcg(3.0 * hits, 3.0 * relevant), expected, atol=1e-12)


def test_precision_recall_and_r_precision_by_hand():
    hits, n_relevant = hits_of([1, 0, 1, 0], [0, 0, 0, 1]), np.array([2, 8])
    assert precision(hits, n_relevant).tolist() == [0.5, 0.25]
    assert recall(hits, n_relevant).tolist() == [1.0, 0.125]
    assert r_precision(hits, n_relevant).tolist() == [0.5, 0.125]


@pytest.mark.parametrize("name", LIST_METRICS)
def test_nothing_relevant_is_nan(name):
    scores = LIST_METRICS[name](hits_of([0, 0], [1, 0]), np.array([0, 1]))
    assert np.isnan(scores[0])
    assert scores[1] == 1.0 or name == "precision"


@pytest.mark.parametrize("name", LIST_METRICS)
def test_no_queries_give_no_figures(name):
    assert LIST_METRICS[name](np.zeros((0, 5), bool), np.zeros(0, np.int64)).shape == (0,)


@pytest.mark.parametrize("name", LIST_METRICS)
@given(judged())
def test_list_metrics_equal_plain_loops(name, drawn):
    hits, n_relevant = drawn
    expected = [naive(name, row.tolist(), int(count)) for row, count in zip(hits, n_relevant, strict=True)]
    scores = LIST_METRICS[name](hits, n_relevant)
    assert scores.dtype == np.float64
    np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-9)


def made_run(seed, q=40, n=60, k=25):
    """Make lists of different lengths (padded with -1) and relevant candidates, for some queries more than k."""
    rng = np.random.default_rng(seed)
    lists = np.full((q, k), -1, np.int32)
    relevant = []
    for row in range(q):
        length = rng.integers(1, k + 1)
        lists[row, :length] = rng.permutation(n)[:length]
        relevant.append(np.sort(rng.choice(n, rng.integers(1, 50), replace=False)))
    hits = np.array([np.isin(row, candidates) for row, candidates in zip(lists, relevant, strict=True)])
    return lists, relevant, hits, np.array([len(candidates) for candidates in relevant])


def as_dicts(lists, relevant):
    """Convert to the reference tools' form, with our order as strictly decreasing scores, so that there are no ties."""
    judgements = {f"q{q:03}": {f"c{c:03}": 1 for c in candidates} for q, candidates in enumerate(relevant)}
    run = {
        f"q{q:03}": {f"c{c:03}": float(len(row) - rank) for rank, c in enumerate(row) if c >= 0}
        for q, row in enumerate(lists)
    }
    return judgements, run


@pytest.mark.parametrize("seed", range(3))
def test_list_metrics_agree_with_ir_measures(seed):
    lists, relevant, hits, n_relevant = made_run(seed)
    names = {"ndcg": "nDCG@25", "precision": "P@25", "recall": "R@25", "r_precision": "Rprec"}
    measures = {ir_measures.parse_measure(text): name for name, text in names.items()}
    judgements, run = as_dicts(lists, relevant)
    expected = {name: np.full(len(lists), np.nan) for name in names}
    for metric in ir_measures.iter_calc(list(measures), judgements, run):
        expected[measures[metric.measure]][int(metric.query_id[1:])] = metric.value
    for name, values in expected.items():
        np.testing.assert_allclose(LIST_METRICS[name](hits, n_relevant), values, rtol=0, atol=1e-9, err_msg=name)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::numba.core.errors.NumbaTypeSafetyWarning")
def test_list_metrics_agree_with_ranx():
    import ranx

    lists, relevant, hits, n_relevant = made_run(7)
    judgements, run = as_dicts(lists, relevant)
    names = {"ndcg": "ndcg@25", "precision": "precision@25", "recall": "recall@25", "r_precision": "r-precision"}
    qrels, ranked = ranx.Qrels(judgements), ranx.Run(run)
    expected = ranx.evaluate(qrels, ranked, list(names.values()), return_mean=False)
    for name, theirs in names.items():
        np.testing.assert_allclose(
            LIST_METRICS[name](hits, n_relevant), expected[theirs], rtol=0, atol=1e-9, err_msg=name
        )


def test_retrieval_counts_leave_out_what_fills_short_lists():
    lists = np.array([[0, 2, -1], [2, -1, -1]], np.int32)
    assert retrieval_counts(lists, 4).tolist() == [1, 0, 2, 0]


def test_retrieval_counts_of_no_lists_are_zero():
    assert retrieval_counts(np.zeros((0, 3), np.int32), 2).tolist() == [0, 0]


def test_a_position_beyond_the_candidates_is_refused():
    with pytest.raises(ValueError, match="found position 4 in a list; wanted positions below 4"):
        retrieval_counts(np.array([[4]], np.int32), 4)


def test_gini_by_hand():
    # Pairs of (0, 1, 3) differ by 1, 3, 2, each counted twice: mean 12 / 9; over twice the mean 8 / 3 gives 0.5.
    assert gini(np.array([3, 0, 1])) == pytest.approx(0.5, abs=1e-12)


def test_gini_of_even_counts_is_zero():
    assert gini(np.array([4, 4, 4, 4, 4])) == pytest.approx(0, abs=1e-12)


def test_gini_of_one_hub_among_n_is_one_less_an_nth():
    assert gini(np.array([0, 0, 0, 9])) == pytest.approx(0.75, abs=1e-12)


@pytest.mark.parametrize("counts", [[], [0], [0, 0, 0]])
def test_gini_of_nothing_retrieved_is_nan(counts):
    assert np.isnan(gini(np.array(counts, np.int64)))


@given(arrays(np.int64, st.integers(1, 30), elements=st.integers(0, 1000)).filter(np.any))
def test_gini_is_the_mean_absolute_difference_over_twice_the_mean(counts):
    values = counts.tolist()
    difference = sum(abs(a - b) for a in values for b in values) / len(values) ** 2
    assert gini(counts) == pytest.approx(difference / (2 * sum(values) / len(values)), abs=1e-9)


@settings(max_examples=30)
@given(arrays(np.int32, (4, 7), elements=st.integers(0, 50)))
def test_gini_rows_is_gini_of_each_row(counts):
    np.testing.assert_array_equal(gini_rows(counts), [gini(row) for row in counts])


def test_coverage_is_the_share_of_candidates_ever_retrieved():
    assert coverage(np.array([3, 0, 1, 0])) == 0.5
    assert math.isnan(coverage(np.zeros(0, np.int64)))
