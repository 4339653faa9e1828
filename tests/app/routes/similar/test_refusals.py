from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.app.conftest import problem_of
from tests.app.routes.similar.questions import N, post
from tests.app.routes.test_artists import Asking

NOBODY = f"a{N - 1:03d}"
SEED: dict[str, Any] = {"seeds": [{"id": "a003"}]}


@pytest.mark.parametrize(
    ("question", "status", "title"),
    [
        ({}, 422, "invalid request"),
        ({"avoid": [{"id": "a003"}]}, 422, "invalid request"),
        ({"seeds": [{}]}, 422, "invalid request"),
        ({"seeds": [{"id": "a003", "name": "x"}]}, 422, "invalid request"),
        ({"seeds": [{"id": "a003", "weight": 0}]}, 422, "invalid request"),
        ({"seeds": [{"id": "a003"}], "k": 1001}, 422, "invalid request"),
        ({"seeds": [{"id": "a003"}], "colour": "red"}, 422, "invalid request"),
        ({"seeds": [{"id": "a003"}], "min_score": float("nan")}, 422, "invalid request"),
        ({"seeds": [{"id": "a003"}], "popularity": float("inf")}, 422, "invalid request"),
        (SEED | {"filters": {"listeners": {"gte": 3, "lte": 2}}}, 422, "invalid request"),
        (SEED | {"filters": {"attributes": {"year": {}}}}, 422, "invalid request"),
        (
            {"seeds": [{"id": "a003"}], "filters": {"attributes": {"year": {"eq": 1, "in": [1]}}}},
            422,
            "invalid request",
        ),
        (
            {"seeds": [{"id": "a003"}], "filters": {"attributes": {"year": {"eq": 1, "missing": True}}}},
            422,
            "invalid request",
        ),
        (SEED | {"filters": {"attributes": {"colour": {"eq": 1}}}}, 422, "invalid request"),
        (SEED | {"filters": {"attributes": {"year": {"eq": "x"}}}}, 422, "invalid request"),
        (SEED | {"filters": {"modalities": ["lyrics"]}}, 422, "invalid request"),
        ({"seeds": [{"id": "a003"}], "avoid": [{"name": "Artist 3"}]}, 422, "invalid request"),
        ({"tags": {"ska": 0}}, 422, "invalid request"),
        (SEED | {"k": True}, 422, "invalid request"),
        (SEED | {"diversity": True}, 422, "invalid request"),
        ({"tags": {"ska": True}}, 422, "invalid request"),
        ({"tags": {f"tag {i}": 0 for i in range(201)}}, 422, "invalid request"),
        (SEED | {f"field {i}": 0 for i in range(100)}, 422, "invalid request"),
        ({"tags": {"ska": float("nan")}}, 422, "invalid request"),
        ({"vectors": {"audio": [1.0]}}, 422, "invalid request"),
        ({"vectors": {"audio": [0.0] * 8}}, 422, "invalid request"),
        ({"vectors": {"audio": [float("nan")] * 8}}, 422, "invalid request"),
        ({"vectors": {"lyrics": [1.0]}}, 409, "not comparable"),
        ({"tags": {"polka": 1}}, 409, "nothing known yet"),
        ({"plays": {"nobody": 1}}, 409, "nothing known yet"),
        ({"seeds": [{"id": NOBODY}]}, 409, "nothing known yet"),
        ({"seeds": [{"id": "nobody"}]}, 404, "unknown artist"),
        ({"seeds": [{"name": "Nobody Of That Name"}]}, 404, "unknown artist"),
        ({"seeds": [{"name": "Twins"}]}, 409, "several artists have this name"),
    ],
)
def test_what_cannot_be_asked_is_refused(asking: Asking, question: dict[str, Any], status: int, title: str) -> None:
    problem_of(post(asking, **question), status, title)


def test_more_shares_than_an_answer_may_explain_are_refused_with_what_to_do(asking: Asking) -> None:
    listener = {"plays": {f"a{i:03d}": 1.0 for i in range(200)}}
    assert post(asking, **listener, k=1000).status_code == 200
    assert post(asking, **listener, k=10, explain=True).status_code == 200
    detail = problem_of(post(asking, **listener, k=1000, explain=True), 422, "invalid request")["detail"]
    assert "at most 200000 shares to explain, not 201000 (k times the artists of the query): a smaller k" in detail
    question = {"seeds": [{"id": "a003"}] * 99, "k": 50, "explain": True}
    for n, status in ((2, 200), (41, 422)):
        answer = asking.run(asking.client.post("/v1/similar:batch", json={"queries": [question] * n}))
        assert answer.status_code == status
    assert "not 205000" in problem_of(answer, 422, "invalid request")["detail"]


def test_the_first_twenty_faults_are_told(asking: Asking) -> None:
    body = problem_of(post(asking, tags={f"tag {i}": 0 for i in range(150)}), 422, "invalid request")
    assert len(body["errors"]) == 20
    assert body["detail"].endswith("; and 130 more")


def test_a_body_that_is_too_large_is_refused(asking: Asking) -> None:
    problem_of(post(asking, tags={f"{i:0900d}": 1 for i in range(11_000)}), 413, "body too large")


seeds = st.lists(
    st.fixed_dictionaries({"id": st.integers(0, N).map(lambda i: f"a{i:03d}")}, optional={"weight": st.floats()}),
    max_size=3,
)
QUESTIONS = st.fixed_dictionaries(
    {},
    optional={
        "seeds": seeds,
        "avoid": seeds,
        "tags": st.dictionaries(st.sampled_from(["ska", "dub", "", "polka", "\x00"]), st.floats(), max_size=3),
        "vectors": st.dictionaries(
            st.sampled_from(["audio", "cf", "tags", "x"]), st.lists(st.floats(), min_size=5, max_size=8), max_size=2
        ),
        "plays": st.dictionaries(st.integers(0, N).map(lambda i: f"a{i:03d}"), st.floats(), max_size=3),
        "k": st.integers(-1, 1001),
        "diversity": st.floats(-0.1, 1.1),
        "popularity": st.floats(-1.1, 1.1),
        "min_score": st.floats(),
        "uncorrected": st.booleans(),
        "explain": st.booleans(),
        "exclude": st.lists(st.text(max_size=5), max_size=3),
        "filters": st.fixed_dictionaries(
            {},
            optional={
                "listeners": st.fixed_dictionaries({}, optional={"gte": st.floats(), "lte": st.floats()}),
                "modalities": st.lists(st.sampled_from(["tags", "cf", "x"]), max_size=2),
                "attributes": st.dictionaries(
                    st.sampled_from(["country", "year", "x"]),
                    st.dictionaries(
                        st.sampled_from(["eq", "gte", "lte", "missing", "in"]),
                        st.none()
                        | st.booleans()
                        | st.integers()
                        | st.floats()
                        | st.text(max_size=4)
                        | st.lists(st.integers(0, 9), max_size=2),
                        max_size=3,
                    ),
                    max_size=2,
                ),
            },
        ),
    },
)


@settings(max_examples=400, deadline=None)
@given(QUESTIONS)
def test_nothing_that_is_asked_is_a_fault(asking: Asking, question: dict[str, Any]) -> None:
    response = post(asking, **question)
    assert response.status_code in (200, 404, 409, 422), response.text
    if response.status_code == 200:
        body = response.json()
        assert len(body["similar"]) <= question.get("k", 10)
        scores = [artist["score"] for artist in body["similar"]]
        assert all(np.isfinite(scores))
        if not question.get("diversity"):
            assert scores == sorted(scores, reverse=True)
