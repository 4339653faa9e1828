"""Batches of changes as they come over HTTP, as lines of JSON or as one object; read change by change."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from pydantic import TypeAdapter

from riyl.app.http.off_loop_body import check_containers
from riyl.app.schemas.changes import MAX_ARTIST_BYTES, MAX_LINES, ChangeItems, Line
from riyl.core.errors import InputError

MAX_CONTAINERS_OF_ITEMS = 10 * MAX_LINES
"""Maximum lists and objects in a batch that is one JSON object."""

_lines: TypeAdapter[Line] = TypeAdapter(Line)


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
    lines = [(number, line) for number, line in enumerate(body.split(b"\n"), start=1) if line.strip()]
    if not 0 < len(lines) <= MAX_LINES:
        raise InputError(f"body: found {len(lines)} lines; wanted 1 to {MAX_LINES}, each one change as JSON")
    return Batch([(number, partial(_line, line)) for number, line in lines], hashlib.sha256(body).hexdigest())


def batch_of_items(body: bytes) -> Batch:
    """A batch that comes as one JSON object with `items`.

    Raises:
        InputError: it is larger than one artist may be: the interpreter reads it as a whole.
        ValidationError: it is no such object, or has no items or too many; what an item holds is read later.
    """
    if len(body) > MAX_ARTIST_BYTES:
        raise InputError(
            f"body: found one JSON object of {len(body)} bytes; wanted at most {MAX_ARTIST_BYTES}, or lines of JSON"
        )
    check_containers(body, MAX_CONTAINERS_OF_ITEMS)
    items = ChangeItems.model_validate_json(body).items
    read = [(number, partial(_lines.validate_python, item)) for number, item in enumerate(items, start=1)]
    return Batch(read, hashlib.sha256(body).hexdigest())


def _line(line: bytes) -> Line:
    if len(line) > MAX_ARTIST_BYTES:
        raise InputError(f"found a line of {len(line)} bytes; wanted at most {MAX_ARTIST_BYTES}")
    check_containers(line)
    return _lines.validate_json(line)
