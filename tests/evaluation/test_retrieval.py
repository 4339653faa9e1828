"""Lists of queries apart from candidates, and ready lists, by hand and by plain loops."""

from __future__ import annotations

import numpy as np
import pytest

from riyl.core.errors import MismatchError
from riyl.evaluation.conditions import Condition, judged_only, limited
from riyl.evaluation.protocol import Setup, evaluate
from riyl.evaluation.retrieval import RankedLists, System, retrieve
from tests.evaluation.test_protocol import LINE, in_order, rows, system_of, truth_of

READY = RankedLists(
    "ready",
    np.array([0, 3, 3, 6, 6, 8]),
    np.array([2, 1, 4, 0, 1, 3, 0, 3], np.int32),
    np.array([True, False, True, True, True]),
)
"""Lists 0: 2 1 4, 2: 0 1 3, 3: nothing, 4: 0 3; artist 1 has no list."""


def split(queries: list[int], candidates: list[int]) -> Condition:
    return limited(rows(0, 1, 2, 3, 4), np.array(queries), np.array(candidates))


def test_queries_and_candidates_apart_by_hand() -> None:
    # the best of each on the line are 4, 3, 2, 1, 0; a query that is a candidate is left out of its own list
    lists = retrieve(LINE, split([0, 3], [1, 3, 4]), in_order(5), k=3)
    assert lists.tolist() == [[4, 3, 1], [4, 1, -1]]


def test_the_figures_of_queries_and_candidates_apart_by_hand() -> None:
    links = truth_of(5, [(0, 1), (0, 2), (3, 4), (3, 0)])
    result = evaluate(LINE, split([0, 2, 3], [1, 3, 4]), Setup(links, in_order(5), k=1, rounds=5))
    # the first of 0 is 4, not similar to it; that of 3 is 4; 2 has no similar artist, and counts in Gini alone
    assert (result.n_artists, result.n_queries, result.n_without_links) == (3, 2, 1)
    assert result.query_rows.tolist() == [0, 3]
    assert result.ndcg.tolist() == [0.0, 1.0]
    assert result.retrieved.tolist() == [[4], [4]]
    assert result.coverage == pytest.approx(1 / 3)


def test_lists_of_some_queries_are_those_of_all_queries_among_the_same_candidates() -> None:
    rng = np.random.default_rng(0)
    system = system_of(rng.standard_normal((40, 6)), covered=rng.random(40) < 0.8)
    candidates = np.flatnonzero(rng.random(40) < 0.7)
    queries = np.sort(rng.permutation(candidates)[:9])
    everyone = Condition("raw", np.arange(40, dtype=np.int32))
    among = retrieve(system, limited(everyone, None, candidates), in_order(40), k=8)
    some = retrieve(system, limited(everyone, queries, candidates), in_order(40), k=8)
    assert some.tolist() == among[queries].tolist()


def test_corrections_of_the_candidates_are_fitted_among_the_candidates() -> None:
    fitted_among: list[list[int]] = []
    vectors = np.array([[1, 0], [1, 1], [0, 1], [2, 1]], np.float32)

    def restricted(among: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        fitted_among.append(among.tolist())
        return vectors[among], -vectors[among]

    system = System("made", vectors, vectors, np.ones(4, bool), restricted)
    condition = Condition("some", np.array([1, 2, 3], np.int32), np.array([0], np.int32))
    # scores of 0 with 1, 2, 3 are -1, 0, -2
    assert retrieve(system, condition, in_order(4), k=3).tolist() == [[2, 1, 3]]
    assert fitted_among == [[1, 2, 3]]


@pytest.mark.parametrize(
    ("condition", "k", "wanted"),
    [
        (rows(0, 1, 2, 3, 4), 2, [[2, 1], [-1, -1], [0, 1], [-1, -1], [0, 3]]),
        (rows(0, 2, 3), 3, [[2, -1, -1], [0, 3, -1], [-1, -1, -1]]),
        (split([2, 4], [1, 3]), 3, [[1, 3, -1], [3, -1, -1]]),
    ],
)
def test_ready_lists_keep_their_order_among_the_candidates(condition: Condition, k: int, wanted: object) -> None:
    assert retrieve(READY, condition, in_order(5), k=k).tolist() == wanted


def test_ready_lists_of_a_system_are_its_own_figures() -> None:
    rng = np.random.default_rng(1)
    system = system_of(rng.standard_normal((30, 5)), covered=rng.random(30) < 0.9)
    everyone = Condition("raw", np.arange(30, dtype=np.int32))
    lists = retrieve(system, everyone, in_order(30), k=29)
    kept = [row[row >= 0] for row in lists]
    indptr = np.concatenate([[0], np.cumsum([len(row) for row in kept])])
    ready = RankedLists("ready", indptr, np.concatenate(kept), system.covered)
    links = truth_of(30, [(a, b) for a in range(30) for b in range(30) if a != b and rng.random() < 0.2])
    few = Condition("some", np.flatnonzero(rng.random(30) < 0.6).astype(np.int32))
    for condition in (everyone, few):
        setup = Setup(links, in_order(30), k=10, rounds=20)
        made, again = evaluate(system, condition, setup), evaluate(ready, condition, setup)
        assert again.retrieved.tolist() == made.retrieved.tolist()
        assert (again.ndcg_mean, again.gini, again.covered_share) == (made.ndcg_mean, made.gini, made.covered_share)


def test_ready_lists_over_other_artists_are_refused() -> None:
    with pytest.raises(MismatchError, match="'ready': found 5 marks of coverage and 5 lists; wanted the snapshot's 6"):
        retrieve(READY, rows(0, 1), in_order(6), k=2)


def test_limits_keep_what_the_condition_has_and_judged_conditions_judge_both_sides() -> None:
    condition = limited(rows(1, 2, 3), np.array([0, 1, 2]), np.array([2, 3, 4]))
    assert (condition.query_rows.tolist(), condition.rows.tolist()) == ([1, 2], [2, 3])
    assert limited(rows(1, 2), None, None).queries is None
    judged = judged_only(condition, truth_of(5, [(1, 3)]))
    assert (judged.name, judged.query_rows.tolist(), judged.rows.tolist()) == ("some-judged", [1], [3])
