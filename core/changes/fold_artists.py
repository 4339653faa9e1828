"""The artists table with changes folded in."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from riyl.core.catalog.attributes import type_for
from riyl.core.changes.effective import EffectiveChanges, read_effective
from riyl.core.changes.reading import IDENTITY_FIELDS, attributes_after, identity_after
from riyl.core.errors import InputError
from riyl.core.types import ArtistId

log = logging.getLogger(__name__)


def changed_artists(artists: pa.Table, effective: Path) -> pa.Table:
    """Fold changes into the artists table, by ascending artist_id; memory grows with the number of changed artists.

    A new attribute becomes a column behind the others. A value that has no place in its column is left out with a
    warning, and so is an artist without a name in tables and changes.

    Args:
        artists: see `riyl.core.catalog.tables.Tables.artists`.
        effective: file of the effective changes, see `riyl.core.changes.effective.write_effective`.

    Raises:
        InputError: every artist is deleted.
    """
    deleted: set[ArtistId] = set()
    changed: dict[ArtistId, EffectiveChanges] = {}
    for each in read_effective(effective):
        if each.deleted:
            deleted.add(each.artist)
        else:
            fields = {name: each.payload[name] for name in (*IDENTITY_FIELDS, "attributes") if name in each.payload}
            changed[each.artist] = replace(each, payload=fields)
    touched = pc.is_in(artists.column("artist_id"), pa.array(sorted(deleted | changed.keys()), pa.string()))
    before = {row["artist_id"]: row for row in artists.filter(touched).to_pylist()}
    schema = _widened(artists.schema, changed.values())
    types = {field.name: field.type for field in schema}
    rows = [row for artist, each in changed.items() if (row := _row(each, before.get(artist, {}), types))]
    unchanged = artists.filter(pc.invert(touched))
    columns = [
        unchanged.column(field.name).cast(field.type)
        if field.name in unchanged.column_names
        else pa.nulls(len(unchanged), field.type)
        for field in schema
    ]
    folded = pa.concat_tables([pa.table(columns, schema=schema), pa.Table.from_pylist(rows, schema)])
    if not folded.num_rows:
        raise InputError("artists: found all of them deleted by changes; wanted at least one that is not deleted")
    return folded.take(pc.sort_indices(folded.column("artist_id"))).combine_chunks()


def _widened(schema: pa.Schema, effective: Iterable[EffectiveChanges]) -> pa.Schema:
    """Return the table's columns, with types from changes for columns without values, and new columns behind them."""
    values: dict[str, list[Any]] = {}
    for each in effective:
        for name, value in each.payload.get("attributes", {}).items():
            if value is not None:
                values.setdefault(name, []).append(value)
    new = {
        name: type_for(attribute_values)
        for name, attribute_values in sorted(values.items())
        if name not in schema.names or pa.types.is_null(schema.field(name).type)
    }
    fields = [pa.field(field.name, new.pop(field.name, field.type)) for field in schema]
    return pa.schema([*fields, *(pa.field(name, kind) for name, kind in new.items())])


def _row(
    effective: EffectiveChanges, before: Mapping[str, Any], types: Mapping[str, pa.DataType]
) -> dict[str, Any] | None:
    """Return the row of an artist after its changes; None if neither the table nor a change has its name."""
    identity = identity_after(effective, before)
    if identity["name"] is None:
        log.warning("change_left_out artist=%s: found no name in any table or change; wanted one", effective.artist)
        return None
    return {**attributes_after(effective, before, types), "artist_id": effective.artist, **identity}
