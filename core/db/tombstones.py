"""The home's copy of the tombstones, brought to what the database says."""

from __future__ import annotations

from riyl.core.db.effective import read_all_tombstones, tombstoned_or_restored
from riyl.core.db.revisions import has_stamp, newest_stamp
from riyl.core.db.session import Database
from riyl.core.files import locked
from riyl.core.settings import Home
from riyl.core.storage.stamps import Stream
from riyl.core.storage.tombstones import append_tombstones, last_stamp, write_tombstones


def copy_tombstones(database: Database, home: Home, *, anew: bool = False) -> None:
    """Bring a home's copy of who is deleted or merged away to what the database says; durable when this returns.

    What changed since is added to the copy, so that one more costs the same however many there are.

    Args:
        anew: write the copy as a whole, which takes out what later lines have made untrue.

    Raises:
        DatabaseDownError: the database cannot be reached; the copy stays.
        StaleDatabaseError: it lacks what this home has seen; the copy stays.
        OSError: the copy cannot be written; it stays.
    """
    copy = home.tombstones
    with locked(copy.with_name(f".{copy.name}.lock")):  # what was read first must not be written last
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
