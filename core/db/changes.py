"""Writing of artist changes: in a total order, and kept until they are dropped."""

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

# built once: building a statement takes as long as running it
_LOCKED_HEAD = select(changes_head.c.number).with_for_update()
_RAISED_HEAD = update(changes_head).values(number=bindparam("raised"))
_ADDED = insert(changes)


@dataclass(frozen=True)
class ChangeRequest:
    """A requested change.

    Attributes:
        artist_exists: whether the serving version has the artist; None if no version serves.
        into_known: the same for the artist that it is to be merged into.
    """

    artist: ArtistId
    kind: ChangeKind
    payload: Payload
    artist_exists: bool | None
    into_known: bool | None = None


@dataclass(frozen=True)
class ChangeResult:
    """Result of a requested change.

    Attributes:
        number: number of the change; if it had no effect, of the artist's last change, 0 if it has none.
        new: the artist did not exist, or was deleted or merged.
        changed: whether a change was added.
        over: fields of weighted terms (tags, plays) whose effective entries are merged over the tables' entries.
    """

    number: int
    new: bool
    changed: bool
    over: tuple[str, ...] = ()


def write_change(database: Database, request: ChangeRequest, *, by: str) -> ChangeResult:
    """Make a change; it is durable when this returns.

    Raises:
        InputError: the id is invalid, an artist is to be merged into itself, or an object would have too many entries.
        NotFoundError: the artist to be patched or deleted is in no version and no change, or the target of a merge is,
            or that target is itself deleted or merged.
        DatabaseDownError: the database cannot be reached.
        StaleDatabaseError: it lacks what this home has seen.
    """
    with database.write() as connection:
        database.check(connection)
        return add_change(connection, request, by=by)


def add_change(connection: Connection, request: ChangeRequest, *, by: str, key: str | None = None) -> ChangeResult:
    """Make a change inside a transaction, which from here on writes only changes. Raises as `write_change`.

    A change without effect is not stored, so sending the whole catalog anew every night adds no rows.
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
    """Return the number of the last change, and block other writers until this transaction ends.

    So numbers are in the order of commits: a reader that has seen number n finds every change up to n.
    """
    return int(connection.execute(_LOCKED_HEAD).scalar_one())


def drop_changes(
    database: Database, *, by: str, numbers: Collection[int] = (), artist: ArtistId | None = None
) -> dict[ArtistId, list[int]]:
    """Remove changes with their effects, and add one change per artist that lists the numbers of the removed ones.

    Args:
        database: the database.
        by: author of the drop.
        numbers: numbers of the changes.
        artist: artist whose changes are all dropped as well.

    Returns:
        By artist, the numbers of the dropped changes.

    Raises:
        InputError: neither is given, or artists would be merged into each other; nothing was dropped.
        NotFoundError: there is no such change, or none of that artist; nothing was dropped.
        StaleDatabaseError: the database lacks what this home has seen; nothing was dropped.
    """
    if not numbers and artist is None:
        raise InputError("changes: found neither numbers nor an artist; wanted the changes to drop")
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
            raise_revision(connection, Stream.TOMBSTONES, last)  # whether or not a dropped change was a tombstone
            _check_way(connection, each)
    return dropped


def _tombstone(effective: EffectiveChanges | None) -> EffectiveChanges | None:
    return effective if effective is not None and effective.deleted else None


def _there(before: EffectiveChanges | None, in_tables: bool | None) -> bool:
    # an artist that only has patches exists only if the tables have it
    return bool(in_tables) if before is None else not before.deleted and (bool(in_tables) or "name" in before.payload)


def _check_there(
    artist: ArtistId, before: EffectiveChanges | None, in_tables: bool | None, merged: str = "PUT brings it back"
) -> None:
    """Refuse an artist that is deleted, merged or unknown; `merged` is the advice about a merged one."""
    if before is not None and before.into is not None:
        raise NotFoundError(f"artist {artist!r} is merged into {before.into!r}; {merged}")
    if before is not None and before.deleted:
        raise NotFoundError(f"artist {artist!r} is deleted; PUT brings it back")
    if in_tables is False and not _there(before, in_tables):
        raise NotFoundError(f"artist {artist!r} is in no version, and no PUT created it")


def _check_into(connection: Connection, request: ChangeRequest) -> None:
    """Refuse to merge into an artist that is deleted, merged or unknown, so that merges form no cycle."""
    into: ArtistId = request.payload["into"]
    check_id("into", into)
    if into == request.artist:
        raise InputError(f"into: found {into!r} itself; wanted another artist")
    _check_there(into, effective_of(connection, into), request.into_known, "merge into that")


def _with_mbid(before: EffectiveChanges | None, payload: Payload) -> Payload:
    """Return the payload of a merge with the mbid: of the artist's changes if they have one, else of the version."""
    mbid = payload.get("mbid")
    if before is not None:
        mbid = before.payload.get("mbid", before.mbid or mbid)
    return {"into": payload["into"]} if mbid is None else {"into": payload["into"], "mbid": mbid}


def _check_way(connection: Connection, artist: ArtistId) -> None:
    """Refuse a drop that restores a merge which would close a cycle."""
    way = [artist]
    while (stands := effective_of(connection, way[-1])) is not None and stands.into is not None:
        if stands.into in way:
            circle = ", ".join(map(repr, way[way.index(stands.into) :]))
            raise InputError(
                f"changes: found that {circle} would be merged into each other; wanted the merge of one dropped as well"
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
