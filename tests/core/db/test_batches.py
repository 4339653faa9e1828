from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from riyl.core.changes.effective import ChangeKind
from riyl.core.db import batches
from riyl.core.db.batches import AT_ONCE, KEPT_DAYS, Refused, Sender, write_batch
from riyl.core.db.changes import ChangeRequest, ChangeResult
from riyl.core.db.effective import head, since
from riyl.core.db.session import Database
from riyl.core.db.tables import change_batches
from riyl.core.errors import InputError

ANN = Sender("0a", "key:ann")
LINES = [
    ChangeRequest("a", ChangeKind.PUT, {"name": "A"}, False),
    Refused("line 2 is wrong", missing=False),
    ChangeRequest("a", ChangeKind.PATCH, {"mbid": "m"}, False),
    ChangeRequest("", ChangeKind.PUT, {"name": "B"}, False),
    ChangeRequest("c", ChangeKind.DELETE, {}, False),
    ChangeRequest("a", ChangeKind.PATCH, {"mbid": "m"}, False),
]
VERDICTS = [
    ChangeResult(1, True, True),
    Refused("line 2 is wrong", missing=False),
    ChangeResult(2, False, True),
    Refused("id: found '', 0 characters; wanted an artist's id of 1 to 200 characters without NUL", missing=False),
    Refused("artist 'c' is in no version, and no PUT created it", missing=True),
    ChangeResult(2, False, False),
]


def send(database: Database, lines: Any = LINES, sender: Sender = ANN, key: str | None = "k", digest: str = "d") -> Any:
    return list(write_batch(database, lines, sender, key=key, digest=digest))


def written(database: Database) -> list[tuple[int, str, str | None]]:
    with database.read() as connection:
        return [(each.number, each.by, each.key) for each in since(connection, 0, 1000)]


@pytest.mark.parametrize("at_once", [1, 2, 100])
def test_a_batch_sent_again_changes_nothing_and_is_told_the_same(
    database: Database, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(batches, "AT_ONCE", at_once)
    assert send(database) == VERDICTS
    assert written(database) == [(1, "key:ann", "k"), (2, "key:ann", "k")]
    with database.write() as connection:  # so that a second run would give another result
        connection.exec_driver_sql("UPDATE changes_head SET number = 7")
    assert send(database) == VERDICTS
    assert len(written(database)) == 2
    assert send(database, key=None)[0] == ChangeResult(
        8, False, True
    )  # without a key the batch runs again, now without the mbid


def test_a_batch_that_was_cut_off_goes_on(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "AT_ONCE", 2)
    original, calls = batches.add_change, []

    def query_results(*args: Any, **options: Any) -> ChangeResult:
        calls.append(args)
        if len(calls) == 4:  # inside the second transaction, after its first line
            raise RuntimeError
        return original(*args, **options)

    lines = [ChangeRequest(f"a{i}", ChangeKind.PUT, {"name": "A"}, None) for i in range(6)]
    monkeypatch.setattr(batches, "add_change", query_results)
    with pytest.raises(RuntimeError):
        send(database, lines)
    assert [number for number, *_ in written(database)] == [1, 2]
    assert send(database, lines) == [ChangeResult(i, True, True) for i in range(1, 7)]
    assert len(calls) == 4 + 4


def test_of_one_batch_sent_twice_at_once_one_is_carried_out(database: Database) -> None:
    lines = [ChangeRequest(f"a{i}", ChangeKind.PUT, {"name": "A"}, None) for i in range(250)]
    with ThreadPoolExecutor(2) as threads:
        first, second = threads.map(lambda _: send(database, lines), range(2))
    assert first == second == [ChangeResult(i, True, True) for i in range(1, 251)]
    with database.read() as connection:
        assert head(connection) == 250


def test_a_key_belongs_to_its_sender_and_to_one_batch(database: Database) -> None:
    send(database)
    with pytest.raises(InputError, match="Idempotency-Key: found 'k', the key of an earlier batch; wanted that batch"):
        send(database, LINES[:1], digest="e")
    assert send(database, LINES[:1], Sender("0b", "key:bob"), digest="e") == [ChangeResult(3, False, True)]
    assert send(database) == VERDICTS


def test_keys_are_forgotten_after_days(database: Database) -> None:
    send(database)
    long_ago = datetime.now(UTC) - timedelta(days=KEPT_DAYS, hours=1)
    with database.write() as connection:
        connection.execute(update(change_batches).values(at=long_ago))
    send(database, key="other")
    with database.read() as connection:
        assert connection.execute(select(change_batches.c.key)).scalars().all() == ["other"]
    assert send(database, digest="e")[0] == ChangeResult(5, False, True)


def test_what_a_patch_lies_over_is_remembered(database: Database) -> None:
    lines = [ChangeRequest("a", ChangeKind.PATCH, {"tags": {"ska": 1.0, "dub": None}, "plays": {"u": None}}, True)]
    first = send(database, lines)
    assert first == [ChangeResult(1, False, True, ("tags", "plays"))]
    assert send(database, lines) == first


def test_lines_are_taken_and_written_some_at_a_time(database: Database) -> None:
    taken: list[int] = []

    def lines() -> Iterator[ChangeRequest]:
        for number in range(AT_ONCE + 1):
            taken.append(number)
            yield ChangeRequest(f"n{number}", ChangeKind.PUT, {"name": "New"}, False)

    results = write_batch(database, lines(), ANN, key=None, digest="d")
    assert next(results) == ChangeResult(1, True, True)
    assert len(taken) == AT_ONCE
    assert len(written(database)) == AT_ONCE
    assert len(list(results)) == AT_ONCE
    assert len(written(database)) == AT_ONCE + 1
