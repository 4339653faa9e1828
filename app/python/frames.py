"""Data frames of the backend that the user has, through narwhals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any, Literal, TypeAlias, get_args

import narwhals as nw
import pyarrow as pa
import pyarrow.compute as pc

from riyl.core.errors import InputError

Backend: TypeAlias = Literal["polars", "pandas", "pyarrow"]
"""Library of data frames, in the order in which an installed one is taken."""

BACKENDS: tuple[Backend, ...] = get_args(Backend)

Frame: TypeAlias = Any
"""polars.DataFrame, pandas.DataFrame or pyarrow.Table, by the backend."""


def choose_backend(name: str | None) -> Backend:
    """Return the backend of this name; with None the first of `BACKENDS` that is installed.

    pyarrow is always installed, because RIYL needs it.

    Raises:
        InputError: the name is not one of `BACKENDS`, or the library is not installed.
    """
    if name is None:
        return next(backend for backend in BACKENDS if find_spec(backend) is not None)
    for backend in BACKENDS:
        if name == backend:
            if find_spec(backend) is None:
                installed = ", ".join(each for each in BACKENDS if find_spec(each) is not None)
                raise InputError(f"backend: found {name!r}, which is not installed; wanted it, or one of: {installed}")
            return backend
    raise InputError(f"backend: found {name!r}; wanted {', '.join(BACKENDS[:-1])} or {BACKENDS[-1]}")


def to_frame(table: pa.Table, backend: Backend) -> Frame:
    """Convert an Arrow table to a data frame of the backend; dictionary-encoded texts become plain texts.

    Nulls stay nulls in polars and pyarrow. pandas has NaN in their place, and a column of whole numbers with nulls
    becomes one of floats.
    """
    plain = pa.table({name: _plain(table.column(name)) for name in table.column_names})
    return nw.from_arrow(plain, backend=backend).to_native()


def rows_to_frame(rows: Sequence[Mapping[str, Any]], schema: pa.Schema, backend: Backend) -> Frame:
    """Build a data frame of plain rows: the columns of the schema, also without rows, and then others of the rows.

    Args:
        rows: values by column; a missing column is null.
        schema: names and types of the columns that are always there. The type of another column is that of its values,
            and of one without values float64, as an undefined figure has no value.
        backend: the backend.
    """
    types = {field.name: field.type for field in schema}
    columns = {}
    for name in dict.fromkeys([*types, *(name for row in rows for name in row)]):
        column = pa.array([row.get(name) for row in rows], types.get(name))
        columns[name] = column.cast(pa.float64()) if pa.types.is_null(column.type) else column
    return to_frame(pa.table(columns), backend)


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.dictionary_decode(column) if pa.types.is_dictionary(column.type) else column
