from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import text, update

from riyl.core.db.evaluations import add_evaluation, find_evaluation, list_evaluations, pick_evaluation
from riyl.core.db.session import Database, database_url, make_engine
from riyl.core.db.tables import evaluations
from riyl.core.errors import NotFoundError
from riyl.core.settings import Settings
from tests.conftest import made_up_run

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SCORES = {
    ("raw", "mine"): {"a": 0.5, "b": 0.25},
    ("raw", "pca"): {"a": 0.0, "b": 0.5},
    ("fmc", "mine"): {"a": 1.0},
}


def figures(**options: Any) -> dict[str, Any]:
    run_figures: dict[str, Any] = made_up_run(SCORES, **options)["figures"]
    return run_figures


def add(database: Database, identity: str, at: datetime = NOON, **options: Any) -> None:
    """Store a run with the time `at`."""
    add_evaluation(database, identity, {}, figures(**options), by="ann")
    with database.write() as connection:
        connection.execute(update(evaluations).where(evaluations.c.id == identity).values(at=at))


def ids(database: Database, **options: Any) -> list[str]:
    return [each.id for each in list_evaluations(database, **options)]


def test_an_evaluation_is_found_as_it_was_stored(database: Database) -> None:
    before = datetime.now(UTC)
    request, stored = {"truth": "Björk's", "k": None}, {**figures(), "protocol": "Björk's", "undefined": None}
    add_evaluation(database, "e1", request, stored, by="key:ann")
    evaluation = find_evaluation(database, "e1")
    assert evaluation is not None
    assert (evaluation.id, evaluation.request, evaluation.figures, evaluation.outline.by) == (
        "e1",
        request,
        stored,
        "key:ann",
    )
    assert before <= evaluation.at <= datetime.now(UTC)


def test_one_that_is_stored_already_stays(database: Database) -> None:
    add_evaluation(database, "e1", {}, figures(), by="ann")
    add_evaluation(database, "e1", {}, figures(k=20), by="bob")
    evaluation = find_evaluation(database, "e1")
    assert evaluation is not None
    assert (evaluation.figures["k"], evaluation.outline.by) == (10, "ann")


def test_of_many_that_store_the_same_at_once_one_does(database: Database) -> None:
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda by: add_evaluation(database, "e1", {}, figures(), by=by), "abcd"))
    assert ids(database) == ["e1"]


def test_there_is_none_where_none_was_stored(database: Database) -> None:
    assert find_evaluation(database, "e1") is None
    assert list_evaluations(database) == []


def test_an_outline_has_the_references_figures_of_each_condition(database: Database) -> None:
    add(database, "e1", version="5f2a9c0e41d7b386")
    (outline,) = list_evaluations(database)
    assert (outline.by, outline.truth, outline.truth_name) == ("ann", "0123456789abcdef", "editorial")
    assert (outline.snapshot, outline.version) == ("5e1f5e1f5e1f5e1f", "5f2a9c0e41d7b386")
    assert (outline.model, outline.k, outline.at) == ("a0de1a0de1a0de1a", 10, NOON)
    # means of the scores above, with the other figures of made_up_run
    assert outline.summary == [
        {
            "condition": condition,
            "system": "mine",
            "queries": queries,
            "ndcg": ndcg,
            "ndcg_low": ndcg - 0.125,
            "ndcg_high": ndcg + 0.125,
            "gini": ndcg / 2,
            "coverage": 0.75,
        }
        for condition, queries, ndcg in (("raw", 2, 0.375), ("fmc", 1, 1.0))
    ]


def test_a_run_of_groups_alone_has_an_outline_without_conditions(database: Database) -> None:
    add_evaluation(database, "e1", {}, {**figures(k=5), "results": [], "models": {}}, by="ann")
    (outline,) = list_evaluations(database)
    assert (outline.k, outline.model, outline.summary) == (5, None, [])


def test_the_newest_come_first_and_of_one_instant_the_greatest_id(database: Database) -> None:
    for identity, at in (("b", NOON), ("a", NOON), ("old", NOON - timedelta(microseconds=1)), ("c", NOON)):
        add(database, identity, at)
    assert ids(database) == ["c", "b", "a", "old"]
    pages, before = [], None
    while page := ids(database, limit=1, before=before):
        pages += page
        before = page[-1]
    assert pages == ["c", "b", "a", "old"]
    assert ids(database, limit=2, before="c") == ["b", "a"]
    with pytest.raises(NotFoundError, match="no stored evaluation 'nobody'"):
        ids(database, before="nobody")


def test_they_are_listed_by_truth_and_by_version(database: Database) -> None:
    add(database, "e1", truth="11" * 8, version="5f2a9c0e41d7b386")
    add(database, "e2", truth="22" * 8)
    assert ids(database, truth="editorial") == ["e2", "e1"]
    assert ids(database, truth="11" * 8) == ["e1"]
    assert ids(database, truth="another") == []
    assert ids(database, version="5f2a") == ids(database, version="5f2a9c0e41d7b386") == ["e1"]
    assert ids(database, version="%") == ids(database, version="f2a9") == []


def test_one_is_picked_by_how_its_id_begins(database: Database) -> None:
    for identity in ("abc", "abcd", "ax_", "axb"):
        add(database, identity)
    assert pick_evaluation(database, "abcd").id == "abcd"
    assert pick_evaluation(database, "abc").id == "abc"
    assert pick_evaluation(database, "ax_").id == "ax_"
    with pytest.raises(NotFoundError, match="evaluation 'a' is ambiguous: abc, abcd, ax_, axb; see riyl"):
        pick_evaluation(database, "a")
    for absent in ("x", ""):
        with pytest.raises(NotFoundError, match=f"evaluation '{absent}' does not exist"):
            pick_evaluation(database, absent)


def test_rows_of_the_release_before_are_read_after_the_migration(settings: Settings) -> None:
    database = Database(make_engine(database_url(settings)))
    config = Config()
    config.set_main_option("script_location", "riyl.core.db:migrations")
    before = {name: each for name, each in figures().items() if name not in ("format", "k", "groups")}
    rows = {"full": before, "odd": {"truth": "editorial", "k": 200}, "empty": {}}
    with database.upgrade_lock(), database.engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        for identity, run_figures in rows.items():
            values = {"id": identity, "figures": json.dumps(run_figures), "at": "2026-03-01 12:00:00.000000"}
            connection.execute(text("INSERT INTO evaluations VALUES (:id, '{\"k\": 9}', :figures, :at)"), values)
        connection.commit()
    database.upgrade()

    for identity, run_figures in rows.items():
        stored = find_evaluation(database, identity)
        assert stored is not None
        assert (stored.figures, stored.request, stored.at, stored.outline.by) == (run_figures, {"k": 9}, NOON, None)
    full, *others = (pick_evaluation(database, identity).outline for identity in rows)
    add(database, "new")
    new = pick_evaluation(database, "new").outline
    assert (full.truth, full.truth_name, full.snapshot) == (new.truth, "editorial", new.snapshot)
    assert (full.model, full.k, full.summary) == (new.model, 10, new.summary)
    for outline in others:
        assert (outline.truth, outline.version, outline.model, outline.k, outline.summary) == (None,) * 4 + ([],)
    assert ids(database, truth="editorial") == ["new", "full"]
    database.close()
