from __future__ import annotations

from typing import Any

import pytest

import riyl.index.search.vector_search
from riyl.app.schemas.query import SimilarRequest
from riyl.app.services.query import fits_event_loop, query_bytes, run_query
from riyl.app.serving.state import ServingState
from riyl.core.rules import NO_RULES, Rule, RuleKind, Rules
from riyl.core.settings import Home
from riyl.index.artifact.version import Version
from riyl.index.search.searcher import Searcher

SEEDS = [{"id": "a003"}, {"id": "a005", "weight": 2.0}]


@pytest.fixture
def state(version: Version, home: Home) -> ServingState:
    return ServingState.of(Searcher(version), NO_RULES, home)


def short(state: ServingState, **fields: Any) -> bool:
    return fits_event_loop(state, SimilarRequest.model_validate({"seeds": SEEDS, **fields}))


def test_a_few_artists_under_conditions_are_a_short_question(state: ServingState) -> None:
    assert short(state)
    assert short(state, k=100, avoid=[{"id": "a001"}], filters={"listeners": {"gte": 1}}, popularity=0.5, min_score=0)


@pytest.mark.parametrize(
    "more",
    [
        {"k": 101},
        {"seeds": [{"id": "a003"}] * 11},
        {"seeds": [{"name": "Björk"}]},
        {"avoid": [{"id": "nobody"}]},
        {"tags": {"ska": 1}},
        {"vectors": {"audio": [0.0] * 8}},
        {"plays": {"a003": 1}},
        {"exclude": ["a004"]},
        {"diversity": 0.1},
        {"explain": True},
        {"uncorrected": True},
    ],
)
def test_anything_that_may_take_longer_is_not(state: ServingState, more: dict[str, Any]) -> None:
    assert not short(state, **more)


def test_neither_is_any_question_under_rules_or_of_many_artists(
    state: ServingState, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule = Rule(1, RuleKind.BLOCK, "a001", None)
    assert not short(state.under(Rules(1, (rule,))))
    monkeypatch.setattr(riyl.index.search.vector_search, "QUICK", 10)
    assert not short(state)


@pytest.mark.parametrize("more", [{}, {"explain": True}, {"min_score": 5}])
def test_bytes_made_entry_by_entry_are_those_of_the_whole_response(state: ServingState, more: dict[str, Any]) -> None:
    request = SimilarRequest.model_validate({"seeds": SEEDS, "k": 4, **more})
    response = run_query(state, request)
    assert len(response.similar) == (0 if "min_score" in more else 4)
    assert query_bytes(state, request).decode() == response.model_dump_json()
