from __future__ import annotations

from typing import Any

import pytest

import index.retrieve
from app.asking import is_short
from app.schemas_query import SimilarAsked
from app.served import Served
from core.rules import NO_RULES, Rule, RuleKind, Rules
from core.settings import Home
from index.artifact import Version
from index.search import Searcher

SEEDS = [{"id": "a003"}, {"id": "a005", "weight": 2.0}]


@pytest.fixture
def served(version: Version, home: Home) -> Served:
    return Served.of(Searcher(version), NO_RULES, home)


def short(served: Served, **asked: Any) -> bool:
    return is_short(served, SimilarAsked.model_validate({"seeds": SEEDS, **asked}))


def test_a_few_artists_under_conditions_are_a_short_question(served: Served) -> None:
    assert short(served)
    assert short(served, k=100, avoid=[{"id": "a001"}], filters={"listeners": {"gte": 1}}, popularity=0.5, min_score=0)


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
        {"raw": True},
    ],
)
def test_anything_that_may_take_longer_is_not(served: Served, more: dict[str, Any]) -> None:
    assert not short(served, **more)


def test_neither_is_any_question_under_rules_or_of_many_artists(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule = Rule(1, RuleKind.BLOCK, "a001", None)
    assert not short(served.under(Rules(1, (rule,))))
    monkeypatch.setattr(index.retrieve, "QUICK", 10)
    assert not short(served)
