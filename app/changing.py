"""What is said of artists over HTTP, to changes: checked, whom it is about, and what became of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import TypeAdapter, ValidationError

from app.errors import STATUS, invalid
from app.schemas_changes import SEEN_AFTER, DeleteLine, Line, MergeLine, Said, Verdict
from app.schemas_query import BatchProblem
from app.served import Served
from core import changes
from core.attributes import as_type
from core.changes import ChangeKind
from core.db.batches import Refused, Sender, write_batch
from core.db.changes import Done, Wish
from core.db.session import Database
from core.errors import InputError, NotFoundError
from core.types import ArtistId
from index.artifact import COLUMNS
from index.inputs import numbers, texts_of

MOST_LINES = 10_000
"""Of a batch."""

NO_MODALITIES = ("artists", "similar", "plays")
"""Tables that hold no vectors of a modality."""

_lines: TypeAdapter[Line] = TypeAdapter(Line)


def wish(served: Served | None, asked: ArtistId, kind: ChangeKind, said: Said | None = None) -> Wish:
    """A change as it is asked for, checked; a merge is `merge_wish`.

    Args:
        served: what tells whom an mbid means, who is there at all, and which attributes are of which type.
        asked: id, or mbid that the version has.

    Raises:
        InputError: something that is said cannot be; the message names what was found and what is wanted.
    """
    fields: changes.Said = (
        {} if said is None else _said(said, None if served is None else served.searcher.version.artists.schema)
    )
    if kind is ChangeKind.PATCH and not fields:
        raise InputError("patch: found nothing said; wanted at least one field")
    artist, known, _ = _whom(served, asked)
    return Wish(artist, kind, fields, known)


def merge_wish(served: Served | None, asked: ArtistId, into: ArtistId) -> Wish:
    """A merge as it is asked for, of one artist into another: ids, or mbids that the version has."""
    artist, known, mbid = _whom(served, asked)
    target, target_known, _ = _whom(served, into)
    said = {"into": target} if mbid is None else {"into": target, "mbid": mbid}
    return Wish(artist, ChangeKind.MERGE, said, known, target_known)


def status_of_done(kind: ChangeKind, done: Done) -> int:
    """201 where somebody was put who was not there, else 200."""
    return 201 if kind is ChangeKind.PUT and done.new else 200


def carry_out(
    database: Database, served: Served | None, body: bytes, sender: Sender, key: str | None
) -> Iterator[bytes]:
    """Carry out a batch of lines of JSON, and give a verdict a line; blank ones are passed over.

    Raises:
        InputError: there are no lines or too many, or there was another batch under this key.
        DatabaseDownError: the database cannot be reached; the same key goes on where it stopped.
    """
    given = [(number, line) for number, line in enumerate(body.split(b"\n"), start=1) if line.strip()]
    if not 0 < len(given) <= MOST_LINES:
        raise InputError(f"body: found {len(given)} lines; wanted 1 to {MOST_LINES}, each one change as JSON")
    wishes = [_wish_of(served, line) for _, line in given]
    verdicts = write_batch(database, wishes, sender, key=key, digest=hashlib.sha256(body).hexdigest())
    for (number, _), asked, verdict in zip(given, wishes, verdicts, strict=True):
        yield _verdict(number, asked, verdict).model_dump_json(exclude_none=True).encode() + b"\n"


def _whom(served: Served | None, asked: ArtistId) -> tuple[ArtistId, bool | None, str | None]:
    """The id that is meant, whether the version has it (None where none serves), and the mbid that it has there."""
    if served is None:
        return asked, None, None
    row = served.searcher.row_of(asked)
    if row is None:
        return asked, False, None
    (mbid,) = served.searcher.mbids_of(np.array([row], np.int32))
    return served.searcher.id_of(row), True, mbid


def _wish_of(served: Served | None, line: bytes) -> Wish | Refused:
    try:
        found = _lines.validate_json(line)
        if isinstance(found, MergeLine):
            return merge_wish(served, found.id, found.into)
        said = None if isinstance(found, DeleteLine) else found
        return wish(served, found.id, ChangeKind(found.kind), said)
    except ValidationError as error:
        return Refused(invalid(error.errors(include_url=False))[1], missing=False)
    except InputError as error:
        return Refused(str(error), missing=False)


def _verdict(line: int, asked: Wish | Refused, verdict: Done | Refused) -> Verdict:
    artist = asked.artist if isinstance(asked, Wish) else None
    if isinstance(verdict, Refused):
        refused, title = STATUS[NotFoundError if verdict.missing else InputError]
        told = BatchProblem(title=title, status=int(refused), detail=verdict.detail)
        return Verdict(line=line, id=artist, status=int(refused), problem=told)
    status = status_of_done(asked.kind, verdict) if isinstance(asked, Wish) else 200
    return Verdict(
        line=line, id=artist, status=status, number=verdict.number, changed=verdict.changed, seen_after=SEEN_AFTER
    )


def _said(asked: Said, columns: pa.Schema | None) -> dict[str, Any]:
    """What was said, as it is kept: what is empty the artist has not."""
    said = asked.model_dump(exclude_unset=True, exclude={"kind", "id"})
    for field in ("aliases", "tags", "plays"):
        if field in said:
            said[field] = said[field] or None
    if "vectors" in said:
        said["vectors"] = {modality: vectors or None for modality, vectors in said["vectors"].items()}
    for field in ("tags", "plays"):
        if said.get(field):
            texts_of(said[field], field)
    for modality, vectors in said.get("vectors", {}).items():
        _check_vectors(modality, vectors or [])
    for name, value in said.get("attributes", {}).items():
        _check_attribute(name, value, columns)
    return {name: value for name, value in said.items() if value != {}}


def _check_vectors(modality: str, vectors: Sequence[Sequence[float]]) -> None:
    if modality in NO_MODALITIES:
        raise InputError(f"vectors: found {modality!r}; wanted a modality, such as audio")
    for position, vector in enumerate(vectors):
        numbers(f"vectors.{modality}.{position}", vector, len(vectors[0]))


def _check_attribute(name: str, value: Any, columns: pa.Schema | None) -> None:
    if name in COLUMNS:
        raise InputError(f"attributes: found {name!r}; wanted a column beside {', '.join(COLUMNS)}")
    if value is None or columns is None or name not in columns.names or pa.types.is_null(columns.field(name).type):
        return
    try:
        as_type(columns.field(name).type, value)
    except InputError as error:
        raise InputError(f"attributes.{name}: {error}, as the catalog has it") from error
