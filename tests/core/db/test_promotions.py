from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from riyl.core.db.promotions import Promotion, add_promotion, add_verdict, all_promotions, last_promotion, last_verdicts
from riyl.core.db.session import Database

CHECK = {"name": "recall@10", "found": 0.5, "wanted": "at least 0.99", "passed": False}


def promoted(database: Database, version: str, **options: object) -> Promotion:
    with database.alone() as connection:
        return add_promotion(connection, version, "promote", by="ann", why="", **options)


def test_promotions_are_numbered_in_the_order_they_took_effect(database: Database) -> None:
    with database.read() as connection:
        assert last_promotion(connection) is None
        assert all_promotions(connection) == []
    before = datetime.now(UTC)
    first = promoted(database, "aaa", forced=True)
    with database.alone() as connection:
        second = add_promotion(connection, "bbb", "rollback", by="bob", why="worse — much")
    assert first.number < second.number
    assert (first.version, first.act, first.by, first.forced, first.job) == ("aaa", "promote", "ann", True, None)
    assert (second.act, second.by, second.why, second.forced) == ("rollback", "bob", "worse — much", False)
    assert before <= first.at <= second.at <= datetime.now(UTC)
    with database.read() as connection:
        assert all_promotions(connection) == [first, second]
        assert last_promotion(connection) == second


def test_a_promotion_of_before_keeps_its_time(database: Database) -> None:
    at = datetime(2020, 2, 29, 12, 30, 15, 123456, tzinfo=UTC)
    assert promoted(database, "aaa", at=at).at == at


def test_a_jobs_second_promotion_is_its_first(database: Database) -> None:
    first = promoted(database, "aaa", job="j1")
    promoted(database, "bbb", job="j2")
    assert promoted(database, "aaa", job="j1") == first
    assert promoted(database, "ccc", job="j1") == first
    with database.read() as connection:
        assert [entry.version for entry in all_promotions(connection)] == ["aaa", "bbb"]


def test_promotions_at_the_same_time_get_distinct_numbers_in_order(database: Database) -> None:
    order: list[int] = []

    def promote(name: str) -> None:
        with database.alone() as connection:
            order.append(add_promotion(connection, name, "promote", by="ann", why="").number)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(promote, [f"v{i}" for i in range(40)]))
    assert order == sorted(set(order))
    with database.read() as connection:
        entries = all_promotions(connection)
    assert [entry.number for entry in entries] == order
    assert {entry.version for entry in entries} == {f"v{i}" for i in range(40)}


def test_a_promotion_that_fails_leaves_nothing(database: Database) -> None:
    with pytest.raises(RuntimeError), database.alone() as connection:  # noqa: PT012
        add_promotion(connection, "aaa", "promote", by="ann", why="")
        raise RuntimeError
    with database.read() as connection:
        assert all_promotions(connection) == []


def test_the_last_verdict_of_each_version_counts(database: Database) -> None:
    add_verdict(database, "aaa", None, False, [CHECK])
    add_verdict(database, "bbb", "aaa", True, [])
    add_verdict(database, "aaa", "bbb", True, [{**CHECK, "passed": True}], job="j1")
    with database.read() as connection:
        verdicts = last_verdicts(connection)
    assert list(verdicts) == ["aaa", "bbb"]
    last = verdicts["aaa"]
    assert (last.compared_to, last.passed, last.checks, last.job) == ("bbb", True, [{**CHECK, "passed": True}], "j1")
    assert (verdicts["bbb"].compared_to, verdicts["bbb"].checks) == ("aaa", [])
    assert verdicts["bbb"].at <= last.at <= datetime.now(UTC)


def test_a_job_gives_one_verdict(database: Database) -> None:
    add_verdict(database, "aaa", None, False, [CHECK], job="j1")
    add_verdict(database, "aaa", None, True, [], job="j1")
    with database.read() as connection:
        assert last_verdicts(connection)["aaa"].passed is False
