"""The artists table with changes folded in."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from core.attributes import as_type, type_for
from core.changes import Said, read_standing
from core.errors import InputError
from core.types import ArtistId

log = logging.getLogger(__name__)

_OWN = ("name", "mbid", "aliases")


def changed_artists(artists: pa.Table, standing: Path) -> pa.Table:
    """The artists after changes, by ascending artist_id; memory grows with the artists that are changed.

    A new attribute becomes a column behind the others. A value that has no place in its column is left out with a
    warning, and so is an artist of whom nobody says a name.

    Args:
        artists: see `core.tables.Tables.artists`.
        standing: file of what stands, see `core.changes.write_standing`.

    Raises:
        InputError: every artist is deleted.
    """
    deleted: set[ArtistId] = set()
    bare: set[ArtistId] = set()  # of whose attributes the table says nothing any more
    said: dict[ArtistId, Said] = {}
    for each in read_standing(standing):
        if each.deleted:
            deleted.add(each.artist)
        else:
            said[each.artist] = {name: each.said[name] for name in (*_OWN, "attributes") if name in each.said}
            if "attributes" in each.whole:
                bare.add(each.artist)
    touched = pc.is_in(artists.column("artist_id"), pa.array(sorted(deleted | said.keys()), pa.string()))
    before = {row["artist_id"]: row for row in artists.filter(touched).to_pylist()}
    own = ("artist_id", *_OWN)
    before |= {artist: {name: before[artist].get(name) for name in own} for artist in bare & before.keys()}
    schema = _widened(artists.schema, said.values())
    rows = [row for artist, fields in said.items() if (row := _row(artist, before.get(artist), fields, schema))]
    kept = artists.filter(pc.invert(touched))
    columns = [
        kept.column(field.name).cast(field.type) if field.name in kept.column_names else pa.nulls(len(kept), field.type)
        for field in schema
    ]
    folded = pa.concat_tables([pa.table(columns, schema=schema), pa.Table.from_pylist(rows, schema)])
    if not folded.num_rows:
        raise InputError("artists: found every one of them deleted by changes; wanted at least one that is not")
    return folded.take(pc.sort_indices(folded.column("artist_id"))).combine_chunks()


def _widened(schema: pa.Schema, said: Iterable[Said]) -> pa.Schema:
    """The columns of the table, those without any value by what is said, and what is new behind them."""
    values: dict[str, list[Any]] = {}
    for each in said:
        for name, value in each.get("attributes", {}).items():
            if value is not None:
                values.setdefault(name, []).append(value)
    new = {
        name: type_for(found)
        for name, found in sorted(values.items())
        if name not in schema.names or pa.types.is_null(schema.field(name).type)
    }
    fields = [pa.field(field.name, new.pop(field.name, field.type)) for field in schema]
    return pa.schema([*fields, *(pa.field(name, kind) for name, kind in new.items())])


def _row(artist: ArtistId, before: Mapping[str, Any] | None, said: Said, schema: pa.Schema) -> dict[str, Any] | None:
    """An artist after its changes; None where nobody says its name."""
    row = {**(before or {"artist_id": artist}), **{name: said[name] for name in _OWN if name in said}}
    if row.get("name") is None:
        log.warning("change_left_out artist=%s: found no name in any table or change; wanted one", artist)
        return None
    for name, value in said.get("attributes", {}).items():
        if value is None:
            row[name] = None
            continue
        try:
            row[name] = as_type(schema.field(name).type, value)
        except InputError as error:
            log.warning("change_left_out artist=%s field=attributes.%s: %s", artist, name, error)
    return row
