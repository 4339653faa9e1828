"""Tables of single queries; expected values by hand."""

import math

import numpy as np
import pytest

from riyl.evaluation.protocol import Setup, evaluate
from riyl.evaluation.queries import expected_table, query_table
from tests.evaluation.test_protocol import LINE, LINKS, everyone, in_order, rows, system_of, truth_of

IDS = ["a", "b", "c", "d", "e"]
HALF_BLIND = system_of([[1], [2], [3], [4], [5]], covered=[1, 1, 1, 1, 0], name="blind")


def results(*conditions):
    systems = (LINE, HALF_BLIND)
    return [evaluate(s, c, Setup(LINKS, in_order(5), k=2, rounds=2)) for c in conditions for s in systems]


def test_each_query_has_its_figure_and_what_came():
    result_rows = query_table(results(everyone(5)), IDS).to_pylist()
    assert [(r["condition"], r["system"], r["artist_id"], r["retrieved"]) for r in result_rows] == [
        ("raw", "made", "a", ["e", "d"]),
        ("raw", "made", "b", ["e", "d"]),
        ("raw", "made", "c", ["e", "d"]),
        ("raw", "made", "e", ["d", "c"]),
        ("raw", "blind", "a", ["d", "c"]),
        ("raw", "blind", "b", ["d", "c"]),
        ("raw", "blind", "c", ["d", "b"]),
        ("raw", "blind", "e", []),
    ]
    assert [r["ndcg"] for r in result_rows] == [s for r in results(everyone(5)) for s in r.ndcg]


def test_the_first_ranks_are_null_where_lists_are_not_longer():
    pairs = [(0, 1), (1, 0), (4, 2)]
    # Lists of 0 are 11, 10, ..., those of 11 are 10, 9, ...: all but the last have the greatest numbers first.
    line = system_of([[number] for number in range(1, 13)])
    setup = Setup(truth_of(12, pairs), in_order(12), k=11, rounds=2)
    table = query_table([evaluate(line, everyone(12), setup)], [f"a{number}" for number in range(12)])
    # 0 finds 1 at rank 11, 1 finds 0 there, and 4 finds 2 at rank 9.
    assert table["ndcg_10"].to_pylist() == pytest.approx([0, 0, 1 / math.log2(10)], abs=1e-12)
    assert table["ndcg"].to_pylist() == pytest.approx([1 / math.log2(12)] * 2 + [1 / math.log2(10)], abs=1e-12)
    assert table["ndcg_50"].to_pylist() == [None] * 3
    assert query_table(results(everyone(5)), IDS)["ndcg_10"].null_count == 8


def test_what_was_expected_is_the_relevant_of_the_condition_the_most_played_first():
    conditions = [everyone(5), rows(0, 1)]
    plays = np.array([1.0, 7.0, 0.0, 7.0, 7.0])
    result_rows = expected_table(results(*conditions), conditions, LINKS, plays, IDS).to_pylist()
    assert [(r["condition"], r["artist_id"], r["n_relevant"], r["expected"]) for r in result_rows] == [
        ("raw", "a", 2, ["b", "e"]),
        ("raw", "b", 1, ["a"]),
        ("raw", "c", 1, ["d"]),
        ("raw", "e", 1, ["a"]),
        ("some", "a", 1, ["b"]),
        ("some", "b", 1, ["a"]),
    ]


def test_a_condition_without_queries_is_no_rows():
    nobody = rows(3)
    assert query_table(results(nobody), IDS).num_rows == 0
    assert expected_table(results(nobody), [nobody], LINKS, np.zeros(5), IDS).num_rows == 0
