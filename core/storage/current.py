"""CURRENT: a home's copy of which version is current, and which promotion made it so."""

from __future__ import annotations

import json
from pathlib import Path

from riyl.core.errors import FormatError
from riyl.core.files import write_bytes
from riyl.core.storage.stamps import Stamp

CURRENT = "CURRENT"
"""File in the folder of versions: the id of the current one in the first line, the stamp of the promotions in the
second, as JSON; replaced at once. The database says which version is current; this copy is what a service starts from,
whether or not the database can be reached."""


def read_current(folder: Path) -> str | None:
    """The id of the current version, by CURRENT alone; None where nothing was promoted yet.

    Raises:
        FormatError: it is damaged.
    """
    return _lines(folder)[0] or None


def current_stamp(folder: Path) -> Stamp | None:
    """The state of the promotions that CURRENT was taken from; None where there is none, or it has no stamp.

    Raises:
        FormatError: it is damaged.
    """
    line = _lines(folder)[1]
    if not line:
        return None
    try:
        return Stamp.of(json.loads(line))
    except (ValueError, KeyError, TypeError) as error:
        raise FormatError(f"{folder / CURRENT}: damaged, found {line[:100]!r}; wanted a stamp") from error


def write_current(folder: Path, version: str, stamp: Stamp) -> None:
    """Replace CURRENT at once."""
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
