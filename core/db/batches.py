"""Batches of changes: some lines a transaction, and what came of each kept under the sender's key, to go on by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from riyl.core.db.changes import ChangeRequest, ChangeResult, add_change, lock_head
from riyl.core.db.session import Database
from riyl.core.db.tables import change_batches
from riyl.core.errors import InputError, NotFoundError

AT_ONCE = 50
"""Lines of a transaction: for so long other writers wait."""

KEPT_DAYS = 7
"""How long what came of a batch is remembered."""


@dataclass(frozen=True)
class Refused:
    """A line that was not carried out, and why.

    Attributes:
        missing: the line is right, but the artist is not there.
        shared: the line names an artist by an mbid that several artists have.
    """

    detail: str
    missing: bool
    shared: bool = False


@dataclass(frozen=True)
class Sender:
    """Who sends a batch.

    Attributes:
        owner: id of the API key.
        by: for the history.
    """

    owner: str
    by: str


def write_batch(
    database: Database, lines: Sequence[ChangeRequest | Refused], sender: Sender, *, key: str | None, digest: str
) -> list[ChangeResult | Refused]:
    """Carry out the lines in their order, each durable when this returns; one that cannot be is passed over.

    A batch that comes again under its key changes nothing, and gets what came of it; one that was cut off goes on.

    Args:
        lines: those refused already are answered as they are.
        key: the sender's own name of the batch; None remembers nothing.
        digest: sha256 of the whole batch, in hex.

    Raises:
        InputError: there was another batch under this key.
        DatabaseDownError: the database cannot be reached; the lines before are done, and the same key goes on.
        StaleDatabaseError: it lacks what this home has seen; as above.
    """
    verdicts: list[ChangeResult | Refused] = []
    for start in range(0, len(lines), AT_ONCE):
        chunk = lines[start : start + AT_ONCE]
        with database.write() as connection:
            database.check(connection)
            lock_head(connection)  # so that of two senders of one key the second finds what the first did
            done = None if key is None else _remembered(connection, sender, key, start, digest)
            if done is None:
                done = [_carried_out(connection, line, sender, key) for line in chunk]
                if key is not None:
                    _remember(connection, sender, key, start, digest, done)
        verdicts += done
    return verdicts


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
            f"Idempotency-Key: found {key!r} of another batch, sent before; wanted the same lines again, or another key"
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
