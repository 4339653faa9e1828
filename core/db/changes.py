"""Changes of artists, written: in a total order, and kept until they are dropped."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, Connection, bindparam, delete, insert, select, update

from core.changes import ChangeKind, Said, Standing, after, check_entries, counts_of, same
from core.db.revisions import raise_revision
from core.db.session import Database
from core.db.standing import last_of, standing_of
from core.db.tables import changes, changes_head
from core.errors import InputError, NotFoundError
from core.rules import check_id
from core.stamps import Stream
from core.terms import COLUMNS_OF
from core.types import ArtistId

# made once: making one takes as long as running it
_LOCKED_HEAD = select(changes_head.c.number).with_for_update()
_RAISED_HEAD = update(changes_head).values(number=bindparam("raised"))
_ADDED = insert(changes)


@dataclass(frozen=True)
class Wish:
    """A change that is asked for.

    Attributes:
        known: whether the version that serves has the artist; None where none serves.
        into_known: the same of the one that it is to be merged into.
    """

    artist: ArtistId
    kind: ChangeKind
    said: Said
    known: bool | None
    into_known: bool | None = None


@dataclass(frozen=True)
class Done:
    """What became of a wish.

    Attributes:
        number: of the change; of the last one of the artist where all this was said, or there was nothing to say; 0
            where it has none.
        new: nobody knew the artist, or it was deleted or merged.
        changed: whether there is a change that was not there.
        over: of the fields that are tables of terms, those of which what stands now lies over the tables' own.
    """

    number: int
    new: bool
    changed: bool
    over: tuple[str, ...] = ()


def write_change(database: Database, wish: Wish, *, by: str) -> Done:
    """Make a change; it is durable when this returns.

    Raises:
        InputError: the id is none, an artist is to be merged into itself, or too much would be said of one.
        NotFoundError: to be patched or deleted is an artist whom neither a version nor a change has, or one is to be
            merged into such a one, or into one that is deleted or merged itself.
        DatabaseDownError: the database cannot be reached.
        StaleDatabaseError: it lacks what this home has seen.
    """
    with database.write() as connection:
        database.check(connection)
        return add_change(connection, wish, by=by)


def add_change(connection: Connection, wish: Wish, *, by: str, key: str | None = None) -> Done:
    """The same inside a transaction, which from here on writes changes alone. Raises as `write_change`.

    One that changes nothing is not written down: who sends a catalog anew every night leaves no trace.
    """
    check_id("id", wish.artist)
    last = lock_head(connection)
    before, number = last_of(connection, wish.artist)
    said = wish.said
    match wish.kind:
        case ChangeKind.PATCH:
            _check_there(wish.artist, before, wish.known)
        case ChangeKind.DELETE:
            if before is None or not before.deleted:
                _check_there(wish.artist, before, wish.known)
        case ChangeKind.MERGE:
            _check_into(connection, wish)
            said = _with_mbid(before, said)
    now = after(before, wish.artist, wish.kind, said)
    over = () if now is None else tuple(name for name in COLUMNS_OF if name in now.said and name not in now.whole)
    if now is not None and (now.empty if before is None else same(now, before)):
        return Done(number, False, False, over)
    if now is not None and wish.kind is ChangeKind.PATCH:
        check_entries(now)
    _insert(connection, last + 1, wish.artist, wish.kind, said, by=by, key=key)
    if _tombstone(now) != _tombstone(before):
        raise_revision(connection, Stream.TOMBSTONES, last + 1)
    return Done(last + 1, not _there(before, wish.known), True, over)


def lock_head(connection: Connection) -> int:
    """The number of the last change; whoever else writes waits until this transaction ends.

    So numbers are in the order of commits: who has seen number n finds everything up to n.
    """
    return int(connection.execute(_LOCKED_HEAD).scalar_one())


def drop_changes(
    database: Database, *, by: str, numbers: Collection[int] = (), artist: ArtistId | None = None
) -> dict[ArtistId, list[int]]:
    """Take changes back: what they said is gone, and each artist has one change that says which are.

    Args:
        numbers: of the changes.
        artist: all changes of this one as well.

    Returns:
        By artist, the numbers of what was taken back.

    Raises:
        InputError: neither is given, or artists would be merged into each other; nothing was taken back.
        NotFoundError: there is no such change, or none of that artist; nothing was taken back.
        StaleDatabaseError: the database lacks what this home has seen; nothing was taken back.
    """
    if not numbers and artist is None:
        raise InputError("changes: found neither numbers nor an artist; wanted which are to be dropped")
    with database.write() as connection:
        database.check(connection)
        last = lock_head(connection)
        wanted: ColumnElement[bool] = changes.c.number.in_(sorted(set(numbers)))
        if artist is not None:
            wanted |= changes.c.artist == artist
        found = connection.execute(
            delete(changes)
            .where(wanted, changes.c.kind != ChangeKind.DROP.value)
            .returning(changes.c.number, changes.c.artist)
        ).all()
        dropped: dict[ArtistId, list[int]] = {}
        for row in sorted(found, key=lambda row: int(row.number)):
            dropped.setdefault(row.artist, []).append(row.number)
        if missing := sorted(set(numbers) - {row.number for row in found}):
            raise NotFoundError(f"there is no change {missing[0]}; see riyl changes list")
        if artist is not None and artist not in dropped:
            raise NotFoundError(f"there is no change of artist {artist!r}; see riyl changes list")
        for each, gone in dropped.items():
            last += 1
            _insert(connection, last, each, ChangeKind.DROP, {"numbers": gone}, by=by, key=None)
            raise_revision(connection, Stream.TOMBSTONES, last)  # whether or not one of them was a tombstone
            _check_way(connection, each)
    return dropped


def _tombstone(standing: Standing | None) -> Standing | None:
    return standing if standing is not None and standing.deleted else None


def _there(before: Standing | None, known: bool | None) -> bool:
    # of whom only patches stand, the tables may not know, and then there is nobody
    return bool(known) if before is None else not before.deleted and (bool(known) or "name" in before.said)


def _check_there(
    artist: ArtistId, before: Standing | None, known: bool | None, merged: str = "PUT brings it back"
) -> None:
    """Refuse an artist that is gone, or whom nobody knows; `merged` is what to do about one that was merged."""
    if before is not None and before.into is not None:
        raise NotFoundError(f"artist {artist!r} is merged into {before.into!r}; {merged}")
    if before is not None and before.deleted:
        raise NotFoundError(f"artist {artist!r} is deleted; PUT brings it back")
    if known is False and not _there(before, known):
        raise NotFoundError(f"artist {artist!r} is in no version, and was not put")


def _check_into(connection: Connection, wish: Wish) -> None:
    """Refuse to merge into whom nobody would find: so no merge closes a circle."""
    into: ArtistId = wish.said["into"]
    check_id("into", into)
    if into == wish.artist:
        raise InputError(f"into: found {into!r} itself; wanted another artist")
    _check_there(into, standing_of(connection, into), wish.into_known, "merge into that")


def _with_mbid(before: Standing | None, said: Said) -> Said:
    """What a merge says, with the mbid that changes said last, else the one that the version has."""
    mbid = said.get("mbid")
    if before is not None:
        mbid = before.said.get("mbid", before.mbid or mbid)
    return {"into": said["into"]} if mbid is None else {"into": said["into"], "mbid": mbid}


def _check_way(connection: Connection, artist: ArtistId) -> None:
    """Refuse a drop that brings a merge back by which a circle would close."""
    way = [artist]
    while (stands := standing_of(connection, way[-1])) is not None and stands.into is not None:
        if stands.into in way:
            circle = ", ".join(map(repr, way[way.index(stands.into) :]))
            raise InputError(
                f"changes: found that {circle} would be merged into each other; wanted one's merge dropped as well"
            )
        way.append(stands.into)


def _insert(
    connection: Connection, number: int, artist: ArtistId, kind: ChangeKind, said: Said, *, by: str, key: str | None
) -> None:
    values = {
        "number": number,
        "artist": artist,
        "kind": kind.value,
        "said": said,
        "counts": counts_of(said),
        "by": by,
        "at": datetime.now(UTC),
        "key": key,
    }
    connection.execute(_ADDED, values)
    connection.execute(_RAISED_HEAD, {"raised": number})
