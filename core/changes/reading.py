"""Effective changes of an artist applied to values of the tables.

Used for tables with changes folded in, and for artists that change while a version serves."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any

import pyarrow as pa

from riyl.core.catalog.attributes import as_type
from riyl.core.catalog.terms import COLUMNS_OF
from riyl.core.changes.effective import EffectiveChanges
from riyl.core.errors import InputError

log = logging.getLogger(__name__)

IDENTITY_FIELDS = ("name", "mbid", "aliases")


class Says(Enum):
    """Effect of changes on an artist's rows in a table: none, all from changes, or some over the table's own."""

    NOTHING = "nothing"
    ALL = "all"
    OVER = "over"


def identity_after(effective: EffectiveChanges, base: Mapping[str, Any]) -> dict[str, Any]:
    """Return name, mbid and aliases of an artist after its changes, each None if it has none.

    Args:
        effective: effective changes of the artist.
        base: the same fields in the tables.
    """
    return {name: effective.payload.get(name, base.get(name)) for name in IDENTITY_FIELDS}


def attributes_after(
    effective: EffectiveChanges, base: Mapping[str, Any], types: Mapping[str, pa.DataType]
) -> dict[str, Any]:
    """Return the attributes of an artist after its changes; a value of another type than its column logs a warning.

    Args:
        effective: effective changes of the artist.
        base: its attributes in the tables.
        types: types by column; values of other attributes are taken as they are.
    """
    attributes = {} if "attributes" in effective.whole else dict(base)
    for name, value in effective.payload.get("attributes", {}).items():
        try:
            attributes[name] = value if value is None or name not in types else as_type(types[name], value)
        except InputError as error:
            log.warning("change_left_out artist=%s field=attributes.%s: %s", effective.artist, name, error)
    return attributes


def table_changes(effective: EffectiveChanges, widths: Mapping[str, int]) -> Iterator[tuple[str, Says, Any]]:
    """Yield the effect of an artist's changes on each table; a table that is not yielded keeps its rows.

    Args:
        effective: effective changes of the artist.
        widths: by table, width of its vectors; 0 for a table of weighted terms.

    Yields:
        Table, effect, and the entries: weight by term, None for a removed term, or vectors of that width.
    """
    payload, whole, vectors = effective.payload, effective.whole, effective.payload.get("vectors", {})
    for table, width in widths.items():
        if not width and table in payload:
            yield table, Says.ALL if table in whole else Says.OVER, payload[table]
        elif width and vectors.get(table) and len(vectors[table][0]) == width:
            yield table, Says.ALL, vectors[table]
        elif (table in COLUMNS_OF and table in whole and table not in payload) or (
            vectors.get(table, None if width and "vectors" in whole else ()) is None
        ):
            yield table, Says.NOTHING, {}
