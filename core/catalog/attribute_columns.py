"""Attribute columns of Parquet files, converted to few types: text, whole numbers, numbers, true or false."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from riyl.core.catalog.notes import Notes
from riyl.core.errors import TableError

_EXACT_DIGITS = 15
"""Number of digits up to which every decimal survives in float64."""


def plain_attribute(path: Path, name: str, column: pa.Array, first_row: int, notes: Notes | None) -> pa.Array:
    """Convert an attribute's column to string, int64, float64, bool or null. NaN counts as missing.

    Args:
        path: file, for errors and notes.
        name: name of the attribute.
        column: the column.
        first_row: number of the column's first row.
        notes: receives the number of NaN values.

    Raises:
        TableError: the type is not supported, or a number does not fit.
    """
    if isinstance(column, pa.DictionaryArray):
        column = column.dictionary_decode()
    kind = column.type
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind) or pa.types.is_temporal(kind):
        return column.cast(pa.string())
    if pa.types.is_string(kind) or pa.types.is_boolean(kind) or pa.types.is_null(kind):
        return column

    def refuse(unfit: Callable[[object], bool], wanted: str) -> None:
        for position, value in enumerate(column.to_pylist()):
            if value is not None and unfit(value):
                actual = f"{value} in attribute {name!r}"
                raise TableError(path, row=first_row + position, found=actual, wanted=f"{wanted}, or text")

    if pa.types.is_integer(kind):
        if kind == pa.uint64():
            refuse(lambda value: int(str(value)) >= 2**63, "a whole number below 2^63")
        return column.cast(pa.int64())
    if pa.types.is_decimal(kind):
        if kind.precision > _EXACT_DIGITS:
            refuse(_is_inexact, "a number that 64-bit floating point holds")
        return column.cast(pa.float64())
    if not pa.types.is_floating(kind):
        wanted = "text, whole numbers, numbers or true/false"
        raise TableError(path, found=f"type {kind} in attribute {name!r}", wanted=wanted)
    column = column.cast(pa.float64())
    if pc.any(pc.is_inf(column)).as_py():
        refuse(lambda value: bool(np.isinf(float(str(value)))), "a finite number")
    undefined = pc.fill_null(pc.is_nan(column), False)
    if notes is not None:
        notes.add(f"{path.name}: value of column {name!r} read as missing", "nan", pc.sum(undefined).as_py() or 0)
    return pc.if_else(undefined, pa.scalar(None, pa.float64()), column)


def _is_inexact(value: object) -> bool:
    """Check whether a decimal changes when it is read as float64 and written again."""
    exact = Decimal(str(value))
    return Decimal(repr(float(exact))) != exact
