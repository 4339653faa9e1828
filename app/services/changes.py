"""Changes of artists over HTTP: requests are checked, artists resolved, and results described."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import ValidationError

from riyl.app.http.errors import STATUS
from riyl.app.http.request_errors import AmbiguousMbidError
from riyl.app.http.validation import invalid
from riyl.app.schemas.changes import (
    ArtistPatch,
    ArtistPut,
    ChangeResponse,
    DeleteLine,
    Line,
    MergeLine,
    Verdict,
    VisibleAfter,
)
from riyl.app.schemas.query import BatchProblem
from riyl.app.services.artists import shared_mbid
from riyl.app.services.change_batches import Batch
from riyl.app.serving.state import ServingState
from riyl.core.catalog.attributes import as_type
from riyl.core.catalog.missing import refuse_missing
from riyl.core.catalog.terms import COLUMNS_OF, term_keys
from riyl.core.changes import effective
from riyl.core.changes.effective import ChangeKind
from riyl.core.db.batches import Refused, Sender, write_batch
from riyl.core.db.changes import ChangeRequest, ChangeResult
from riyl.core.db.session import Database
from riyl.core.errors import FormatError, InputError, NotFoundError
from riyl.core.types import ArtistId
from riyl.index.artifact.version import COLUMNS
from riyl.index.encoding.unusable_inputs import UnusableInputs, unusable_inputs
from riyl.index.encoding.validation import numbers, texts_of
from riyl.index.overlay.base_values import Underlying

WITHIN_S = {VisibleAfter.MOMENT: 1.0, VisibleAfter.MINUTE: 60.0}

NO_MODALITIES = ("artists", "similar", "plays")
"""Tables that hold no vectors of a modality."""


@dataclass(frozen=True)
class Kept:
    """Effect of a change that is durable.

    Attributes:
        visible_after: when responses show all of it that can be encoded, if the values that it is merged into are
            known.
        unusable_inputs: the inputs that cannot be encoded.
    """

    visible_after: VisibleAfter
    unusable_inputs: UnusableInputs


def change_request(
    state: ServingState | None, identifier: ArtistId, kind: ChangeKind, payload: ArtistPut | ArtistPatch | None = None
) -> ChangeRequest:
    """Check a requested change and resolve its artist; `merge_request` does so for a merge.

    Args:
        state: resolves mbids, tells which artists exist, and gives the types of attributes; None where no version
            serves.
        identifier: id, or mbid that the version has.
        kind: kind of the change.
        payload: fields of a put or patch.

    Raises:
        InputError: a value is invalid; the message names the value found and the value wanted.
        AmbiguousMbidError: several artists share the mbid.
    """
    fields: effective.Payload = (
        {} if payload is None else _payload(payload, None if state is None else state.searcher.version.artists.schema)
    )
    artist, exists, _ = _resolve_artist(state, identifier)
    refuse_missing(fields, None if exists or kind is ChangeKind.DELETE else identifier)
    return ChangeRequest(artist, kind, fields, exists)


def merge_request(state: ServingState | None, identifier: ArtistId, into: ArtistId) -> ChangeRequest:
    """Resolve a requested merge of one artist into another; both are ids, or mbids that the version has."""
    artist, exists, mbid = _resolve_artist(state, identifier)
    target, target_exists, _ = _resolve_artist(state, into)
    payload = {"into": target} if mbid is None else {"into": target, "mbid": mbid}
    return ChangeRequest(artist, ChangeKind.MERGE, payload, exists, target_exists)


def change_response(
    state: ServingState | None, change: ChangeRequest, done: ChangeResult, effect: Kept, seconds: float
) -> ChangeResponse:
    """Describe the result of a change, and the inputs in it that are of no use yet.

    Args:
        state: the serving state; None where no version serves.
        change: the change as it was requested.
        done: its result in the database.
        effect: when its fields become visible, and its unusable inputs.
        seconds: time until the changes before it and the change itself are applied, in seconds.
    """
    visible_after = effect.visible_after if _tells_merged(state, change, done) else VisibleAfter.REINDEX
    if visible_after is VisibleAfter.MOMENT and change.kind is not ChangeKind.DELETE:
        visible_after = next((each for each, most_s in WITHIN_S.items() if seconds <= most_s), VisibleAfter.HOUR)
    return ChangeResponse(
        id=change.artist,
        number=done.number,
        changed=done.changed,
        visible_after=visible_after,
        unknown_tags=list(effect.unusable_inputs.tags),
        unknown_plays=effect.unusable_inputs.plays,
        unused=list(effect.unusable_inputs.fields),
    )


def kept_of(state: ServingState | None, payload: effective.Payload) -> Kept:
    """Return when the fields of a change become visible, and its unusable inputs.

    Raises:
        InputError: see `riyl.index.encoding.unusable_inputs.unusable_inputs`.
    """
    encoded = any(field in payload for field in ("tags", "plays", "vectors"))
    if state is None or not encoded:
        return Kept(VisibleAfter.MOMENT if state is not None else VisibleAfter.REINDEX, UnusableInputs())
    try:
        return Kept(VisibleAfter.MOMENT, unusable_inputs(state.encoder(), payload))
    except (NotFoundError, FormatError):  # the change feed logs this
        return Kept(VisibleAfter.REINDEX, UnusableInputs())


def status_of_done(kind: ChangeKind, done: ChangeResult) -> int:
    """Return 201 where a new artist was put, else 200."""
    return 201 if kind is ChangeKind.PUT and done.new else 200


def carry_out(
    database: Database,
    state: ServingState | None,
    batch: Batch,
    sender: Sender,
    key: str | None,
    seconds_until: Callable[[int], float],
) -> Iterator[Verdict]:
    """Apply a batch, and yield a verdict on each change, in their order; some changes at a time are in memory.

    Args:
        database: the database that stores the changes.
        state: the serving state; None where no version serves.
        batch: the changes, not yet parsed.
        sender: the sender of the batch.
        key: the Idempotency-Key; None without one.
        seconds_until: returns the time until the change with a given number is applied, in seconds.

    Raises:
        InputError: another batch was sent with this key.
        DatabaseDownError: the database cannot be reached; a request with the same key continues where this one stopped.
    """
    pending: deque[tuple[int, tuple[ChangeRequest, Kept] | Refused]] = deque()

    def requests() -> Iterator[ChangeRequest | Refused]:
        for number, line in batch.given:
            entry = _read(state, line)
            pending.append((number, entry))
            yield entry if isinstance(entry, Refused) else entry[0]

    for verdict in write_batch(database, requests(), sender, key=key, digest=batch.digest):
        number, entry = pending.popleft()
        yield _verdict(state, number, entry, verdict, seconds_until)


def _resolve_artist(state: ServingState | None, identifier: ArtistId) -> tuple[ArtistId, bool | None, str | None]:
    """Return the id that an identifier means, whether the version has it (None where none serves), and its mbid there.

    Raises:
        AmbiguousMbidError: several artists share the mbid.
    """
    if state is None:
        return identifier, None, None
    rows = state.searcher.rows_meant(identifier)
    if not rows:
        return identifier, False, None
    if len(rows) > 1:
        raise shared_mbid(state.searcher, identifier, rows)
    row = rows[0]
    (mbid,) = state.searcher.mbids_of(np.array([row], np.int32))
    return state.searcher.id_of(row), True, mbid


def _read(state: ServingState | None, line: Callable[[], Line]) -> tuple[ChangeRequest, Kept] | Refused:
    try:
        parsed = line()
        if isinstance(parsed, MergeLine):
            return merge_request(state, parsed.id, parsed.into), kept_of(state, {})
        change = change_request(
            state, parsed.id, ChangeKind(parsed.kind), None if isinstance(parsed, DeleteLine) else parsed
        )
        return change, kept_of(state, change.payload)
    except ValidationError as error:
        return Refused(invalid(error.errors(include_url=False))[1], missing=False)
    except InputError as error:
        return Refused(str(error), missing=False)
    except AmbiguousMbidError as error:
        return Refused(str(error), missing=False, shared=True)


def _verdict(
    state: ServingState | None,
    line: int,
    read: tuple[ChangeRequest, Kept] | Refused,
    verdict: ChangeResult | Refused,
    seconds_until: Callable[[int], float],
) -> Verdict:
    if isinstance(read, Refused):
        return _refusal(line, None, read)
    change, effect = read
    if isinstance(verdict, Refused):
        return _refusal(line, change.artist, verdict)
    seconds = seconds_until(verdict.number)
    fields = change_response(state, change, verdict, effect, seconds).model_dump(exclude_defaults=True)
    return Verdict(line=line, status=status_of_done(change.kind, verdict), **fields)


def _refusal(line: int, artist: ArtistId | None, refused: Refused) -> Verdict:
    kind = AmbiguousMbidError if refused.shared else NotFoundError if refused.missing else InputError
    status, title = STATUS[kind]
    problem = BatchProblem(title=title, status=int(status), detail=refused.detail)
    return Verdict(line=line, id=artist, status=int(status), problem=problem)


def _tells_merged(state: ServingState | None, change: ChangeRequest, done: ChangeResult) -> bool:
    """Return whether the values that a patch is merged into are known, where these are the values of the tables."""
    over = [table for table in done.over if table in change.payload]
    if state is None or not over:
        return True
    try:
        underlying = Underlying(state.encoder().snapshot)
    except (NotFoundError, FormatError):
        return False
    row = state.searcher.row_of_own.get(change.artist, -1)
    return all(underlying.tells_terms(change.artist, row, table) for table in over)


def _payload(request: ArtistPut | ArtistPatch, columns: pa.Schema | None) -> dict[str, Any]:
    """Return the fields of a request as they are stored.

    An empty list becomes None, which means that the artist has none; so do tags or plays that are put empty.
    """
    payload = request.model_dump(exclude_unset=True, exclude={"kind", "id"})
    for field in ("aliases",) if isinstance(request, ArtistPatch) else ("aliases", *COLUMNS_OF):
        if field in payload:
            payload[field] = payload[field] or None
    if payload.get("vectors"):
        payload["vectors"] = {modality: vectors or None for modality, vectors in payload["vectors"].items()}
    for table in COLUMNS_OF:
        if payload.get(table):
            _check_terms(table, payload[table], one_spelling=isinstance(request, ArtistPatch))
    for modality, vectors in (payload.get("vectors") or {}).items():
        _check_vectors(modality, vectors or [])
    for name, value in (payload.get("attributes") or {}).items():
        _check_attribute(name, value, columns)
    return {name: value for name, value in payload.items() if value != {}}


def _check_terms(table: str, terms: Mapping[str, float | None], *, one_spelling: bool) -> None:
    # of a removed term only the text is checked
    texts_of({term: 1.0 if weight is None else weight for term, weight in terms.items()}, table)
    if not one_spelling:
        return
    first: dict[str, str] = {}
    for term, key in zip(terms, term_keys(table, terms), strict=True):
        if first.setdefault(key, term) != term:
            raise InputError(f"{table}: found both {first[key]!r} and {term!r}, which are the same; wanted one of them")


def _check_vectors(modality: str, vectors: Sequence[Sequence[float]]) -> None:
    if modality in NO_MODALITIES:
        raise InputError(f"vectors: found {modality!r}; wanted a modality, such as audio")
    for position, vector in enumerate(vectors):
        numbers(f"vectors.{modality}.{position}", vector, len(vectors[0]))


def _check_attribute(name: str, value: Any, columns: pa.Schema | None) -> None:
    if name in COLUMNS:
        raise InputError(f"attributes: found {name!r}; wanted a column other than {', '.join(COLUMNS)}")
    if value is None or columns is None or name not in columns.names or pa.types.is_null(columns.field(name).type):
        return
    try:
        as_type(columns.field(name).type, value)
    except InputError as error:
        raise InputError(f"attributes.{name}: {error}, as in the catalog") from error
