"""Attributes of Parquet tables: no number changes without an error or a note."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from riyl.core.catalog.attribute_columns import plain_attribute
from riyl.core.catalog.notes import Notes
from riyl.core.errors import TableError

FILE = Path("folder/artists.parquet")


def plain(column: pa.Array, notes: Notes | None = None) -> pa.Array:
    return plain_attribute(FILE, "col", column, 11, notes)


def test_text_stays_text() -> None:
    texts = ["0000000121032683", "1E10", "12:30", "NA"]
    for kind in (pa.string(), pa.large_string(), pa.string_view()):
        assert plain(pa.array(texts, kind)).equals(pa.array(texts))
    assert plain(pa.array(texts).dictionary_encode()).equals(pa.array(texts))


def test_nan_is_none_and_counted() -> None:
    notes = Notes()
    assert plain(pa.array([1.5, np.nan, None]), notes).to_pylist() == [1.5, None, None]
    assert notes.counts == {"artists.parquet: value of column 'col' read as missing": 1}


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pa.array([1, 2**63], pa.uint64()), "row 12: found 9223372036854775808"),
        (pa.array([1.0, np.inf]), "row 12: found inf"),
        (pa.array([Decimal(1), Decimal("9007199254740993")]), "row 12: found 9007199254740993"),
    ],
)
def test_a_number_that_does_not_fit_is_refused_with_its_row(column: pa.Array, message: str) -> None:
    with pytest.raises(TableError, match=f"{message} in attribute 'col'; wanted .*, or text"):
        plain(column)


def test_decimals_that_fit_are_numbers() -> None:
    assert plain(pa.array([Decimal("4.50"), None])).to_pylist() == [4.5, None]
    assert plain(pa.array([Decimal("4.50")], pa.decimal128(38, 18))).to_pylist() == [4.5]
