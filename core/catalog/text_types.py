"""Types of text columns: numeric if every value is a number whose spelling survives conversion, else text.

A value survives if its number, written again, gives the same text. Whole numbers have one spelling: `12`, `-3`. Other
numbers have two, and a column must keep to one: whole ones among them as `2.0` (Python, pandas) or as `2` (R,
JavaScript, spreadsheets). So `007`, `+5`, `-0`, `1.50`, `1E10`, `12:30`, and `1.0` beside `2` stay text. Truth values
are `true` and `false`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Flag, auto

import pyarrow as pa
import pyarrow.compute as pc

from riyl.core.catalog.missing import ALWAYS, EXPORTED
from riyl.core.catalog.notes import EXAMPLES, Notes

_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,18}")
_MIN_INT64, _MAX_INT64 = -(2**63), 2**63 - 1


class Way(Flag):
    """A spelling in which values survive conversion."""

    WHOLE = auto()
    WITH_POINT = auto()
    SHORTEST = auto()
    TRUTH = auto()


_NO_WAY = Way(0)
_EVERY_WAY = Way.WHOLE | Way.WITH_POINT | Way.SHORTEST | Way.TRUTH


def ways_of(text: str) -> Way:
    """Return the spellings in which this text survives conversion; none if it is only text."""
    if text in ("true", "false"):
        return Way.TRUTH
    if _WHOLE.fullmatch(text):
        integer = int(text)
        as_float = Way.SHORTEST if int(float(integer)) == integer else _NO_WAY
        return as_float | Way.WHOLE if _MIN_INT64 <= integer <= _MAX_INT64 else _NO_WAY
    number = _number(text)
    if number is None or repr(number) != text:
        return _NO_WAY
    return Way.WITH_POINT if number.is_integer() else Way.WITH_POINT | Way.SHORTEST


@dataclass
class TextColumn:
    """State of one column after some of its values.

    Attributes:
        ways: spellings in which all values survive.
        like: number of values that look like a number or a truth value, whether they survive or not.
        spoilers: the first values that do not survive; `spoiled` counts them.
        missing: the first placeholders; `missed` counts them.
    """

    name: str
    ways: Way = _EVERY_WAY
    values: int = 0
    like: int = 0
    first: str = ""
    spoilers: list[str] = field(default_factory=list)
    spoiled: int = 0
    missing: list[str] = field(default_factory=list)
    missed: int = 0

    def add(self, column: pa.Array, first_row: int) -> None:
        """Add values; nulls are skipped."""
        counted = column.drop_null().value_counts()
        for text, times in zip(counted.field("values").to_pylist(), counted.field("counts").to_pylist(), strict=True):
            if text == ALWAYS:
                continue
            if text in EXPORTED:
                self.missed += times
                _keep(self.missing, text, column, first_row)
                continue
            ways = ways_of(text)
            self.values += times
            self.like += times if ways or _number(text) is not None or text.lower() in ("true", "false") else 0
            if ways and not self.ways & ways and not self.spoilers:
                _keep(self.spoilers, text, column, first_row, f" beside {self.first!r}")
            if not ways:
                self.spoiled += times
                _keep(self.spoilers, text, column, first_row)
            self.first = self.first or text
            self.ways &= ways

    @property
    def type(self) -> pa.DataType:
        """Type of the column; null if it has no values."""
        if not self.values:
            return pa.string() if self.missed else pa.null()
        if self.ways & Way.TRUTH:
            return pa.bool_()
        if self.ways & Way.WHOLE:
            return pa.int64()
        return pa.float64() if self.ways & (Way.WITH_POINT | Way.SHORTEST) else pa.string()

    def note(self, notes: Notes, file: str) -> None:
        """Add notes about the values that keep a numeric column text, and about placeholders."""
        if self.type == pa.string() and self.like:
            what = f"{file}: value that keeps column {self.name!r} text: not a number, or not in its canonical spelling"
            for example in self.spoilers:
                notes.add(what, example)
            notes.add(what, count=max(0, self.spoiled - len(self.spoilers)))
        if self.missed and self.type not in (pa.string(), pa.null()):
            what = f"{file}: value of column {self.name!r} read as missing"
            for example in self.missing:
                notes.add(what, example)
            notes.add(what, count=max(0, self.missed - len(self.missing)))

    def typed(self, column: pa.Array) -> pa.Array:
        """Convert values to the column's type."""
        if pa.types.is_null(self.type):
            return pa.nulls(len(column))
        none = [ALWAYS] if self.type == pa.string() else sorted({ALWAYS, *EXPORTED})
        column = pc.if_else(pc.is_in(column, pa.array(none)), pa.scalar(None, pa.string()), column)
        return column.cast(self.type)


def text_columns(batches: Iterable[pa.RecordBatch], names: Sequence[str]) -> dict[str, TextColumn]:
    """Determine the columns of these names from all values of all batches."""
    columns = {name: TextColumn(name) for name in names}
    row = 1
    for batch in batches:
        for name, column in columns.items():
            column.add(batch.column(name), row)
        row += batch.num_rows
    return columns


def _number(text: str) -> float | None:
    """Parse a text as a finite number in any spelling; None if it is not one."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and "_" not in text else None


def _keep(examples: list[str], text: str, column: pa.Array, first_row: int, more: str = "") -> None:
    if len(examples) < EXAMPLES:
        examples.append(f"row {first_row + pc.index(column, text).as_py()}: {text!r:.100}{more}")
