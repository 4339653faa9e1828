"""What is said of artists over HTTP: what stands after several changes of one, and a job's copy of all that stands."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeAlias

from core.errors import FormatError
from core.files import content_id, replaced
from core.types import ArtistId

Said: TypeAlias = Mapping[str, Any]
"""What is said of an artist, as JSON; what is absent is not said, and what is null the artist has not.

name, mbid, aliases [text]; attributes {name: text, number or truth value}; tags {word: weight}, plays {user_id: count};
vectors {modality: [vector]}, all of one modality equally long. Of attributes and vectors each entry is said by itself.
A merge says otherwise: into, the id of the artist that is in its place, and mbid, its own where one was known.
"""

BY_ENTRY = ("attributes", "vectors")
"""What is said entry by entry."""

SUFFIX = ".ndjson"

ASIDE = ".standing."
"""What the name of a file in the making begins with."""


class ChangeKind(StrEnum):
    """What a change does.

    `put`: this is said of the artist, and nothing that changes said before. `patch`: this is said, the rest stays.
    `delete`: the artist is nowhere, until it is put again. `merge`: the same, and another one is in its place.
    `drop`: earlier changes of it were taken back.
    """

    PUT = "put"
    PATCH = "patch"
    DELETE = "delete"
    MERGE = "merge"
    DROP = "drop"


@dataclass(frozen=True)
class Standing:
    """What stands of an artist after all its changes.

    Attributes:
        deleted: it is nowhere; then nothing is said.
        into: who is in its place, where it is deleted by a merge; that one may be gone by now as well.
        mbid: its own, as it was known when it was merged.
    """

    artist: ArtistId
    deleted: bool
    said: Said
    into: ArtistId | None = None
    mbid: str | None = None


def after(before: Standing | None, artist: ArtistId, kind: ChangeKind, said: Said) -> Standing | None:
    """What stands of an artist after one more change; None where nothing does.

    A patch of a deleted artist leaves it deleted, and one of a merged artist leaves it merged.
    """
    match kind:
        case ChangeKind.PUT:
            return Standing(artist, False, _merged({}, said))
        case ChangeKind.PATCH:
            if before is not None and before.deleted:
                return before
            return Standing(artist, False, _merged({} if before is None else before.said, said))
        case ChangeKind.DELETE:
            return Standing(artist, True, {})
        case ChangeKind.MERGE:
            return Standing(artist, True, {}, said["into"], said.get("mbid"))
        case ChangeKind.DROP:  # what it took back is not there any more
            return before


def counts_of(said: Said) -> dict[str, int]:
    """How much is said, by field, the entries of attributes and vectors by their own names; 0 of what is null."""
    flat = {name: value for name, value in said.items() if name not in BY_ENTRY}
    flat |= {f"{name}.{entry}": value for name in BY_ENTRY for entry, value in said.get(name, {}).items()}
    return {
        name: 0 if value is None else len(value) if isinstance(value, list | dict) else 1
        for name, value in flat.items()
    }


def as_line(standing: Standing) -> bytes:
    """What stands as canonical JSON: equal where the same is said, and truth values are no numbers."""
    value = {"artist": standing.artist, "deleted": standing.deleted, "said": standing.said}
    merged = {"into": standing.into, "mbid": standing.mbid}
    value |= {name: each for name, each in merged.items() if each is not None}
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode() + b"\n"


def write_standing(folder: Path, standing: Iterable[Standing]) -> str | None:
    """Write what stands into a file of its content's id in a folder, or find it there; a line in memory at a time.

    Args:
        standing: of each artist once, by ascending id.

    Returns:
        The id; None where nothing stands, and then there is no file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    digest, lines = hashlib.sha256(), 0
    descriptor, name = tempfile.mkstemp(prefix=ASIDE, dir=folder)
    aside = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            for each in standing:
                line = as_line(each)
                digest.update(line)
                file.write(line)
                lines += 1
        if not lines:
            return None
        identity = content_id("changes", {"sha256": digest.hexdigest()})
        with replaced(folder / f"{identity}{SUFFIX}") as whole:
            aside.rename(whole)
        return identity
    finally:
        aside.unlink(missing_ok=True)


def read_standing(path: Path) -> Iterator[Standing]:
    """What `write_standing` wrote, a line in memory at a time.

    Raises:
        FormatError: it is damaged.
        FileNotFoundError: it is not there.
    """
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                found = json.loads(line)
                yield Standing(found["artist"], found["deleted"], found["said"], found.get("into"), found.get("mbid"))
            except (ValueError, KeyError, TypeError) as error:
                raise FormatError(
                    f"{path}, line {number}: damaged ({error}); wanted what stands of an artist"
                ) from error


def _merged(before: Said, said: Said) -> dict[str, Any]:
    merged = {**before, **said}
    for name in BY_ENTRY:
        entries = {**before.get(name, {}), **said.get(name, {})}
        merged.pop(name, None)
        if entries:
            merged[name] = entries
    return merged
