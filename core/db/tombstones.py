"""The home's copy of the tombstones, brought to what the database says."""

from __future__ import annotations

from core.db.revisions import has_stamp, newest_stamp
from core.db.session import Database
from core.db.standing import gone, gone_or_back
from core.files import locked
from core.settings import Home
from core.stamps import Stream
from core.tombstones import append_tombstones, last_stamp, write_tombstones


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
    copy = home.gone
    with locked(copy.with_name(f".{copy.name}.lock")):  # what was read first must not be written last
        before = last_stamp(copy)
        with database.read_whole() as connection:
            database.check(connection)
            now = newest_stamp(connection, Stream.TOMBSTONES)
            if before == now and not anew:
                return
            if anew or before is None or not before.number or not has_stamp(connection, Stream.TOMBSTONES, before):
                write_tombstones(copy, gone(connection), now)
            else:
                append_tombstones(copy, gone_or_back(connection, before.number), now)
