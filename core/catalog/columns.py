"""Checks of single columns, and their conversion to canonical Arrow types; errors name file, row, found and wanted."""

from __future__ import annotations

import enum
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from riyl.core.catalog.missing import is_no_name, missing_in
from riyl.core.catalog.notes import Notes
from riyl.core.errors import TableError
from riyl.core.types import Matrix


class Kind(enum.Enum):
    """Content that a column must have."""

    TEXT = "non-empty text"
    OPTIONAL_TEXT = "text, or nothing"
    TEXTS = "a list of texts, or nothing"
    POSITIVE = "a finite number above 0"
    OPTIONAL_POSITIVE = "a finite number above 0, or nothing"
    VECTOR = "a list of finite numbers, as long as in the first row"
    OPTIONAL_VECTOR = "nothing, or a list of finite numbers, as long as the first list"


class ColumnCheck:
    """Checks the batches of one column of one file, in order.

    Args:
        file: the file, for errors.
        name: the column's name.
        kind: content that the column must have.
        notes: receives the values that are read as missing. If given, exporters' placeholders count as missing in
            columns of ids and names (`riyl.core.catalog.missing`); else they are ordinary text.
    """

    def __init__(self, file: Path, name: str, kind: Kind, notes: Notes | None = None) -> None:
        self._notes = notes
        self._file = file
        self._name = name
        self._kind = kind
        self._width: int | None = None

    def __call__(self, column: pa.Array, first_row: int) -> pa.Array:
        """Return the column as string, list<string>, float64 or fixed_size_list<float32>.

        Args:
            column: any Arrow type; numbers and lists may also be given as text (CSV).
            first_row: number of the batch's first row, counted from 1 behind the header.

        Raises:
            TableError: a value is not of the kind; names the first one.
        """
        if isinstance(column, pa.DictionaryArray):
            column = column.dictionary_decode()
        match self._kind:
            case Kind.TEXT | Kind.OPTIONAL_TEXT:
                return self._text(column, first_row)
            case Kind.TEXTS:
                return self._texts(column, first_row)
            case Kind.POSITIVE | Kind.OPTIONAL_POSITIVE:
                return self._positive(column, first_row)
            case Kind.VECTOR | Kind.OPTIONAL_VECTOR:
                return self._vectors(column, first_row)

    def _text(self, column: pa.Array, first_row: int) -> pa.Array:
        if pa.types.is_integer(column.type) or pa.types.is_null(column.type):
            column = column.cast(pa.string())
        if not _is_text(column.type):
            raise self._error(first_row, f"type {column.type}")
        column = column.cast(pa.string())
        missing = self._missing(column)
        if self._kind is Kind.TEXT:
            blank = pc.equal(pc.utf8_trim_whitespace(pc.fill_null(column, "")), "")
            self._refuse_first(blank, column, first_row)
            if missing is not None:
                self._refuse_first(missing, column, first_row, ", a placeholder for a missing value,")
        elif missing is not None:
            return self._without(missing, column, first_row)
        return column

    def _texts(self, column: pa.Array, first_row: int) -> pa.Array:
        if _is_text(column.type):
            missing = self._missing(column)
            column = column.cast(pa.string()) if missing is None else self._without(missing, column, first_row)
            column = self._from_json(column, first_row, str, pa.list_(pa.string()))
        if pa.types.is_null(column.type):
            return column.cast(pa.list_(pa.string()))
        if not _is_list(column.type) or not (
            _is_text(column.type.value_type) or pa.types.is_null(column.type.value_type)
        ):
            raise self._error(first_row, f"type {column.type}")
        return self._without_missing_texts(column.cast(pa.list_(pa.string())), first_row)

    def _without_missing_texts(self, column: pa.Array, first_row: int) -> pa.Array:
        """Return the lists without texts that are null, blank or placeholders."""
        missing = self._missing(column.flatten())
        if missing is None or not pc.any(missing).as_py():
            return column
        cleaned: list[list[str] | None] = []
        for position, texts in enumerate(column.to_pylist()):
            cleaned.append(None if texts is None else [t for t in texts if t is not None and not is_no_name(t)])
            if texts is not None and (left := len(texts) - len(cleaned[-1] or ())):
                self._note_none(f"row {first_row + position}: {_short(texts)}", left)
        return pa.array(cleaned, pa.list_(pa.string()))

    def _positive(self, column: pa.Array, first_row: int) -> pa.Array:
        if _is_text(column.type):
            column = self._from_text(column.cast(pa.string()), first_row)
        if not (_is_number(column.type) or pa.types.is_null(column.type)):
            raise self._error(first_row, f"type {column.type}")
        column = column.cast(pa.float64(), safe=False)
        good = pc.and_(pc.is_finite(column), pc.greater(column, 0.0))
        self._refuse_first(pc.invert(pc.fill_null(good, self._kind is Kind.OPTIONAL_POSITIVE)), column, first_row)
        return column

    def _vectors(self, column: pa.Array, first_row: int) -> pa.Array:
        if _is_text(column.type):
            column = self._from_json(column, first_row, float, pa.list_(pa.float64()))
        if not _is_list(column.type) or not _is_number(column.type.value_type):
            raise self._error(first_row, f"type {column.type}")
        widths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
        is_optional = self._kind is Kind.OPTIONAL_VECTOR
        has_list = column.is_valid().to_numpy(zero_copy_only=False) if is_optional else np.ones(len(column), bool)
        if self._width is None and has_list.any():
            self._width = int(widths[has_list][0])
        wrong = np.flatnonzero(has_list & ((widths != self._width) | (widths == 0)))
        if len(wrong):
            raise self._error(first_row + int(wrong[0]), f"a vector of {widths[wrong[0]]} numbers", self._width)
        if self._width is None:
            return pa.nulls(len(column), pa.list_(pa.float32(), 1))
        with np.errstate(over="ignore"):
            flat = column.flatten().cast(pa.float64()).to_numpy(zero_copy_only=False).astype(np.float32)
        bad = np.flatnonzero(~np.isfinite(flat))
        if len(bad):
            row, position = divmod(int(bad[0]), self._width)
            raise self._error(
                first_row + int(np.flatnonzero(has_list)[row]),
                f"{flat[bad[0]]} at position {position + 1} of the vector (as float32)",
                self._width,
            )
        if has_list.all():
            return pa.FixedSizeListArray.from_arrays(pa.array(flat, pa.float32()), self._width)
        filled = np.zeros((len(column), self._width), np.float32)
        filled[has_list] = flat.reshape(-1, self._width)
        return pa.FixedSizeListArray.from_arrays(pa.array(filled.ravel()), self._width)

    def _from_text(self, column: pa.Array, first_row: int) -> pa.Array:
        try:
            return column.cast(pa.float64())
        except pa.ArrowInvalid:
            values: list[float | None] = []
            for offset, text in enumerate(column.to_pylist()):
                try:
                    if text is not None and ("_" in text or not text.isascii()):
                        raise ValueError
                    values.append(None if text is None else float(text))
                except ValueError:
                    raise self._error(first_row + offset, _short(text)) from None
            return pa.array(values, pa.float64())

    def _from_json(self, column: pa.Array, first_row: int, element: type, wanted: pa.DataType) -> pa.Array:
        values: list[list[object] | None] = []
        for offset, text in enumerate(column.to_pylist()):
            try:
                value = None if text is None else json.loads(text)
                if value is not None:
                    if not isinstance(value, list):
                        raise TypeError
                    value = [v if element is str and isinstance(v, str) else _number(v, element) for v in value]
            except (ValueError, TypeError, OverflowError):
                example = '["a", "b"]' if element is str else "[0.1, 0.2]"
                raise self._error(first_row + offset, f"{_short(text)}, not a JSON list like {example},") from None
            values.append(value)
        return pa.array(values, wanted)

    def _without(self, missing: pa.Array, column: pa.Array, first_row: int) -> pa.Array:
        """Return the column with null in place of placeholders."""
        column = column.cast(pa.string())
        written = pc.and_(missing, pc.is_valid(column))
        if left := pc.sum(written).as_py():
            row = pc.index(written, True).as_py()
            self._note_none(f"row {first_row + row}: {_short(column[row].as_py())}", left)
        return pc.if_else(missing, pa.scalar(None, column.type), column)

    def _missing(self, column: pa.Array) -> pa.Array | None:
        """Mark missing values; None for a column without placeholders. Rows with such tags are left out later."""
        return None if self._notes is None or self._name == "tag" else missing_in(self._name, column)

    def _note_none(self, example: str, count: int) -> None:
        if self._notes is not None:
            self._notes.add(f"{self._file.name}: value of column {self._name!r} read as missing", example, count)

    def _refuse_first(self, bad: pa.Array, column: pa.Array, first_row: int, why: str = "") -> None:
        position = pc.index(bad, True).as_py()
        if position >= 0:
            value = column[position].as_py()
            raise self._error(first_row + position, "nothing" if value is None else _short(value) + why)

    def _error(self, row: int, actual: str, width: int | None = None) -> TableError:
        wanted = f"{self._kind.value} ({width})" if width else self._kind.value
        return TableError(self._file, row=row, found=f"{actual} in column {self._name!r}", wanted=wanted)


def matrix(column: pa.Array) -> Matrix:
    """Convert a checked vector column to (n, d) float32."""
    return np.asarray(column.flatten().to_numpy(zero_copy_only=False), np.float32).reshape(
        len(column), column.type.list_size
    )


def _number(value: object, element: type) -> float:
    if element is str or isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError
    return float(value)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))
