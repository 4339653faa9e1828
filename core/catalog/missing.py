"""Placeholders for missing values, as exporters write them, and the columns that read them as missing.

Ids (of artists, listeners, MusicBrainz) are made by machines: `NULL`, `none` and `-` are never real ids, in upper or
lower case. Names and tags are words of people, so only the exact spellings of exporters count: an artist called "none"
or "Nil" stays, one called "None" cannot be distinguished from Python's missing value.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from riyl.core.errors import InputError
from riyl.core.types import ArtistId

EXPORTED = frozenset(
    {
        *("NULL", "null", "(null)", "<null>", "\\N"),  # SQL clients and dumps
        *("None", "nan", "NaN", "-nan", "-NaN", "NaT", "<NA>"),  # Python and pandas
        *("NA", "N/A", "n/a", "#N/A", "#NA", "#N/A N/A"),  # R and spreadsheets
        *("#NULL!", "#VALUE!", "#REF!", "#DIV/0!", "#NAME?", "#NUM!"),  # spreadsheet errors
        *("undefined", "<nil>"),  # JavaScript, Go
    }
)
"""Exporters' placeholders, case-sensitive; blank text counts as missing too."""

ALWAYS = "\\N"
"""Placeholder in every column, because real text is never written so."""

NO_ID = frozenset(
    {each.casefold() for each in EXPORTED} | {"nil", "-", "--", "?", "00000000-0000-0000-0000-000000000000"}
)
"""Placeholders in columns of ids, in lower case."""

IDS = ("artist_id", "similar_id", "user_id", "mbid", "musicbrainz_id")
"""Names of columns of ids."""

NAMES = ("name", "aliases", "tag")
"""Names of columns with names and tags."""

_EXPORTED, _NO_ID = pa.array(sorted(EXPORTED)), pa.array(sorted(NO_ID))


def is_no_id(text: str) -> bool:
    """Check whether a text in place of an id is blank or a placeholder."""
    bare = text.strip()
    return not bare or bare.casefold() in NO_ID


def is_no_name(text: str) -> bool:
    """Check whether a text in place of a name or a tag is blank or a placeholder."""
    bare = text.strip()
    return not bare or bare in EXPORTED


def is_missing_name(column: pa.Array) -> pa.Array:
    """Return (n,) bool without nulls: where a text column of names or tags is null, blank, or a placeholder."""
    bare = _bare(column)
    return pc.or_(pc.is_in(bare, _EXPORTED), pc.equal(bare, ""))


def is_missing_id(column: pa.Array) -> pa.Array:
    """Return (n,) bool without nulls: where a text column of ids is null, blank, or a placeholder."""
    bare = _bare(column)
    return pc.or_(pc.is_in(pc.utf8_lower(bare), _NO_ID), pc.equal(bare, ""))


def missing_in(name: str, column: pa.Array) -> pa.Array | None:
    """Return (n,) bool without nulls: where a text column of this name is null, blank, or a placeholder.

    None if the column is neither one of ids nor one of names.
    """
    if name in IDS:
        return is_missing_id(column)
    return is_missing_name(column) if name in NAMES else None


def _bare(column: pa.Array) -> pa.Array:
    return pc.utf8_trim_whitespace(pc.fill_null(column, ""))


def refuse_missing(payload: Mapping[str, Any], new_id: ArtistId | None = None) -> None:
    """Refuse placeholders in a payload over HTTP, as in tables.

    Args:
        payload: see `riyl.core.changes.effective.Payload`; null fields are skipped.
        new_id: id of an artist that does not exist yet.

    Raises:
        InputError: an id, an mbid, a name, an alias, a tag or a listener is a placeholder; names the field.
    """
    ids: dict[str, list[str | None]] = {
        "id": [new_id],
        "mbid": [payload.get("mbid")],
        "plays": _said_keys(payload, "plays"),
    }
    names: dict[str, list[str | None]] = {
        "name": [payload.get("name")],
        "aliases": payload.get("aliases") or [],
        "tags": _said_keys(payload, "tags"),
    }
    for fields, is_nothing, wanted in ((ids, is_no_id, "an id"), (names, is_no_name, "a real name or word")):
        for field, texts in fields.items():
            for text in texts:
                if text is not None and is_nothing(text):
                    raise InputError(f"{field}: found {text!r}, a placeholder for a missing value; wanted {wanted}")


def _said_keys(payload: Mapping[str, Any], field: str) -> list[str | None]:
    return [key for key, value in (payload.get(field) or {}).items() if value is not None]
