"""Records of small studies; expected values by hand."""

import json
import math

import numpy as np
import pytest

from riyl.evaluation.conditions import Condition
from riyl.evaluation.groups import deal_groups
from riyl.evaluation.protocol import Setup
from riyl.evaluation.record import defined, record
from riyl.evaluation.study import study
from riyl.evaluation.subject import Subject
from riyl.evaluation.table import compare
from tests.evaluation.test_protocol import LINE, LINKS, everyone, in_order, system_of

HALF = 1 / math.log2(3)
CF = system_of([[1], [2], [3], [4], [5]], covered=[1, 1, 1, 1, 0], name="single-cf")
PLAYS = np.array([10, 0, 10, 5, 30])


def studied(*subjects, conditions=None, groupings=(), k=2):
    dealt = {"fmc": groupings} if groupings else {}
    return study(subjects, conditions or [everyone(5)], dealt, Setup(LINKS, in_order(5), k=k, rounds=20), PLAYS)


def recorded(outcome, **more):
    return record(
        outcome, {"plays": PLAYS}, compare(outcome.results, "made", rounds=20), **{"cf": None, "rounds": 20, **more}
    )


def test_conditions_and_systems_are_told():
    result = recorded(studied(Subject(LINE, seed=3), Subject(CF, "subset", of="made", subset=("cf",))))
    assert result["conditions"] == [{"name": "raw", "full": False, "artists": 5, "queries": 4, "without_links": 1}]
    unknown = {"history": None, "catalog": None}
    assert result["systems"][:2] == [
        {"name": "made", "role": "system", "of": None, "subset": [], "seed": 3} | unknown,
        {"name": "single-cf", "role": "subset", "of": "made", "subset": ["cf"], "seed": None} | unknown,
    ]
    assert [(s["name"], s["role"]) for s in result["systems"][2:]] == [("noise", "floor"), ("popularity", "floor")]


def test_differences_are_to_the_reference():
    result = recorded(studied(Subject(LINE), Subject(CF)))
    # nDCG of made is 1/(1+h), 0, h, 0 and of single-cf 0, 0, 1, 0 for the queries 0, 1, 2, 4
    (row,) = (d for d in result["differences"] if d["system"] == "single-cf")
    assert row["ndcg"] == pytest.approx((1 - (1 / (1 + HALF) + HALF)) / 4, abs=1e-12)
    assert (row["condition"], row["reference"]) == ("raw", "made")
    assert row["low"] <= row["ndcg"] <= row["high"]


def test_popularity_groups_are_relative_to_cf():
    result = recorded(studied(Subject(LINE), Subject(CF)), cf="single-cf")
    rows = {p["system"]: p["rows"] for p in result["popularity"]}
    # plays of the queries 0, 1, 2, 4: 10, 0, 10, 30: 1 has no plays, and 0 and 2 are in one group
    assert [(r["low"], r["high"], r["n_queries"]) for r in rows["made"]] == [(0, 0, 1), (10, 10, 2), (30, 30, 1)]
    together = rows["made"][1]
    assert together["ndcg"] == pytest.approx((1 / (1 + HALF) + HALF) / 2, abs=1e-12)
    assert together["reference"] == pytest.approx(0.5, abs=1e-12)
    assert together["ratio"] == pytest.approx(1 / (1 + HALF) + HALF, abs=1e-12)
    assert math.isnan(rows["made"][0]["ratio"])
    assert {p["reference"] for p in result["popularity"]} == {"single-cf"}
    alone = recorded(studied(Subject(LINE)))["popularity"]
    assert [p["reference"] for p in alone] == [None]
    assert all(math.isnan(r["ratio"]) for r in alone[0]["rows"])


def test_links_group_queries_by_how_many_similar_artists_they_have():
    (entry,) = recorded(studied(Subject(LINE)))["links"]
    assert [(r["low"], r["high"], r["n_queries"]) for r in entry["rows"]] == [(1, 1, 3), (2, 2, 1)]
    assert [r["ndcg"] for r in entry["rows"]] == pytest.approx([HALF / 3, 1 / (1 + HALF)], abs=1e-12)


