"""Weighted terms of artists in the tables: tags by their text, plays by their listener."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

COLUMNS_OF = {"tags": ("tag", "weight"), "plays": ("user_id", "count")}
"""Columns of the term and of the weight, by table of weighted terms."""


def normalised_tags(column: pa.Array) -> pa.Array:
    """Normalise tags for comparison: NFKC, lower case, outer blanks removed."""
    return pc.utf8_trim_whitespace(pc.utf8_lower(pc.utf8_normalize(column, form="NFKC")))


def strings(texts: list[str]) -> pa.Array:
    """Build an Arrow array of strings without `pa.array`, which imports pandas, if installed, in 0.13 s."""
    encoded = [text.encode() for text in texts]
    ends = np.cumsum([0, *map(len, encoded)], dtype=np.int32)
    return pa.StringArray.from_buffers(len(texts), pa.py_buffer(ends), pa.py_buffer(b"".join(encoded)))


def term_keys(table: str, texts: Iterable[str]) -> list[str]:
    """Convert texts to the form in which the table's terms are compared: `normalised_tags`, or listeners unchanged."""
    return normalised_tags(strings(list(texts))).to_pylist() if table == "tags" else list(texts)


def merged_entries(field: str, entries: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """Apply a merge patch (RFC 7396) to the entries of an object; nulls of the patch stay.

    A patch entry replaces the entry with its key; in tags, all entries that compare as equal (see `term_keys`).
    """
    if field == "tags" and entries:
        touched, keys = set(term_keys(field, patch)), term_keys(field, entries)
        keyed_entries = zip(entries.items(), keys, strict=True)
        entries = {entry: value for (entry, value), key in keyed_entries if key not in touched}
    return {**entries, **patch}
