import numpy as np
import pyarrow as pa
import pytest

from riyl.core.errors import MismatchError
from riyl.core.storage.ground_truth import Relevance, save_truth
from riyl.evaluation.conditions import Condition, judged_only


def truth_of(folder, pairs, directed=False):
    table = pa.table({"artist_id": [a for a, _ in pairs], "similar_id": [b for _, b in pairs]})
    return save_truth(folder, "made", table, directed=directed, source="made").relevance(list("abcdef"))


def test_artists_without_any_pair_in_the_catalog_are_left_out(tmp_path):
    # d has a pair with an artist that the catalog lacks, e with itself, f none.
    relevance = truth_of(tmp_path, [("a", "b"), ("b", "c"), ("d", "stranger"), ("e", "e")])
    condition = judged_only(Condition("raw", np.arange(6, dtype=np.int32)), relevance)
    assert (condition.name, condition.rows.tolist()) == ("raw-judged", [0, 1, 2])
    assert condition.rows.dtype == np.int32


def test_a_pair_with_an_artist_outside_of_the_condition_judges_too(tmp_path):
    relevance = truth_of(tmp_path, [("a", "b"), ("c", "d")])
    assert judged_only(Condition("fmc", np.array([1, 3, 5], np.int32)), relevance).rows.tolist() == [1, 3]


def test_a_directed_pair_judges_both_its_artists(tmp_path):
    relevance = truth_of(tmp_path, [("a", "b"), ("c", "b")], directed=True)
    assert judged_only(Condition("raw", np.arange(6, dtype=np.int32)), relevance).rows.tolist() == [0, 1, 2]


def test_a_truth_without_pairs_judges_nobody(tmp_path):
    relevance = truth_of(tmp_path, [("x", "y")])
    assert judged_only(Condition("raw", np.arange(6, dtype=np.int32)), relevance).rows.tolist() == []
    assert judged_only(Condition("none", np.array([], np.int32)), relevance).rows.tolist() == []


def test_a_condition_of_another_catalog_is_refused():
    relevance = Relevance(np.zeros(4, np.int64), np.zeros(0, np.int32), 0)
    with pytest.raises(MismatchError, match="condition 'raw': found row 5; the truth is over 3 artists"):
        judged_only(Condition("raw", np.array([5], np.int32)), relevance)
