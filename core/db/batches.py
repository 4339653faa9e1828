"""Batches of changes: some lines per transaction, with results stored under the sender's key, to resume by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from riyl.core.db.changes import ChangeRequest, ChangeResult, add_change, lock_head
from riyl.core.db.session import Database
from riyl.core.db.tables import change_batches
from riyl.core.errors import InputError, NotFoundError

AT_ONCE = 50
"""Number of lines in a transaction; other writers wait for its duration."""

KEPT_DAYS = 7
"""Number of days for which the results of a batch are stored."""


@dataclass(frozen=True)
class Refused:
    """A rejected line of a batch, and the reason.

    Attributes:
        missing: the line is valid, but the artist does not exist.
        shared: the line names an artist by an mbid that several artists share.
    """

    detail: str
    missing: bool
    shared: bool = False


@dataclass(frozen=True)
class Sender:
    """Sender of a batch.

    Attributes:
        owner: id of the API key.
        by: author, for the history.
    """

    owner: str
    by: str


def write_batch(
    database: Database, lines: Iterable[ChangeRequest | Refused], sender: Sender, *, key: str | None, digest: str
) -> Iterator[ChangeResult | Refused]:
    """Apply lines in order, and yield the result of each once it is durable; rejected lines are skipped.

    A batch that is sent again under its key changes nothing and yields the stored results; an interrupted batch
    resumes. At most `AT_ONCE` lines are in memory.

    Args:
        database: the database.
        lines: the lines; a line that is already rejected is returned unchanged.
        sender: sender of the batch.
        key: the sender's own name of the batch; None stores no results.
        digest: sha256 of the whole batch, in hex.

    Raises:
        InputError: an earlier, different batch has this key.
        DatabaseDownError: the database cannot be reached; earlier lines are applied, and the same key resumes.
        StaleDatabaseError: it lacks what this home has seen; as above.
    """
    remaining, start = iter(lines), 0
    while chunk := list(islice(remaining, AT_ONCE)):
        with database.write() as connection:
            database.check(connection)
            lock_head(connection)  # so that of two senders of one key the second finds the results of the first
            done = None if key is None else _remembered(connection, sender, key, start, digest)
            if done is None:
                done = [_carried_out(connection, line, sender, key) for line in chunk]
                if key is not None:
                    _remember(connection, sender, key, start, digest, done)
        yield from done
        start += len(chunk)


def _carried_out(
    connection: Connection, line: ChangeRequest | Refused, sender: Sender, key: str | None
) -> ChangeResult | Refused:
    if isinstance(line, Refused):
        return line
    try:
        return add_change(connection, line, by=sender.by, key=key)
    except NotFoundError as error:
        return Refused(str(error), missing=True)
    except InputError as error:
        return Refused(str(error), missing=False)


def _remembered(
    connection: Connection, sender: Sender, key: str, start: int, digest: str
) -> list[ChangeResult | Refused] | None:
    here = change_batches.c
    of_key = (here.owner == sender.owner, here.key == key)
    first = connection.execute(select(here.digest).where(*of_key, here.start == 0)).scalar()
    if first is not None and first != digest:
        raise InputError(
            f"Idempotency-Key: found {key!r}, the key of an earlier batch; wanted that batch's lines, or another key"
        )
    verdicts = connection.execute(select(here.verdicts).where(*of_key, here.start == start)).scalar()
    return None if verdicts is None else [_verdict(entry) for entry in verdicts]


def _remember(
    connection: Connection, sender: Sender, key: str, start: int, digest: str, verdicts: list[ChangeResult | Refused]
) -> None:
    now = datetime.now(UTC)
    if start == 0:
        connection.execute(delete(change_batches).where(change_batches.c.at < now - timedelta(days=KEPT_DAYS)))
    values = {
        "owner": sender.owner,
        "key": key,
        "start": start,
        "digest": digest,
        "verdicts": [asdict(each) for each in verdicts],
        "at": now,
    }
    connection.execute(insert(change_batches).values(**values))


def _verdict(entry: dict[str, Any]) -> ChangeResult | Refused:
    if "detail" in entry:
        return Refused(**entry)
    return ChangeResult(**{**entry, "over": tuple(entry.get("over", ()))})
