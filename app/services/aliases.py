"""Import of aliases: the ids of a media server's artists, read from a table and matched with the serving version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from riyl.app.services.artists import row_of_mbid, row_of_name
from riyl.app.serving.state import ServingState
from riyl.core.catalog.delimited import other_delimiter, read_delimited, read_header
from riyl.core.db.aliases import AliasKind
from riyl.core.errors import InputError, TableError
from riyl.core.rules import check_id
from riyl.core.types import ArtistId

FORMATS = (".csv", ".tsv")

EXTERNAL_ID = "external_id"
ARTIST_COLUMNS = ("artist_id", "mbid", "name")
"""Columns that name the artist of a row; the first by which there is an artist counts."""

MAX_ALIASES = 200_000
"""Maximum number of aliases of a kind: some 40 MB of memory while they are imported."""

EXAMPLES = 5
"""Number of unmatched ids that an import shows."""


@dataclass
class AliasTable:
    """Aliases of a media server, read from a table.

    Attributes:
        artists: artist by its id in the media server.
        unknown: number of rows of which the version has no artist; they are skipped.
        examples: the first ids of such rows.
    """

    artists: dict[str, ArtistId] = field(default_factory=dict)
    unknown: int = 0
    examples: list[str] = field(default_factory=list)


def read_aliases(path: Path, kind: AliasKind, state: ServingState) -> AliasTable:
    """Read a CSV or TSV table of aliases in parts, and match its rows with the artists of a version.

    Args:
        path: table with the column external_id, and artist_id, mbid or name. A name of several artists means the best
            known of them.
        kind: the media server.
        state: the version.

    Raises:
        TableError: the table has other columns, a row without external_id, an id that repeats or cannot be stored, or
            too many rows.
    """
    columns = _columns_of(path)
    table, aliases = AliasTable(), set[str]()
    for batch in read_delimited(path, columns, {}):
        for row in batch.to_pylist():
            number = len(aliases) + 1
            alias = _alias_of(path, number, row[EXTERNAL_ID], kind)
            if alias in aliases:
                raise TableError(path, row=number, found=f"{EXTERNAL_ID} {alias!r} again", wanted="each id once")
            aliases.add(alias)
            artist = _artist_of(state, row)
            if artist is not None:
                table.artists[alias] = artist
                continue
            table.unknown += 1
            if len(table.examples) < EXAMPLES:
                table.examples.append(alias)
        if len(aliases) > MAX_ALIASES:
            raise TableError(path, found=f"more than {MAX_ALIASES:,} rows", wanted="at most that many")
    return table


def normalized_alias(alias: str, kind: AliasKind) -> str:
    """Return an id as it is stored: Jellyfin writes the same id with hyphens or without, in upper or lower case."""
    return alias.replace("-", "").lower() if kind is AliasKind.JELLYFIN else alias


def _columns_of(path: Path) -> list[str]:
    """Return the columns of a table that are read.

    Raises:
        TableError: columns are missing or repeat.
    """
    header = read_header(path)
    wanted = f"a column {EXTERNAL_ID}, and at least one of {', '.join(ARTIST_COLUMNS)}, each once"
    columns = [name for name in header if name in (EXTERNAL_ID, *ARTIST_COLUMNS)]
    if EXTERNAL_ID not in columns or len(columns) < 2 or len(columns) > len(set(columns)):
        found_columns = f"the columns {', '.join(header)[:200]}"
        raise TableError(path, found=found_columns, wanted=other_delimiter(path, header) or wanted)
    return columns


def _alias_of(path: Path, row: int, text: str | None, kind: AliasKind) -> str:
    alias = normalized_alias((text or "").strip(), kind)
    try:
        check_id(EXTERNAL_ID, alias)
    except InputError as error:
        raise TableError(path, row=row, found=f"{EXTERNAL_ID} {alias[:50]!r}", wanted="1 to 200 characters") from error
    return alias


def _artist_of(state: ServingState, row: Mapping[str, str | None]) -> ArtistId | None:
    """Return the artist of a row: by id, else by mbid, else by name; None where the version has none."""
    for name in ARTIST_COLUMNS:
        text = (row.get(name) or "").strip()
        if text and (at := (row_of_name if name == "name" else row_of_mbid)(state, text)) is not None:
            return state.searcher.id_of(at)
    return None
