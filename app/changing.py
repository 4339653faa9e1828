"""What is said of artists over HTTP, to changes: checked, whom it is about, and what became of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import TypeAdapter, ValidationError

from app.deps import shared_mbid
from app.errors import STATUS, AmbiguousMbidError
from app.invalid import invalid
from app.schemas_changes import (
    MOST_LINES,
    ArtistPatch,
    ArtistPut,
    ChangeAnswer,
    ChangeItems,
    DeleteLine,
    Line,
    MergeLine,
    SeenAfter,
    Verdict,
)
from app.schemas_query import BatchProblem
from app.served import Served
from core import changes
from core.attributes import as_type
from core.changes import ChangeKind
from core.db.batches import Refused, Sender, write_batch
from core.db.changes import Done, Wish
from core.db.session import Database
from core.errors import FormatError, InputError, NotFoundError
from core.missing import refuse_missing
from core.terms import COLUMNS_OF, term_keys
from core.types import ArtistId
from index.artifact import COLUMNS
from index.inputs import numbers, texts_of
from index.underlying import Underlying
from index.unplaced import Unplaced, unplaced

NO_MODALITIES = ("artists", "similar", "plays")
"""Tables that hold no vectors of a modality."""

_lines: TypeAdapter[Line] = TypeAdapter(Line)


@dataclass(frozen=True)
class Kept:
    """What becomes of a change that is durable.

    Attributes:
        seen_after: when answers show all of it that has a place, if it is known what it is merged into.
        unplaced: the rest.
    """

    seen_after: SeenAfter
    unplaced: Unplaced


def wish(served: Served | None, asked: ArtistId, kind: ChangeKind, said: ArtistPut | ArtistPatch | None = None) -> Wish:
    """A change as it is asked for, checked; a merge is `merge_wish`.

    Args:
        served: what tells whom an mbid means, who is there at all, and which attributes are of which type.
        asked: id, or mbid that the version has.

    Raises:
        InputError: something that is said cannot be; the message names what was found and what is wanted.
        AmbiguousMbidError: several artists share the mbid.
    """
    fields: changes.Said = (
        {} if said is None else _said(said, None if served is None else served.searcher.version.artists.schema)
    )
    artist, known, _ = _whom(served, asked)
    refuse_missing(fields, None if known or kind is ChangeKind.DELETE else asked)
    return Wish(artist, kind, fields, known)


def merge_wish(served: Served | None, asked: ArtistId, into: ArtistId) -> Wish:
    """A merge as it is asked for, of one artist into another: ids, or mbids that the version has."""
    artist, known, mbid = _whom(served, asked)
    target, target_known, _ = _whom(served, into)
    said = {"into": target} if mbid is None else {"into": target, "mbid": mbid}
    return Wish(artist, ChangeKind.MERGE, said, known, target_known)


def answer_of(served: Served | None, asked: Wish, done: Done, kept: Kept) -> ChangeAnswer:
    """What became of a change, and what of it is of no use yet."""
    return ChangeAnswer(
        id=asked.artist,
        number=done.number,
        changed=done.changed,
        seen_after=kept.seen_after if _tells_merged(served, asked, done) else SeenAfter.REINDEX,
        unknown_tags=list(kept.unplaced.tags),
        unknown_plays=kept.unplaced.plays,
        unused=list(kept.unplaced.fields),
    )


def kept_of(served: Served | None, said: changes.Said) -> Kept:
    """What of a change shows when.

    Raises:
        InputError: see `index.unplaced.unplaced`.
    """
    encoded = any(field in said for field in ("tags", "plays", "vectors"))
    if served is None or not encoded:
        return Kept(SeenAfter.MOMENT if served is not None else SeenAfter.REINDEX, Unplaced())
    try:
        return Kept(SeenAfter.MOMENT, unplaced(served.encoder(), said))
    except (NotFoundError, FormatError):  # told in the log by who takes changes up
        return Kept(SeenAfter.REINDEX, Unplaced())


def status_of_done(kind: ChangeKind, done: Done) -> int:
    """201 where somebody was put who was not there, else 200."""
    return 201 if kind is ChangeKind.PUT and done.new else 200


@dataclass(frozen=True)
class Batch:
    """The changes of a batch, not yet read.

    Attributes:
        given: the number of each in the body, and what reads it.
        digest: sha256 of the body, in hex.
    """

    given: Sequence[tuple[int, Callable[[], Line]]]
    digest: str


def batch_of_lines(body: bytes) -> Batch:
    """A batch that comes as lines of JSON; blank ones are passed over.

    Raises:
        InputError: there are no lines, or too many.
    """
    given = [(number, line) for number, line in enumerate(body.split(b"\n"), start=1) if line.strip()]
    if not 0 < len(given) <= MOST_LINES:
        raise InputError(f"body: found {len(given)} lines; wanted 1 to {MOST_LINES}, each one change as JSON")
    read = [(number, partial(_lines.validate_json, line)) for number, line in given]
    return Batch(read, hashlib.sha256(body).hexdigest())


def batch_of_items(body: bytes) -> Batch:
    """A batch that comes as one JSON object with `items`.

    Raises:
        ValidationError: it is no such object, or has no items or too many; what an item holds is read later.
    """
    items = ChangeItems.model_validate_json(body).items
    read = [(number, partial(_lines.validate_python, item)) for number, item in enumerate(items, start=1)]
    return Batch(read, hashlib.sha256(body).hexdigest())


def carry_out(
    database: Database, served: Served | None, batch: Batch, sender: Sender, key: str | None
) -> list[Verdict]:
    """Carry out a batch, and give a verdict on each change, in their order.

    Raises:
        InputError: there was another batch under this key.
        DatabaseDownError: the database cannot be reached; the same key goes on where it stopped.
    """
    read = [_read(served, line) for _, line in batch.given]
    wishes = [one if isinstance(one, Refused) else one[0] for one in read]
    verdicts = write_batch(database, wishes, sender, key=key, digest=batch.digest)
    return [
        _verdict(served, number, one, verdict)
        for (number, _), one, verdict in zip(batch.given, read, verdicts, strict=True)
    ]


def _whom(served: Served | None, asked: ArtistId) -> tuple[ArtistId, bool | None, str | None]:
    """The id that is meant, whether the version has it (None where none serves), and the mbid that it has there.

    Raises:
        AmbiguousMbidError: several artists share the mbid.
    """
    if served is None:
        return asked, None, None
    rows = served.searcher.rows_meant(asked)
    if not rows:
        return asked, False, None
    if len(rows) > 1:
        raise shared_mbid(served.searcher, asked, rows)
    row = rows[0]
    (mbid,) = served.searcher.mbids_of(np.array([row], np.int32))
    return served.searcher.id_of(row), True, mbid


def _read(served: Served | None, line: Callable[[], Line]) -> tuple[Wish, Kept] | Refused:
    try:
        found = line()
        if isinstance(found, MergeLine):
            return merge_wish(served, found.id, found.into), kept_of(served, {})
        asked = wish(served, found.id, ChangeKind(found.kind), None if isinstance(found, DeleteLine) else found)
        return asked, kept_of(served, asked.said)
    except ValidationError as error:
        return Refused(invalid(error.errors(include_url=False))[1], missing=False)
    except InputError as error:
        return Refused(str(error), missing=False)
    except AmbiguousMbidError as error:
        return Refused(str(error), missing=False, shared=True)


def _verdict(served: Served | None, line: int, read: tuple[Wish, Kept] | Refused, verdict: Done | Refused) -> Verdict:
    if isinstance(read, Refused):
        return _refusal(line, None, read)
    asked, kept = read
    if isinstance(verdict, Refused):
        return _refusal(line, asked.artist, verdict)
    told = answer_of(served, asked, verdict, kept).model_dump(exclude_defaults=True)
    return Verdict(line=line, status=status_of_done(asked.kind, verdict), **told)


def _refusal(line: int, artist: ArtistId | None, refused: Refused) -> Verdict:
    kind = AmbiguousMbidError if refused.shared else NotFoundError if refused.missing else InputError
    status, title = STATUS[kind]
    problem = BatchProblem(title=title, status=int(status), detail=refused.detail)
    return Verdict(line=line, id=artist, status=int(status), problem=problem)


def _tells_merged(served: Served | None, asked: Wish, done: Done) -> bool:
    """Whether it is known what a patch is merged into, where that is what the tables say."""
    over = [table for table in done.over if table in asked.said]
    if served is None or not over:
        return True
    try:
        underlying = Underlying(served.encoder().snapshot)
    except (NotFoundError, FormatError):
        return False
    row = served.searcher.row_of_own.get(asked.artist, -1)
    return all(underlying.tells_terms(asked.artist, row, table) for table in over)


def _said(asked: ArtistPut | ArtistPatch, columns: pa.Schema | None) -> dict[str, Any]:
    """What was said, as it is kept: a list that is empty the artist has not, nor tags or plays that are put empty."""
    said = asked.model_dump(exclude_unset=True, exclude={"kind", "id"})
    for field in ("aliases",) if isinstance(asked, ArtistPatch) else ("aliases", *COLUMNS_OF):
        if field in said:
            said[field] = said[field] or None
    if said.get("vectors"):
        said["vectors"] = {modality: vectors or None for modality, vectors in said["vectors"].items()}
    for table in COLUMNS_OF:
        if said.get(table):
            _check_terms(table, said[table], one_spelling=isinstance(asked, ArtistPatch))
    for modality, vectors in (said.get("vectors") or {}).items():
        _check_vectors(modality, vectors or [])
    for name, value in (said.get("attributes") or {}).items():
        _check_attribute(name, value, columns)
    return {name: value for name, value in said.items() if value != {}}


def _check_terms(table: str, terms: Mapping[str, float | None], *, one_spelling: bool) -> None:
    # of what is taken away the text alone counts
    texts_of({term: 1.0 if weight is None else weight for term, weight in terms.items()}, table)
    if not one_spelling:
        return
    first: dict[str, str] = {}
    for term, key in zip(terms, term_keys(table, terms), strict=True):
        if first.setdefault(key, term) != term:
            raise InputError(f"{table}: found both {first[key]!r} and {term!r}, which are one; wanted it once")


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
