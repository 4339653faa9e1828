"""Batches of changes from HTTP, as lines of JSON or as one object; parsed change by change."""

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
"""Maximum number of lists and objects in a batch that is one JSON object."""

_lines: TypeAdapter[Line] = TypeAdapter(Line)


@dataclass(frozen=True)
class Batch:
    """Changes of a batch, not yet parsed.

    Attributes:
        given: the number of each change in the body, and the function that parses it.
        digest: sha256 of the body, in hex.
    """

    given: Sequence[tuple[int, Callable[[], Line]]]
    digest: str


def batch_of_lines(body: bytes) -> Batch:
    """Read a batch of lines of JSON; blank lines are skipped.

    Raises:
        InputError: the body has no lines, or too many.
    """
    lines = [(number, line) for number, line in enumerate(body.split(b"\n"), start=1) if line.strip()]
    if not 0 < len(lines) <= MAX_LINES:
        raise InputError(f"body: found {len(lines)} lines; wanted 1 to {MAX_LINES} lines, each one change as JSON")
    return Batch([(number, partial(_line, line)) for number, line in lines], hashlib.sha256(body).hexdigest())


def batch_of_items(body: bytes) -> Batch:
    """Read a batch that is one JSON object with `items`.

    Raises:
        InputError: it is larger than the limit of one artist: the interpreter parses it as a whole.
        ValidationError: it is not such an object, or has no items or too many; the items are parsed later.
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
