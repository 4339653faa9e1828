"""Single attribute values from JSON: the type of a column for them, and conversion to the type of a column."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

import pyarrow as pa

from riyl.core.errors import InputError

Attribute: TypeAlias = str | bool | int | float

_MIN_INT64, _MAX_INT64 = -(2**63), 2**63 - 1


def as_type(kind: pa.DataType, value: Attribute) -> Attribute:
    """Convert a value to this column type: text, whole numbers, numbers or true/false.

    Raises:
        InputError: it is of another type; the message has the value found and wanted.
    """
    if pa.types.is_boolean(kind):
        if isinstance(value, bool):
            return value
    elif pa.types.is_string(kind):
        if isinstance(value, str):
            return value
    elif isinstance(value, int | float) and not isinstance(value, bool):
        if pa.types.is_floating(kind):
            return float(value)
        if value == int(value) and _MIN_INT64 <= value <= _MAX_INT64:
            return int(value)
    wanted = {pa.string(): "text", pa.bool_(): "true or false", pa.int64(): "a whole number of 64 bits"}
    raise InputError(f"found {value!r:.60}; wanted {wanted.get(kind, 'a number')}")


def type_for(values: Iterable[Attribute]) -> pa.DataType:
    """Return the type of a new column: that of the first value, or float64 for a mixture of whole and other numbers."""
    kinds = [_type_of(value) for value in values]
    if kinds[0] == pa.int64() and pa.float64() in kinds:
        return pa.float64()
    return kinds[0]


def _type_of(value: Attribute) -> pa.DataType:
    match value:
        case bool():
            return pa.bool_()
        case int():
            return pa.int64()
        case float():
            return pa.float64()
        case str():
            return pa.string()
