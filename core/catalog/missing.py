"""Spellings of a missing value, as exporters write them, and which of them a column takes for one.

An id (of an artist, of a listener, of MusicBrainz) is made by machines: there `NULL`, `none` and `-` are never real,
in whatever case. A name or a tag is a word of people, so only the very spellings of exporters count: an artist
called "none" or "Nil" stays, one called "None" cannot be told from what Python writes for nothing.
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
        *("#NULL!", "#VALUE!", "#REF!", "#DIV/0!", "#NAME?", "#NUM!"),  # errors of spreadsheets
        *("undefined", "<nil>"),  # JavaScript, Go
    }
)
"""What exporters write for nothing, letter by letter; blank text is nothing too."""

ALWAYS = "\\N"
"""The one that stands for nothing in any column: no text is written so."""

NO_ID = frozenset(
    {each.casefold() for each in EXPORTED} | {"nil", "-", "--", "?", "00000000-0000-0000-0000-000000000000"}
)
"""What is no id, in lower case."""

IDS = ("artist_id", "similar_id", "user_id", "mbid", "musicbrainz_id")
"""Columns of ids."""

NAMES = ("name", "aliases", "tag")
"""Columns of words of people."""

_EXPORTED, _NO_ID = pa.array(sorted(EXPORTED)), pa.array(sorted(NO_ID))


def is_no_id(text: str) -> bool:
    """Whether this stands for nothing where an id should be."""
    bare = text.strip()
    return not bare or bare.casefold() in NO_ID


def is_no_name(text: str) -> bool:
    """Whether this stands for nothing where a name or a tag should be."""
    bare = text.strip()
    return not bare or bare in EXPORTED


def is_missing_name(column: pa.Array) -> pa.Array:
    """(n,) bool without nulls: where a text column of names or tags is null, blank, or stands for nothing."""
    bare = _bare(column)
    return pc.or_(pc.is_in(bare, _EXPORTED), pc.equal(bare, ""))


def is_missing_id(column: pa.Array) -> pa.Array:
    """(n,) bool without nulls: where a text column of ids is null, blank, or stands for nothing."""
    bare = _bare(column)
    return pc.or_(pc.is_in(pc.utf8_lower(bare), _NO_ID), pc.equal(bare, ""))


def missing_in(name: str, column: pa.Array) -> pa.Array | None:
    """(n,) bool without nulls: where a text column of this name is null, blank, or stands for nothing.

    None where the column is neither one of ids nor one of names.
    """
    if name in IDS:
        return is_missing_id(column)
    return is_missing_name(column) if name in NAMES else None


def _bare(column: pa.Array) -> pa.Array:
    return pc.utf8_trim_whitespace(pc.fill_null(column, ""))


def refuse_missing(payload: Mapping[str, Any], new_id: ArtistId | None = None) -> None:
    """Refuse what is said of an artist over HTTP where it stands for nothing, as tables are refused.

    Args:
        payload: see `riyl.core.changes.effective.Payload`; what is null in it is said not to be there.
        new_id: of an artist that is not known yet.

    Raises:
        InputError: an id, an mbid, a name, an alias, a tag or a listener stands for nothing; names the field.
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
    for fields, is_nothing, wanted in ((ids, is_no_id, "an id"), (names, is_no_name, "a word of its own")):
        for field, texts in fields.items():
            for text in texts:
                if text is not None and is_nothing(text):
                    raise InputError(f"{field}: found {text!r}, which stands for nothing; wanted {wanted}")


def _said_keys(payload: Mapping[str, Any], field: str) -> list[str | None]:
    return [key for key, value in (payload.get(field) or {}).items() if value is not None]
