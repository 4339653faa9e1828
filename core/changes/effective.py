"""Effective changes: the combined effect of all changes of an artist, and a job's stored copy of them."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeAlias

from riyl.core.catalog.terms import COLUMNS_OF, merged_entries
from riyl.core.errors import FormatError, InputError
from riyl.core.files import content_id, replaced
from riyl.core.types import ArtistId

Payload: TypeAlias = Mapping[str, Any]
"""Content of a change of an artist, as JSON; an absent field is unchanged, and a null removes the value.

name, mbid, aliases [text]; attributes {name: text, number or truth value}; tags {word: weight}, plays {user_id: count};
vectors {modality: [vector]}, all of one modality equally long. A null entry of an object removes that entry.
A merge has other fields: into, the id of the artist that replaces it, and mbid, its own if one was known.
"""

MAX_ENTRIES = {"attributes": 100, "tags": 1000, "plays": 100_000, "vectors": 20}
"""Object fields, and the maximum number of entries of each in an artist's effective changes."""

BY_ENTRY = ("attributes", "vectors")
"""Object fields of which a put sets single entries; a put replaces the other objects as a whole."""

_REPLACED = tuple(COLUMNS_OF)

SUFFIX = ".ndjson"

ASIDE = ".standing."
"""Prefix of the names of unfinished files."""


class ChangeKind(StrEnum):
    """Kind of a change.

    `put`: sets values of the artist and discards all its earlier changes. `patch`: is merged key by key into earlier
    changes and the tables (RFC 7396). `replace`: replaces whole fields and keeps the others; the patches of earlier
    releases, no longer created.
    `delete`: hides the artist until it is put again. `merge`: hides the artist, and another one replaces it. `drop`:
    records that earlier changes of the artist were dropped.
    """

    PUT = "put"
    PATCH = "patch"
    REPLACE = "replace"
    DELETE = "delete"
    MERGE = "merge"
    DROP = "drop"


@dataclass(frozen=True)
class EffectiveChanges:
    """Combined effect of all changes of an artist.

    Attributes:
        deleted: whether the artist is hidden; then the payload is empty.
        payload: a merge patch over the values of the tables: scalars and lists replace them, and so does each entry of
            an object; a null removes the value. No object is null here.
        into: the artist that replaces it, if it was deleted by a merge; that artist may be deleted by now as well.
        mbid: its own mbid, as known when it was merged.
        whole: objects whose entries in the tables do not count: the payload has all of their entries.
    """

    artist: ArtistId
    deleted: bool
    payload: Payload
    into: ArtistId | None = None
    mbid: str | None = None
    whole: frozenset[str] = frozenset()

    @property
    def empty(self) -> bool:
        """Whether the artist is unchanged from the tables."""
        return not (self.deleted or self.payload or self.whole)


EffectiveByArtist: TypeAlias = Mapping[ArtistId, EffectiveChanges | None]
"""Effective changes by artist; None for an artist without any left."""


def after(
    before: EffectiveChanges | None, artist: ArtistId, kind: ChangeKind, payload: Payload
) -> EffectiveChanges | None:
    """Apply one more change to the effective changes of an artist; None if none are left.

    A patch leaves a deleted artist deleted, and a merged artist merged.
    """
    match kind:
        case ChangeKind.PUT:
            return _merged(EffectiveChanges(artist, False, {}), payload, _REPLACED)
        case ChangeKind.PATCH | ChangeKind.REPLACE:
            if before is not None and before.deleted:
                return before
            replaced = _REPLACED if kind is ChangeKind.REPLACE else ()
            return _merged(before or EffectiveChanges(artist, False, {}), payload, replaced)
        case ChangeKind.DELETE:
            return EffectiveChanges(artist, True, {})
        case ChangeKind.MERGE:
            return EffectiveChanges(artist, True, {}, payload["into"], payload.get("mbid"))
        case ChangeKind.DROP:  # the dropped changes are already removed
            return before


def same(left: EffectiveChanges, right: EffectiveChanges) -> bool:
    """Check whether both have the same content; in attributes, true differs from 1, and 1 from 1.0."""
    # compares dictionaries, which is much faster than JSON of a hundred thousand plays
    texts = [json.dumps(each.payload.get("attributes"), sort_keys=True) for each in (left, right)]
    return left == right and texts[0] == texts[1]


