"""Copy of the tombstones in a home: deleted and merged artists, as a file that lines are appended to."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from riyl.core.changes.effective import EffectiveChanges, as_line
from riyl.core.errors import FormatError
from riyl.core.files import write_bytes
from riyl.core.storage.stamps import Stamp
from riyl.core.types import ArtistId

KIND = "riyl-tombstones"
FORMAT = 3
"""Format number in the stamp lines."""

_TAIL_BYTES = 1024


@dataclass(frozen=True)
class Tombstones:
    """Content of a home's copy.

    Attributes:
        stamp: state of the database that the copy is complete up to; None in files of format 1.
        artists: deleted or merged artists, by id.
    """

    stamp: Stamp | None
    artists: dict[ArtistId, EffectiveChanges]


def read_tombstones(path: Path) -> Tombstones:
    """Read the copy; without a file there are no artists. A last line that a crash cut off is ignored.

    Raises:
        FormatError: it is damaged, or of a newer format; the message names the line.
    """
    try:
        lines = path.read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        lines = []
    stamp: Stamp | None = None
    artists: dict[ArtistId, EffectiveChanges] = {}
    for number, line in enumerate(lines, start=1):
        try:
            record = json.loads(line)
            if "kind" in record:
                stamp = _stamp(record)
            elif record["deleted"]:
                artists[record["artist"]] = EffectiveChanges(
                    record["artist"], True, {}, record.get("into"), record.get("mbid")
                )
            else:
                artists.pop(record["artist"], None)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise FormatError(f"{path}, line {number}: damaged ({error}); wanted an artist or a stamp") from error
    return Tombstones(stamp, artists)


def last_stamp(path: Path) -> Stamp | None:
    """Return the stamp in the last line; None if the file is missing, has none, or was cut off behind it.

    Reads only the end of the file, however long it is.
    """
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - _TAIL_BYTES))
            tail = file.read()
    except FileNotFoundError:
        return None
    if not tail.endswith(b"\n"):
        return None
    try:
        record = json.loads(tail[:-1].rpartition(b"\n")[2])
        return _stamp(record) if "kind" in record else None
    except (ValueError, KeyError, TypeError):
        return None


def write_tombstones(path: Path, artists: Iterable[EffectiveChanges], stamp: Stamp) -> None:
    """Replace the copy atomically by these artists."""
    write_bytes(path, _lines(artists, stamp))


def append_tombstones(path: Path, artists: Iterable[EffectiveChanges], stamp: Stamp) -> None:
    """Append the changes since the last stamp to a copy; they are durable when this returns.

    Args:
        path: the copy.
        artists: present state of the artists; one that is not deleted is removed from the copy.
        stamp: state of the database that the copy then holds.
    """
    with path.open("ab") as file:
        file.write(_lines(artists, stamp))
        file.flush()
        os.fsync(file.fileno())


def _lines(artists: Iterable[EffectiveChanges], stamp: Stamp) -> bytes:
    bare = (EffectiveChanges(each.artist, each.deleted, {}, each.into, each.mbid) for each in artists)
    end = json.dumps({"kind": KIND, "format": FORMAT, **stamp.as_dict()}, sort_keys=True).encode() + b"\n"
    return b"".join([*map(as_line, bare), end])


def _stamp(record: dict[str, Any]) -> Stamp:
    if (record["kind"], record.get("format")) != (KIND, FORMAT):
        raise ValueError(f"found kind {record['kind']!r}, format {record.get('format')!r}; wanted {KIND!r}, {FORMAT}")
    return Stamp.of(record)
