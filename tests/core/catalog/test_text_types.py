"""Types of text columns: numeric if every value survives; values that keep a column text are named."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riyl.core.catalog.notes import Notes
from riyl.core.catalog.text_types import TextColumn, text_columns


def column_of(values: list[str | None]) -> TextColumn:
    column = TextColumn("col")
    column.add(pa.array(values, pa.string()), 1)
    return column


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        (["1990", "0", "-3", None], [1990, 0, -3, None]),
        (["9223372036854775807"], [2**63 - 1]),
        (["1.5", "2"], [1.5, 2.0]),
        (["1.5", "2.0", "1e-05"], [1.5, 2.0, 1e-05]),
        (["-0.0"], [-0.0]),
        (["true", "false", None], [True, False, None]),
        (["1990", "\\N", "NA", "NULL"], [1990, None, None, None]),
    ],
)
def test_values_that_survive_are_numbers_or_truth_values(values: list[str | None], wanted: list[object]) -> None:
    column = column_of(values)
    assert column.typed(pa.array(values, pa.string())).to_pylist() == wanted
    assert not pa.types.is_string(column.type)


@pytest.mark.parametrize(
    "values",
    [
        ["0000000121032683"],
        ["007", "8"],
        ["1E10"],
        ["1e10"],
        ["12:30"],
        ["+5"],
        ["-0"],
        ["1.50"],
        [".5"],
        ["5."],
        ["1.0", "2"],
        [" 7"],
        ["1_000"],
        ["1,000"],
        ["12345678901234567890"],
        ["9007199254740993", "0.5"],
        ["0.1234567890123456789"],
        ["inf"],
        ["Infinity"],
        ["True", "False"],
        ["true", "1"],
        ["1990-05-01"],
        ["1990", "ca. 1990"],
        ["٣"],
        ["NA", "NO"],
        ["NA"],
    ],
)
def test_what_does_not_survive_stays_the_text_it_is(values: list[str]) -> None:
    column = column_of(values)
    assert column.type == pa.string()
    assert column.typed(pa.array(values)).to_pylist() == values


def test_a_column_without_values_has_no_type() -> None:
    assert column_of([None, None]).type == pa.null()
    assert column_of(["\\N"]).typed(pa.array(["\\N", None])).to_pylist() == [None, None]


def test_the_values_that_keep_a_column_text_are_named_with_their_rows() -> None:
    batches = [pa.record_batch({"year": ["1990", "1991"], "genre": ["ska", "dub"]}) for _ in range(2)]
    batches.append(pa.record_batch({"year": ["ca. 1990", "1992"], "genre": ["ska", "dub"]}))
    columns, notes = text_columns(batches, ["year", "genre"]), Notes()
    for column in columns.values():
        column.note(notes, "artists.csv")
    what = "artists.csv: value that keeps column 'year' text: not a number, or not in its canonical spelling"
    assert notes.counts == {what: 1}
    assert notes.examples == {what: ("row 5: 'ca. 1990'",)}


def test_two_ways_of_writing_in_one_column_are_named() -> None:
    notes = Notes()
    column_of(["1.0", "3.0", "2"]).note(notes, "artists.csv")
    (examples,) = notes.examples.values()
    assert examples == ("row 3: '2' beside '1.0'",)


def test_spellings_of_nothing_among_numbers_are_named_and_counted() -> None:
    notes = Notes()
    column_of(["1990", "NA", "NA", "1991"]).note(notes, "artists.csv")
    assert notes.counts == {"artists.csv: value of column 'col' read as missing": 2}


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1))
def test_every_whole_number_survives(numbers: list[int]) -> None:
    texts = [str(number) for number in numbers]
    column = column_of(texts)
    assert column.typed(pa.array(texts)).to_pylist() == numbers
    assert column.type == pa.int64()


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_every_finite_number_as_python_writes_it_survives(numbers: list[float]) -> None:
    texts = [repr(number) for number in numbers]
    assert list(map(repr, column_of(texts).typed(pa.array(texts)).to_pylist())) == texts


@given(st.lists(st.text(st.sampled_from("0123456789.-+eE_ "), min_size=1, max_size=6), min_size=1, max_size=4))
def test_no_two_texts_become_one_number(texts: list[str]) -> None:
    typed = column_of(texts).typed(pa.array(texts)).to_pylist()
    assert len(set(map(repr, typed))) == len(set(texts))
