"""The artists table with changes folded in."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from riyl.core.catalog.attributes import as_type, type_for
from riyl.core.changes.effective import Payload, read_effective
from riyl.core.errors import InputError
from riyl.core.types import ArtistId

log = logging.getLogger(__name__)

_OWN = ("name", "mbid", "aliases")


def changed_artists(artists: pa.Table, effective: Path) -> pa.Table:
    """The artists after changes, by ascending artist_id; memory grows with the artists that are changed.

    A new attribute becomes a column behind the others. A value that has no place in its column is left out with a
    warning, and so is an artist of whom nobody says a name.

    Args:
        artists: see `riyl.core.catalog.tables.Tables.artists`.
        effective: file of what stands, see `riyl.core.changes.effective.write_effective`.

    Raises:
        InputError: every artist is deleted.
    """
    deleted: set[ArtistId] = set()
    bare: set[ArtistId] = set()  # of whose attributes the table says nothing any more
    payload: dict[ArtistId, Payload] = {}
    for each in read_effective(effective):
        if each.deleted:
            deleted.add(each.artist)
        else:
            payload[each.artist] = {name: each.payload[name] for name in (*_OWN, "attributes") if name in each.payload}
            if "attributes" in each.whole:
                bare.add(each.artist)
    touched = pc.is_in(artists.column("artist_id"), pa.array(sorted(deleted | payload.keys()), pa.string()))
    before = {row["artist_id"]: row for row in artists.filter(touched).to_pylist()}
    fixed_columns = ("artist_id", *_OWN)
    before |= {artist: {name: before[artist].get(name) for name in fixed_columns} for artist in bare & before.keys()}
    schema = _widened(artists.schema, payload.values())
    rows = [row for artist, fields in payload.items() if (row := _row(artist, before.get(artist), fields, schema))]
    unchanged = artists.filter(pc.invert(touched))
    columns = [
        unchanged.column(field.name).cast(field.type)
        if field.name in unchanged.column_names
        else pa.nulls(len(unchanged), field.type)
        for field in schema
    ]
    folded = pa.concat_tables([pa.table(columns, schema=schema), pa.Table.from_pylist(rows, schema)])
    if not folded.num_rows:
        raise InputError("artists: found every one of them deleted by changes; wanted at least one that is not")
    return folded.take(pc.sort_indices(folded.column("artist_id"))).combine_chunks()


def _widened(schema: pa.Schema, payload: Iterable[Payload]) -> pa.Schema:
    """The columns of the table, those without any value by what is said, and what is new behind them."""
    values: dict[str, list[Any]] = {}
    for each in payload:
        for name, value in each.get("attributes", {}).items():
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
    artist: ArtistId, before: Mapping[str, Any] | None, payload: Payload, schema: pa.Schema
) -> dict[str, Any] | None:
    """An artist after its changes; None where nobody says its name."""
    row = {**(before or {"artist_id": artist}), **{name: payload[name] for name in _OWN if name in payload}}
    if row.get("name") is None:
        log.warning("change_left_out artist=%s: found no name in any table or change; wanted one", artist)
        return None
    for name, value in payload.get("attributes", {}).items():
        if value is None:
            row[name] = None
            continue
        try:
            row[name] = as_type(schema.field(name).type, value)
        except InputError as error:
            log.warning("change_left_out artist=%s field=attributes.%s: %s", artist, name, error)
    return row
