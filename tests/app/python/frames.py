"""Content of data frames of every backend, as plain Python values."""

from __future__ import annotations

import math
from typing import Any

import narwhals as nw


def rows_of(frame: Any) -> list[dict[str, Any]]:
    """Return the rows of a frame; NaN, which pandas has for null, is None."""
    columns = nw.from_native(frame).to_dict(as_series=False)
    return [dict(zip(columns, map(_defined, values), strict=True)) for values in zip(*columns.values(), strict=True)]


def columns_of(frame: Any) -> list[str]:
    return list(nw.from_native(frame).columns)


def _defined(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value