def test_coherence_is_that_of_the_queries_of_fmc():
    angles = np.array([0.0, 0.1, 0.3, 0.6, 1.0])
    parts = {
        "a": np.tile([1.0, 0.0], (5, 1)).astype(np.float32),
        "b": np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32),
    }
    fmc = Condition("fmc", in_order(5))
    result = recorded(studied(Subject(LINE, parts=parts), Subject(CF, parts={"a": parts["a"]}), conditions=[fmc]))
    (entry,) = result["coherence"]
    assert (entry["system"], entry["tau"]["names"]) == ("made", ("ndcg", "ecl", "cd_intra", "cd_inter", "pop_plays"))
    # a is the same for all, so the pair (a, b) gives (1 - cos t_i) - mean over j != i of (1 - cos t_j), and (b, a) 0
    far = 1 - np.cos(angles)
    ecl = np.array([(far[i] - np.delete(far, i).mean()) / 2 for i in range(5)])
    # four queries, each a group of its own: 0, 1, 2, 4, of ascending loss
    assert [p["ecl"] for p in entry["curves"]["ecl"]] == pytest.approx(ecl[[0, 1, 2, 4]], abs=1e-6)
    assert [p["ndcg"] for p in entry["curves"]["ecl"]] == pytest.approx([1 / (1 + HALF), 0, HALF, 0], abs=1e-12)
    assert [p["n"] for p in entry["curves"]["ecl"]] == [1, 1, 1, 1]
    # pairs by loss and nDCG: 0-1, 0-4 and 2-4 fall, 0-2 and 1-2 rise, 1-4 ties in nDCG: (2 - 3) / sqrt(6 * 5)
    assert entry["tau"]["tau"][0, 1] == pytest.approx(-1 / math.sqrt(30), abs=1e-12)


def test_groups_are_told_for_what_has_parts_and_for_noise():
    rng = np.random.default_rng(0)
    parts = {name: rng.standard_normal((5, 3)).astype(np.float32) for name in ("a", "b")}
    groupings = deal_groups(in_order(5), ["a", "b"], 0, groupings=2)
    result = recorded(studied(Subject(LINE, parts=parts), Subject(CF), groupings=groupings, k=5))
    assert [g["system"] for g in result["groups"]] == ["made", "noise"]
    entry = result["groups"][0]
    assert entry["subsets"] == (("a",), ("b",), ("a", "b"))
    assert entry["own_share"] == pytest.approx(np.array([entry["shares"][i, i] for i in range(3)]))
    entropies = [g["entropy"] for g in entry["groupings"]]
    assert entry["entropy"]["mean"] == pytest.approx(sum(entropies) / 2)
    assert entry["entropy"]["deviation"] == pytest.approx(abs(entropies[0] - entropies[1]) / math.sqrt(2))


def test_measures_are_compared_over_systems_and_queries():
    (entry,) = recorded(studied(Subject(LINE), Subject(CF)))["measures"]
    assert (entry["condition"], entry["systems"]) == ("raw", 2)
    # recall 0.5, 0, 1, 0 and 0, 0, 1, 0; nDCG 1/(1+h), 0, h, 0 and 0, 0, 1, 0: a=0.61, b=0.63, c=1 are the hits.
    # Pairs: a-b and a-c rise in both, b-c ties in recall alone, 3 * 5 of a hit and a miss rise in both, 10 tie in both.
    assert entry["tau"]["names"] == ("ndcg", "precision", "recall", "r_precision")
    assert entry["tau"]["tau"][0, 2] == pytest.approx(17 / math.sqrt(18 * 17), abs=1e-12)


def test_what_is_undefined_is_null_in_json():
    values = {
        "a": float("nan"),
        "b": [np.float64(1.5), math.inf],
        "c": np.array([[1, 2]]),
        "d": (np.int32(3), None, "x"),
    }
    assert defined(values) == {"a": None, "b": [1.5, None], "c": [[1, 2]], "d": [3, None, "x"]}
    json.dumps(defined(recorded(studied(Subject(LINE)))), allow_nan=False)
