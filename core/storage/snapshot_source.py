"""Location of the tables of a snapshot, which a re-index without named tables reads again."""

from __future__ import annotations

import json
from pathlib import Path

from riyl.core.errors import FormatError
from riyl.core.files import write_json

SOURCE = "source.json"
"""File beside those of the snapshot. It is not sealed, because the tables may move later."""


def read_source(snapshot: Path) -> Path | None:
    """Read the path of the folder of tables that a snapshot was last made from; None for one of an earlier release.

    Args:
        snapshot: folder of the snapshot, in a home's folder of snapshots.

    Raises:
        FormatError: the file that holds the path is damaged.
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
    """Write the present path of the tables, relative to the home if they are in it."""
    home, lie = snapshot.absolute().parent.parent, tables.absolute()
    write_json(snapshot / SOURCE, {"tables": str(lie.relative_to(home) if lie.is_relative_to(home) else lie)})
