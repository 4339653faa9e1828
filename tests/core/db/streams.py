"""Acts of each stream that homes copy, and the copies."""

from __future__ import annotations

from riyl.core.changes.effective import ChangeKind
from riyl.core.db.changes import ChangeRequest, write_change
from riyl.core.db.promotions import add_promotion
from riyl.core.db.revisions import newest_stamp
from riyl.core.db.rules import copy_rules
from riyl.core.db.session import Database
from riyl.core.db.tombstones import copy_tombstones
from riyl.core.settings import Home
from riyl.core.storage.current import write_current
from riyl.core.storage.stamps import Stream


def change(database: Database, artist: str, kind: ChangeKind, **payload: object) -> int:
    return write_change(database, ChangeRequest(artist, kind, payload, None), by="t").number


def promote(database: Database, home: Home, version: str) -> None:
    with database.alone() as connection:
        database.check(connection)
        add_promotion(connection, version, "promote", by="t", why="")
        stamp = newest_stamp(connection, Stream.PROMOTIONS)
    write_current(home.versions, version, stamp)


def copy_all(database: Database, home: Home) -> None:
    copy_rules(database, home.rules)
    copy_tombstones(database, home)
