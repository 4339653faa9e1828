from __future__ import annotations

import pytest

from riyl.core.settings import Home
from tests.app.conftest import asked, problem_of
from tests.app.routes.evaluations import kept


def test_two_are_compared_on_the_queries_that_both_asked(home: Home) -> None:
    kept(home, "e1", version="5f2a9c0e41d7b386")
    kept(home, "e2", {("raw", "other"): {"a000": 0.25, "a001": 0.5, "a002": 1.0, "new": 1.0}, ("x", "other"): {"a": 1}})
    (answer,) = asked(home, "/v1/evaluations/compare?a=e1&b=e2")
    body = answer.json()
    assert (body["truth"], body["truth_name"], body["k"]) == ("0123456789abcdef", "editorial", 10)
    assert (body["a"]["id"], body["a"]["system"], body["a"]["version"]) == ("e1", "mine", "5f2a9c0e41d7b386")
    assert (body["b"]["id"], body["b"]["system"], body["b"]["version"]) == ("e2", "other", None)
    (raw,) = body["conditions"]
    # a000 0.5 - 0.25, a001 0 - 0.5, a002 1 - 1
    assert (raw["condition"], raw["common"], raw["only_a"], raw["only_b"]) == ("raw", 3, 2, 1)
    assert (raw["ndcg_a"], raw["ndcg_b"]) == pytest.approx((1.5 / 3, 1.75 / 3))
    assert raw["difference"] == pytest.approx(-0.25 / 3)
    # of 3 queries drawn 27 ways a mean is -0.5 in 1 and 0.25 in 1, each 3.7 %: beyond 2.5 % on either side
    assert (raw["low"], raw["high"]) == (-0.5, 0.25)
    assert raw["p"] > 0.5
    assert (raw["gini_a"], raw["gini_b"]) == pytest.approx((0.45 / 2, 2.75 / 4 / 2))
    gained = {"id": "a000", "name": "Björk", "a": 0.5, "b": 0.25, "difference": 0.25}
    lost = {"id": "a001", "name": "Radiohead", "a": 0.0, "b": 0.5, "difference": -0.5}
    assert (raw["gained"], raw["lost"]) == ([gained], [lost])


def test_systems_of_one_evaluation_are_compared_too(home: Home) -> None:
    kept(home, "e1")
    (answer,) = asked(home, "/v1/evaluations/compare?a=e1&b=e1&system_b=pca&system_a=mine")
    raw, fmc = answer.json()["conditions"]
    assert [change["id"] for change in raw["gained"]] == ["gone", "a000"]
    assert [change["id"] for change in raw["lost"]] == ["a001", "a003"]
    assert (fmc["common"], fmc["difference"], fmc["low"], fmc["high"]) == (1, 0.5, 0.5, 0.5)
    assert fmc["p"] == pytest.approx(2 / 1001)
    (same,) = asked(home, "/v1/evaluations/compare?a=e1&b=e1")
    assert [(each["difference"], each["p"]) for each in same.json()["conditions"]] == [(0, 1), (0, 1)]


def test_queries_that_changed_most_are_ten_at_most(home: Home) -> None:
    scores = {f"q{i:02d}": i / 32 for i in range(14)}
    kept(home, "e1", {("raw", "mine"): scores, ("raw", "zero"): dict.fromkeys(scores, 0.0)})
    (answer,) = asked(home, "/v1/evaluations/compare?a=e1&b=e1&system_a=zero&system_b=mine")
    (raw,) = answer.json()["conditions"]
    assert raw["gained"] == []
    assert [change["id"] for change in raw["lost"]] == [f"q{i:02d}" for i in range(13, 3, -1)]


def test_evaluations_without_a_common_query_have_no_difference(home: Home) -> None:
    kept(home, "e1", {("raw", "mine"): {"a": 1.0}})
    kept(home, "e2", {("raw", "mine"): {"b": 1.0}})
    (answer,) = asked(home, "/v1/evaluations/compare?a=e1&b=e2")
    (raw,) = answer.json()["conditions"]
    assert [raw[name] for name in ("common", "only_a", "only_b")] == [0, 1, 1]
    assert [raw[name] for name in ("ndcg_a", "ndcg_b", "difference", "low", "high", "p")] == [None] * 6


def test_what_cannot_be_compared_is_409(home: Home) -> None:
    kept(home, "e1")
    kept(home, "e2", truth="ff" * 8)
    kept(home, "e3", k=20)
    kept(home, "e4", {("fmc", "mine"): {"a": 1.0}, ("raw", "pca"): {"a": 1.0}})
    kept(home, "e5", {})
    for query, detail in (
        ("a=e1&b=e2", f"'e1' and 'e2': found truth 0123456789abcdef and {'ff' * 8}; wanted the same"),
        ("a=e1&b=e3", "'e1' and 'e3': found k 10 and 20; wanted the same"),
        ("a=e4&b=e4&system_b=pca", "found 'mine' in fmc and 'pca' in raw; wanted a condition in both"),
        ("a=e5&b=e1", "evaluation 'e5': found no figures of a system; wanted a system to compare"),
    ):
        (answer,) = asked(home, f"/v1/evaluations/compare?{query}")
        assert problem_of(answer, 409, "not comparable")["detail"] == detail
    (answer,) = asked(home, "/v1/evaluations/compare?a=e1&b=e1&system_b=x")
    detail = problem_of(answer, 404, "not found")["detail"]
    assert detail == "evaluation 'e1': found no system 'x'; wanted one of mine, pca"
