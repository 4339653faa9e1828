"""What changes over HTTP say of artists: what stands after several of one, and a job's copy of all that stands."""

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
"""What is said of an artist, as JSON; what is absent is not said, and what is null the artist has not.

name, mbid, aliases [text]; attributes {name: text, number or truth value}; tags {word: weight}, plays {user_id: count};
vectors {modality: [vector]}, all of one modality equally long. An entry that is null is one that the artist has not.
A merge says otherwise: into, the id of the artist that is in its place, and mbid, its own where one was known.
"""

MAX_ENTRIES = {"attributes": 100, "tags": 1000, "plays": 100_000, "vectors": 20}
"""The fields that are objects, and how many entries of each changes may leave standing of an artist."""

BY_ENTRY = ("attributes", "vectors")
"""The objects of which a put says each entry by itself; the others it replaces."""

_REPLACED = tuple(COLUMNS_OF)

SUFFIX = ".ndjson"

ASIDE = ".standing."
"""What the name of a file in the making begins with."""


class ChangeKind(StrEnum):
    """What a change does.

    `put`: this is said of the artist, and nothing that changes said before. `patch`: this is merged into what changes
    and tables say, key by key (RFC 7396). `replace`: this is said instead, field by field, and the rest stays; so
    patches were meant once, and no new ones are made. `delete`: the artist is nowhere, until it is put again.
    `merge`: the same, and another one is in its place. `drop`: earlier changes of it were taken back.
    """

    PUT = "put"
    PATCH = "patch"
    REPLACE = "replace"
    DELETE = "delete"
    MERGE = "merge"
    DROP = "drop"


@dataclass(frozen=True)
class EffectiveChanges:
    """What stands of an artist after all its changes.

    Attributes:
        deleted: it is nowhere; then nothing is said.
        payload: a merge patch over what the tables say: scalars and lists take their place, and so does each entry of
            an object; what is null the artist has not. No object is null here.
        into: who is in its place, where it is deleted by a merge; that one may be gone by now as well.
        mbid: its own, as it was known when it was merged.
        whole: the objects of which the tables' entries do not count: those that are said are all there are.
    """

    artist: ArtistId
    deleted: bool
    payload: Payload
    into: ArtistId | None = None
    mbid: str | None = None
    whole: frozenset[str] = frozenset()

    @property
    def empty(self) -> bool:
        """Whether the artist is as the tables say."""
        return not (self.deleted or self.payload or self.whole)


EffectiveByArtist: TypeAlias = Mapping[ArtistId, EffectiveChanges | None]
"""What stands of artists after all their changes; None of one of which nothing stands any more."""


def after(
    before: EffectiveChanges | None, artist: ArtistId, kind: ChangeKind, payload: Payload
) -> EffectiveChanges | None:
    """What stands of an artist after one more change; None where nothing does.

    A patch of a deleted artist leaves it deleted, and one of a merged artist leaves it merged.
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
        case ChangeKind.DROP:  # what it took back is not there any more
            return before


def same(left: EffectiveChanges, right: EffectiveChanges) -> bool:
    """Whether both say the same; of attributes, true is not 1, and 1 is not 1.0."""
    # by the comparison of dictionaries, which is much faster than JSON of a hundred thousand plays
    texts = [json.dumps(each.payload.get("attributes"), sort_keys=True) for each in (left, right)]
    return left == right and texts[0] == texts[1]


def check_entries(effective: EffectiveChanges) -> None:
    """Refuse what would leave too much standing, as patch after patch adds to it.

    Raises:
        InputError: an object has more entries than `MAX_ENTRIES`.
    """
    for name, most in MAX_ENTRIES.items():
        if (count := len(effective.payload.get(name, ()))) > most:
            raise InputError(
                f"{name}: found {count} entries that changes of {effective.artist!r} would leave standing; wanted at "
                f"most {most} (bring the rest in the tables, and drop changes that say what these say)"
            )


def counts_of(payload: Payload) -> dict[str, int]:
    """How much is said, by field, the entries of attributes and vectors by their own names; 0 of what is null."""
    flat = {name: value for name, value in payload.items() if name not in BY_ENTRY or value is None}
    flat |= {f"{name}.{entry}": value for name in BY_ENTRY for entry, value in (payload.get(name) or {}).items()}
    return {
        name: 0 if value is None else len(value) if isinstance(value, list | dict) else 1
        for name, value in flat.items()
    }


def as_line(effective: EffectiveChanges) -> bytes:
    """What stands as canonical JSON: equal where the same is said, and truth values are no numbers."""
    value = {"artist": effective.artist, "deleted": effective.deleted, "payload": effective.payload}
    if not effective.deleted:
        value["whole"] = sorted(effective.whole)
    merged = {"into": effective.into, "mbid": effective.mbid}
    value |= {name: each for name, each in merged.items() if each is not None}
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode() + b"\n"


def write_effective(folder: Path, effective: Iterable[EffectiveChanges]) -> str | None:
    """Write what stands into a file of its content's id in a folder, or find it there; a line in memory at a time.

    Args:
        effective: of each artist once, by ascending id.

    Returns:
        The id; None where nothing stands, and then there is no file.
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
    """What `write_effective` wrote, a line in memory at a time.

    Raises:
        FormatError: it is damaged.
        FileNotFoundError: it is not there.
    """
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                yield _effective(json.loads(line))
            except (ValueError, KeyError, TypeError) as error:
                raise FormatError(
                    f"{path}, line {number}: damaged ({error}); wanted what stands of an artist"
                ) from error


def _effective(line: Mapping[str, Any]) -> EffectiveChanges:
    artist, payload, into = line["artist"], line["payload"], line.get("into")
    if line["deleted"]:
        return EffectiveChanges(artist, True, payload, into, line.get("mbid"))
    if "whole" not in line:  # written when all that was said replaced what the tables say
        return _merged(EffectiveChanges(artist, False, {}), payload, _REPLACED)
    return EffectiveChanges(artist, False, payload, whole=frozenset(line["whole"]))


def _merged(before: EffectiveChanges, payload: Payload, replaced: Collection[str]) -> EffectiveChanges:
    """What stands once this is said as well, the objects named in `replaced` instead of their entries of before."""
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
        if name in whole_objects:  # nothing lies beneath that a null would take away
            for entry in [entry for entry, value in patch.items() if value is None]:
                del entries[entry]
        if entries:
            merged[name] = entries
    return EffectiveChanges(before.artist, False, merged, whole=frozenset(whole_objects))
