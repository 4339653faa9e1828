from __future__ import annotations

from datetime import UTC, datetime

from core.db.evaluations import add_evaluation, find_evaluation
from core.db.session import Database


def test_an_evaluation_is_found_as_it_was_stored(database: Database) -> None:
    before = datetime.now(UTC)
    figures = {"truth": "Björk's", "systems": [{"ndcg": [0.1, 0.2], "covered": None}]}
    add_evaluation(database, "e1", {"truth": "editorial", "k": 200}, figures)
    found = find_evaluation(database, "e1")
    assert found is not None
    assert (found.id, found.asked, found.figures) == ("e1", {"truth": "editorial", "k": 200}, figures)
    assert before <= found.at <= datetime.now(UTC)


def test_one_that_is_stored_already_stays(database: Database) -> None:
    add_evaluation(database, "e1", {}, {"n": 1})
    add_evaluation(database, "e1", {}, {"n": 2})
    found = find_evaluation(database, "e1")
    assert found is not None
    assert found.figures == {"n": 1}


def test_there_is_none_where_none_was_stored(database: Database) -> None:
    assert find_evaluation(database, "e1") is None