def check_entries(effective: EffectiveChanges) -> None:
    """Refuse effective changes that have grown too large through successive patches.

    Raises:
        InputError: an object has more entries than `MAX_ENTRIES`.
    """
    for name, most in MAX_ENTRIES.items():
        if (count := len(effective.payload.get(name, ()))) > most:
            raise InputError(
                f"{name}: found {count} entries in the effective changes of {effective.artist!r}; wanted at "
                f"most {most} (put the rest into the tables, and drop changes that the tables contain)"
            )


def counts_of(payload: Payload) -> dict[str, int]:
    """Count the payload by field, with attributes and vectors by their own names; a null counts 0."""
    flat = {name: value for name, value in payload.items() if name not in BY_ENTRY or value is None}
    flat |= {f"{name}.{entry}": value for name in BY_ENTRY for entry, value in (payload.get(name) or {}).items()}
    return {
        name: 0 if value is None else len(value) if isinstance(value, list | dict) else 1
        for name, value in flat.items()
    }


def as_line(effective: EffectiveChanges) -> bytes:
    """Serialize effective changes as canonical JSON: equal for equal content; truth values differ from numbers."""
    value = {"artist": effective.artist, "deleted": effective.deleted, "payload": effective.payload}
    if not effective.deleted:
        value["whole"] = sorted(effective.whole)
    merged = {"into": effective.into, "mbid": effective.mbid}
    value |= {name: each for name, each in merged.items() if each is not None}
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode() + b"\n"


def write_effective(folder: Path, effective: Iterable[EffectiveChanges]) -> str | None:
    """Write effective changes into a folder, in a file named by the id of its content, unless it exists.

    Holds one line in memory at a time.

    Args:
        folder: the folder.
        effective: effective changes of each artist once, by ascending id.

    Returns:
        The id; None without effective changes, in which case no file is written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    digest, lines = hashlib.sha256(), 0
    descriptor, name = tempfile.mkstemp(prefix=ASIDE, dir=folder)
    aside = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            for each in effective:
                line = as_line(each)
                digest.update(line)
                file.write(line)
                lines += 1
        if not lines:
            return None
        identity = content_id("changes", {"sha256": digest.hexdigest()})
        with replaced(folder / f"{identity}{SUFFIX}") as target:
            aside.rename(target)
        return identity
    finally:
        aside.unlink(missing_ok=True)


def read_effective(path: Path) -> Iterator[EffectiveChanges]:
    """Read a file of `write_effective`, one line in memory at a time.

    Raises:
        FormatError: it is damaged.
        FileNotFoundError: it does not exist.
    """
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                yield _effective(json.loads(line))
            except (ValueError, KeyError, TypeError) as error:
                raise FormatError(
                    f"{path}, line {number}: damaged ({error}); wanted the effective changes of an artist"
                ) from error


def _effective(line: Mapping[str, Any]) -> EffectiveChanges:
    artist, payload, into = line["artist"], line["payload"], line.get("into")
    if line["deleted"]:
        return EffectiveChanges(artist, True, payload, into, line.get("mbid"))
    if "whole" not in line:  # a file from when every object of a payload replaced that of the tables
        return _merged(EffectiveChanges(artist, False, {}), payload, _REPLACED)
    return EffectiveChanges(artist, False, payload, whole=frozenset(line["whole"]))


def _merged(before: EffectiveChanges, payload: Payload, replaced: Collection[str]) -> EffectiveChanges:
    """Merge a payload into effective changes; objects named in `replaced` replace their earlier entries."""
    merged = {**before.payload, **{name: value for name, value in payload.items() if name not in MAX_ENTRIES}}
    whole_objects = set(before.whole)
    for name in MAX_ENTRIES:
        if name not in payload:
            continue
        if payload[name] is None or name in replaced:
            whole_objects.add(name)
            merged.pop(name, None)
        patch = payload[name] or {}
        entries = merged_entries(name, merged.pop(name, {}), patch)
        if name in whole_objects:  # the tables' entries do not count, so a null has nothing to remove
            for entry in [entry for entry, value in patch.items() if value is None]:
                del entries[entry]
        if entries:
            merged[name] = entries
    return EffectiveChanges(before.artist, False, merged, whole=frozenset(whole_objects))
