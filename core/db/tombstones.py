"""Update of the home's copy of the tombstones from the database."""

from __future__ import annotations

from riyl.core.db.effective import read_all_tombstones, tombstoned_or_restored
from riyl.core.db.revisions import has_stamp, newest_stamp
from riyl.core.db.session import Database
from riyl.core.files import locked
from riyl.core.settings import Home
from riyl.core.storage.stamps import Stream
from riyl.core.storage.tombstones import append_tombstones, last_stamp, write_tombstones


def copy_tombstones(database: Database, home: Home, *, anew: bool = False) -> None:
    """Update a home's copy of the deleted and merged artists from the database; durable when this returns.

    Appends what changed since the copy's stamp, so the cost of one more does not grow with their number.

    Args:
        database: the database.
        home: the home.
        anew: rewrite the whole copy, without lines that later ones supersede.

    Raises:
        DatabaseDownError: the database cannot be reached; the copy stays.
        StaleDatabaseError: it lacks what this home has seen; the copy stays.
        OSError: the copy cannot be written; it stays.
    """
    copy = home.tombstones
    with locked(copy.with_name(f".{copy.name}.lock")):  # so that an older read is not written after a newer one
        before = last_stamp(copy)
        with database.read_whole() as connection:
            database.check(connection)
            now = newest_stamp(connection, Stream.TOMBSTONES)
            if before == now and not anew:
                return
            if anew or before is None or not before.number or not has_stamp(connection, Stream.TOMBSTONES, before):
                write_tombstones(copy, read_all_tombstones(connection), now)
            else:
                append_tombstones(copy, tombstoned_or_restored(connection, before.number), now)
