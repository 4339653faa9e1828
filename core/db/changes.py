"""Changes of artists, written: in a total order, and kept until they are dropped."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, Connection, bindparam, delete, insert, select, update

from riyl.core.catalog.terms import COLUMNS_OF
from riyl.core.changes.effective import ChangeKind, EffectiveChanges, Payload, after, check_entries, counts_of, same
from riyl.core.db.effective import effective_of, last_of
from riyl.core.db.revisions import raise_revision
from riyl.core.db.session import Database
from riyl.core.db.tables import changes, changes_head
from riyl.core.errors import InputError, NotFoundError
from riyl.core.rules import check_id
from riyl.core.storage.stamps import Stream
from riyl.core.types import ArtistId

# made once: making one takes as long as running it
_LOCKED_HEAD = select(changes_head.c.number).with_for_update()
_RAISED_HEAD = update(changes_head).values(number=bindparam("raised"))
_ADDED = insert(changes)


@dataclass(frozen=True)
class ChangeRequest:
    """A change that is asked for.

    Attributes:
        artist_exists: whether the version that serves has the artist; None where none serves.
        into_known: the same of the one that it is to be merged into.
    """

    artist: ArtistId
    kind: ChangeKind
    payload: Payload
    artist_exists: bool | None
    into_known: bool | None = None


@dataclass(frozen=True)
class ChangeResult:
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


def write_change(database: Database, request: ChangeRequest, *, by: str) -> ChangeResult:
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
        return add_change(connection, request, by=by)


def add_change(connection: Connection, request: ChangeRequest, *, by: str, key: str | None = None) -> ChangeResult:
    """The same inside a transaction, which from here on writes changes alone. Raises as `write_change`.

    One that changes nothing is not written down: who sends a catalog anew every night leaves no trace.
    """
    check_id("id", request.artist)
    last = lock_head(connection)
    before, number = last_of(connection, request.artist)
    payload = request.payload
    match request.kind:
        case ChangeKind.PATCH:
            _check_there(request.artist, before, request.artist_exists)
        case ChangeKind.DELETE:
            if before is None or not before.deleted:
                _check_there(request.artist, before, request.artist_exists)
        case ChangeKind.MERGE:
            _check_into(connection, request)
            payload = _with_mbid(before, payload)
    now = after(before, request.artist, request.kind, payload)
    over = () if now is None else tuple(name for name in COLUMNS_OF if name in now.payload and name not in now.whole)
    if now is not None and (now.empty if before is None else same(now, before)):
        return ChangeResult(number, False, False, over)
    if now is not None and request.kind is ChangeKind.PATCH:
        check_entries(now)
    _insert(connection, last + 1, request.artist, request.kind, payload, by=by, key=key)
    if _tombstone(now) != _tombstone(before):
        raise_revision(connection, Stream.TOMBSTONES, last + 1)
    return ChangeResult(last + 1, not _there(before, request.artist_exists), True, over)


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
        rows = connection.execute(
            delete(changes)
            .where(wanted, changes.c.kind != ChangeKind.DROP.value)
            .returning(changes.c.number, changes.c.artist)
        ).all()
        dropped: dict[ArtistId, list[int]] = {}
        for row in sorted(rows, key=lambda row: int(row.number)):
            dropped.setdefault(row.artist, []).append(row.number)
        if missing := sorted(set(numbers) - {row.number for row in rows}):
            raise NotFoundError(f"there is no change {missing[0]}; see riyl changes list")
        if artist is not None and artist not in dropped:
            raise NotFoundError(f"there is no change of artist {artist!r}; see riyl changes list")
        for each, tombstones in dropped.items():
            last += 1
            _insert(connection, last, each, ChangeKind.DROP, {"numbers": tombstones}, by=by, key=None)
            raise_revision(connection, Stream.TOMBSTONES, last)  # whether or not one of them was a tombstone
            _check_way(connection, each)
    return dropped


def _tombstone(effective: EffectiveChanges | None) -> EffectiveChanges | None:
    return effective if effective is not None and effective.deleted else None


def _there(before: EffectiveChanges | None, in_tables: bool | None) -> bool:
    # of whom only patches stand, the tables may not know, and then there is nobody
    return bool(in_tables) if before is None else not before.deleted and (bool(in_tables) or "name" in before.payload)


def _check_there(
    artist: ArtistId, before: EffectiveChanges | None, in_tables: bool | None, merged: str = "PUT brings it back"
) -> None:
    """Refuse an artist that is gone, or whom nobody knows; `merged` is what to do about one that was merged."""
    if before is not None and before.into is not None:
        raise NotFoundError(f"artist {artist!r} is merged into {before.into!r}; {merged}")
    if before is not None and before.deleted:
        raise NotFoundError(f"artist {artist!r} is deleted; PUT brings it back")
    if in_tables is False and not _there(before, in_tables):
        raise NotFoundError(f"artist {artist!r} is in no version, and was not put")


def _check_into(connection: Connection, request: ChangeRequest) -> None:
    """Refuse to merge into whom nobody would find: so no merge closes a circle."""
    into: ArtistId = request.payload["into"]
    check_id("into", into)
    if into == request.artist:
        raise InputError(f"into: found {into!r} itself; wanted another artist")
    _check_there(into, effective_of(connection, into), request.into_known, "merge into that")


def _with_mbid(before: EffectiveChanges | None, payload: Payload) -> Payload:
    """What a merge says, with the mbid that changes said last, else the one that the version has."""
    mbid = payload.get("mbid")
    if before is not None:
        mbid = before.payload.get("mbid", before.mbid or mbid)
    return {"into": payload["into"]} if mbid is None else {"into": payload["into"], "mbid": mbid}


def _check_way(connection: Connection, artist: ArtistId) -> None:
    """Refuse a drop that brings a merge back by which a circle would close."""
    way = [artist]
    while (stands := effective_of(connection, way[-1])) is not None and stands.into is not None:
        if stands.into in way:
            circle = ", ".join(map(repr, way[way.index(stands.into) :]))
            raise InputError(
                f"changes: found that {circle} would be merged into each other; wanted one's merge dropped as well"
            )
        way.append(stands.into)


def _insert(
    connection: Connection,
    number: int,
    artist: ArtistId,
    kind: ChangeKind,
    payload: Payload,
    *,
    by: str,
    key: str | None,
) -> None:
    values = {
        "number": number,
        "artist": artist,
        "kind": kind.value,
        "payload": payload,
        "counts": counts_of(payload),
        "by": by,
        "at": datetime.now(UTC),
        "key": key,
    }
    connection.execute(_ADDED, values)
    connection.execute(_RAISED_HEAD, {"raised": number})
