"""Frozen copies of tables, which stay unchanged when their source folder changes."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from riyl.core.catalog.tables import Tables
from riyl.core.errors import InputError
from riyl.core.files import content_id, published, write_json

IMPORTED = "imported.json"


@dataclass(frozen=True)
class Imported:
    """The latest import of tables.

    Attributes:
        tables: id of the copy.
        version: version that was current at the time; None if there was none.
    """

    tables: str
    version: str | None


def freeze_tables(source: Path, folder: Path, *, ignore_unread: bool = False) -> Path:
    """Copy the tables of `source` into a subfolder of `folder` that is named by the id of their content.

    An existing copy is reused and becomes the newest, by the modification time of its artists file. Columns are
    checked; rows are not read.

    Args:
        source: folder of tables; its other files are not copied.
        folder: folder of the copies.
        ignore_unread: see `Tables.open`.

    Raises:
        InputError: see `Tables.open`; or a table changed while it was copied.
        TableError: see `Tables.columns`.
    """
    tables = Tables.open(source, ignore_unread=ignore_unread)
    for table in tables.files:
        tables.columns(table)
    digests = tables.digests()
    final = folder / content_id("tables", digests)
    if final.exists():
        (final / tables.files["artists"].name).touch()
        return final
    with published(final) as aside:
        for path in tables.files.values():
            shutil.copyfile(path, aside / path.name)
        copied = Tables.open(aside).digests()
        if changed := [name for name in digests if copied[name] != digests[name]]:
            raise InputError(
                f"{source}: found {', '.join(changed)} changed while being copied; wanted tables that stay unchanged"
            )
    return final


def mark_imported(folder: Path, imported: Imported) -> None:
    """Record which of the copies in `folder` was imported last."""
    write_json(folder / IMPORTED, {"tables": imported.tables, "version": imported.version})


def last_import(folder: Path) -> Imported | None:
    """Return the last import whose copy still exists; None if there is none, or an earlier release made it."""
    try:
        document = json.loads((folder / IMPORTED).read_bytes())
        imported = Imported(str(document["tables"]), document["version"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
    return imported if (folder / imported.tables).is_dir() else None
