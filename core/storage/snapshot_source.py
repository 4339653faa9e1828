"""Where the tables of a snapshot lay, so that a re-index that names no tables reads them again."""

from __future__ import annotations

import json
from pathlib import Path

from riyl.core.errors import FormatError
from riyl.core.files import write_json

SOURCE = "source.json"
"""A file beside those of the snapshot. Not sealed, as the same tables may be found elsewhere later."""


def read_source(snapshot: Path) -> Path | None:
    """Reads the folder of tables that a snapshot was made of last; None of a snapshot of an earlier release.

    Args:
        snapshot: its folder, in a home's folder of snapshots.

    Raises:
        FormatError: the file that says so is damaged.
    """
    path = snapshot / SOURCE
    try:
        document = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise FormatError(f"{path}: damaged, it is not JSON ({error})") from error
    if not isinstance(document, dict) or not isinstance(document.get("tables"), str):
        raise FormatError(f"{path}: damaged, found no folder of tables")
    return snapshot.parent.parent / str(document["tables"])


def write_source(snapshot: Path, tables: Path) -> None:
    """Writes where the tables lie now, from the home on where they lie in it."""
    home, lie = snapshot.absolute().parent.parent, tables.absolute()
    write_json(snapshot / SOURCE, {"tables": str(lie.relative_to(home) if lie.is_relative_to(home) else lie)})
