"""Copies of tables that stay as they are, whatever becomes of the folder that they came from."""

from __future__ import annotations

import shutil
from pathlib import Path

from core.errors import InputError
from core.files import content_id, published
from core.tables import Tables


def fix_tables(source: Path, folder: Path, *, ignore_unread: bool = False) -> Path:
    """Copy the tables of `source` into a folder of their content's id in `folder`, or find them there.

    What was found is made the newest, which the file of artists tells. Columns are checked, rows are not read.

    Args:
        source: folder of tables; what is no table in it is not copied.
        folder: where the copies are.
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
                f"{source}: found {', '.join(changed)} changed while being copied; wanted tables that nobody writes to"
            )
    return final
