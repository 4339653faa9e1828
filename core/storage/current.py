"""CURRENT: a home's copy of the current version's id, and of the promotion that made it current."""

from __future__ import annotations

import json
from pathlib import Path

from riyl.core.errors import FormatError
from riyl.core.files import write_bytes
from riyl.core.storage.stamps import Stamp

CURRENT = "CURRENT"
"""File in the folder of versions: the id of the current one in the first line, the stamp of the promotions in the
second, as JSON; replaced atomically. The database decides which version is current; a service starts from this copy,
whether or not it can reach the database."""


def read_current(folder: Path) -> str | None:
    """Return the id of the current version according to CURRENT alone; None if no version was promoted yet.

    Raises:
        FormatError: CURRENT is damaged.
    """
    return _lines(folder)[0] or None


def current_stamp(folder: Path) -> Stamp | None:
    """Return the state of the promotions that CURRENT was taken from; None without CURRENT or without a stamp in it.

    Raises:
        FormatError: CURRENT is damaged.
    """
    line = _lines(folder)[1]
    if not line:
        return None
    try:
        return Stamp.of(json.loads(line))
    except (ValueError, KeyError, TypeError) as error:
        raise FormatError(f"{folder / CURRENT}: damaged, found {line[:100]!r}; wanted a stamp") from error


def write_current(folder: Path, version: str, stamp: Stamp) -> None:
    """Replace CURRENT atomically."""
    write_bytes(folder / CURRENT, f"{version}\n{json.dumps(stamp.as_dict(), sort_keys=True)}\n".encode())


def _lines(folder: Path) -> tuple[str, str]:
    try:
        text = (folder / CURRENT).read_text(encoding="ascii")
    except FileNotFoundError:
        return "", ""
    except UnicodeDecodeError as error:
        raise FormatError(f"{folder / CURRENT}: damaged; wanted the id of a version") from error
    first, _, rest = text.partition("\n")
    return first.strip(), rest.strip()
