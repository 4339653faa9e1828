from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import text

from riyl.core.db.changes import ChangeRequest, ChangeResult, add_change
from riyl.core.db.effective import head, since
from riyl.core.db.session import Database
from tests.core.db.change_log import (
    PATCH,
    PUT,
    last,
    listed,
    stands,
    write,
)


def test_a_transaction_that_fails_leaves_neither_a_change_nor_a_number(database: Database) -> None:
    with pytest.raises(KeyError), database.write() as connection:  # noqa: PT012
        add_change(connection, ChangeRequest("a", PUT, {"name": "A"}, None), by="x")
        raise KeyError
    assert (last(database), listed(database)) == (0, [])
    assert write(database, "b", name="B").number == 1


def test_two_writers_of_one_artist_come_one_after_the_other(database: Database) -> None:
    def patch(number: int) -> ChangeResult:
        return write(database, "a", PATCH, attributes={f"x{number}": number, "both": number})

    write(database, "a", name="A")
    with ThreadPoolExecutor(4) as threads:
        done = list(threads.map(patch, range(24)))
    assert sorted(each.number for each in done) == list(range(2, 26))
    changes = stands(database, "a")
    assert changes is not None
    attributes = dict(changes.payload["attributes"])
    final = max(range(24), key=lambda each: done[each].number)
    assert attributes.pop("both") == final
    assert attributes == {f"x{number}": number for number in range(24)}


def test_who_sees_a_number_finds_everything_up_to_it(database: Database) -> None:
    ended, gaps, seen = threading.Event(), list[tuple[int, int]](), set[int]()

    def follow() -> None:
        while not ended.is_set():
            with database.read() as connection:
                number = head(connection)
                numbers = [each.number for each in since(connection, 0, number)]
            seen.add(number)
            if numbers != list(range(1, number + 1)):
                gaps.append((number, len(numbers)))

    follower = threading.Thread(target=follow)
    follower.start()
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda each: write(database, f"a{each % 7}", name=str(each)), range(60)))
    ended.set()
    follower.join()
    assert gaps == []
    assert last(database) == 60
    assert len(seen) > 1


@pytest.mark.postgres
def test_a_later_writer_waits_for_the_commit_of_an_earlier_one(postgres_url: str, tmp_path: Any) -> None:
    from pydantic import SecretStr

    from riyl.core.settings import Settings

    database = Database.of(Settings(home=tmp_path, database_url=SecretStr(postgres_url)))
    database.upgrade()
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    done: list[ChangeResult] = []
    later = threading.Thread(target=lambda: done.append(write(database, "b", name="B")))
    with database.write() as connection:
        first = add_change(connection, ChangeRequest("a", PUT, {"name": "A"}, None), by="x")
        later.start()
        deadline = time.monotonic() + 20
        while True:  # the later one waits for the lock of the first, which has not committed
            with database.read() as watching:
                if watching.execute(waiting).scalar_one() == 1:
                    break
            assert time.monotonic() < deadline
        assert (done, last(database), listed(database)) == ([], 0, [])
    later.join()
    assert (first.number, done) == (1, [ChangeResult(2, True, True)])
    assert [each.artist for each in listed(database)] == ["a", "b"]
    database.close()
