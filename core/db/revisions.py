"""The database's id and its revisions, and the check whether it has all states that a home has seen."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from sqlalchemy import Connection, and_, insert, or_, select, update

from riyl.core.db.tables import acceptances, database_identity, revisions
from riyl.core.errors import StaleDatabaseError
from riyl.core.storage.stamps import Stamp, Stream

HINT = "riyl db check lists what it lacks, riyl db accept --why REASON settles it"


def database_id(connection: Connection) -> str:
    """Return the id of the database's history; copies of a database share it until one of them is accepted."""
    return str(connection.execute(select(database_identity.c.id)).scalar_one())


def new_database_id(connection: Connection) -> str:
    """Give the database a new id, because its history is not the one that homes have seen."""
    database_id = secrets.token_hex(16)
    connection.execute(update(database_identity).values(id=database_id))
    return database_id


def raise_revision(connection: Connection, stream: Stream, number: int) -> None:
    """Record an act, in the transaction that performs it.

    Args:
        connection: the transaction, which must be the only one that raises the stream's revision.
        stream: the stream that the act belongs to.
        number: revision after the act; above every number of the stream.
    """
    connection.execute(insert(revisions).values(stream=stream.value, number=number, mark=secrets.token_hex(16)))


def newest_stamp(connection: Connection, stream: Stream) -> Stamp:
    """Return the present state of a stream."""
    columns = revisions.c
    wanted = select(columns.number, columns.mark).where(columns.stream == stream.value)
    row = connection.execute(wanted.order_by(columns.number.desc()).limit(1)).one()
    return Stamp(database_id(connection), int(row.number), str(row.mark))


def has_stamp(connection: Connection, stream: Stream, stamp: Stamp) -> bool:
    """Check whether the stream was in this state once, so that its present state builds on it."""
    return not _missing(connection, {stream: stamp})


def check_seen(connection: Connection, seen: Mapping[Stream, Stamp]) -> str:
    """Check that the database has every state that a home has seen.

    Must be the first read of the transaction; else the home's copies may be newer than its view of the database.

    Args:
        connection: the transaction.
        seen: by stream, the newest state that the home has copied.

    Returns:
        The database's id.

    Raises:
        StaleDatabaseError: the database was never in one of these states, and that was not accepted.
    """
    identity = database_id(connection)
    missing = _missing(connection, seen)
    if missing:
        missing = {stream: stamp for stream, stamp in missing.items() if not _accepted(connection, stream, stamp)}
    if missing:
        parts = [_told(stream, stamp, newest_stamp(connection, stream)) for stream, stamp in missing.items()]
        raise StaleDatabaseError(f"the database is not believed: {'; '.join(parts)}; {HINT}")
    return identity


def _missing(connection: Connection, seen: Mapping[Stream, Stamp]) -> dict[Stream, Stamp]:
    stamps = {stream: stamp for stream, stamp in seen.items() if stamp.number}  # without acts, none can be missing
    if not stamps:
        return {}
    columns = revisions.c
    wanted = [and_(columns.stream == stream.value, columns.number == each.number) for stream, each in stamps.items()]
    rows = connection.execute(select(columns.stream, columns.mark).where(or_(*wanted)))
    marks = {Stream(row.stream): str(row.mark) for row in rows}
    return {
        stream: stamp
        for stream, stamp in stamps.items()
        if (stamp.mark is not None and marks.get(stream) != stamp.mark)
        or (stamp.mark is None and newest_stamp(connection, stream).number < stamp.number)
    }


def _accepted(connection: Connection, stream: Stream, stamp: Stamp) -> bool:
    """Check whether an acceptance covers the lack of this state: its home had seen the state, or a later one."""
    for seen in connection.execute(select(acceptances.c.seen)).scalars():
        entry = seen.get(stream.value)
        if entry is not None and entry["database"] == stamp.database and entry["number"] >= stamp.number:
            return True
    return False


def _told(stream: Stream, stamp: Stamp, current: Stamp) -> str:
    here = f"this home has seen revision {stamp.number} of its {stream}"
    if stamp.database is not None and stamp.database != current.database:
        here = f"this home has seen revision {stamp.number} of the {stream} of database {stamp.database[:8]}"
        return f"{here}, but this is {current.database or '':.8}, at revision {current.number}"
    if current.number < stamp.number:
        return f"{here}, but the database is at {current.number}"
    return f"{here}, but the database has another one of that number"
