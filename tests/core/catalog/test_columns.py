"""Kinds of columns: accepted types, canonical types, and error messages."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from riyl.core.catalog.columns import ColumnCheck, Kind, matrix
from riyl.core.errors import TableError

FILE = Path("folder/some.parquet")
TEXT_IN_COL = "in column 'col'; wanted non-empty text"
NUMBER_IN_COL = "in column 'col'; wanted a finite number above 0"
LIST_IN_COL = "in column 'col'; wanted a list of finite numbers, as long as in the first row"


def check(kind: Kind, column: pa.Array, first_row: int = 1) -> pa.Array:
    return ColumnCheck(FILE, "col", kind)(column, first_row)


def refusal(kind: Kind, column: pa.Array, first_row: int = 1) -> str:
    with pytest.raises(TableError) as caught:
        check(kind, column, first_row)
    return str(caught.value)


@pytest.mark.parametrize(
    ("column", "wanted"),
    [
        (pa.array(["a", " b "]), ["a", " b "]),
        (pa.array(["a", "b"], pa.large_string()), ["a", "b"]),
        (pa.array(["a", "b"], pa.string_view()), ["a", "b"]),
        (pa.array(["a", "b", "a"]).dictionary_encode(), ["a", "b", "a"]),
        (pa.array([7, -8], pa.int16()), ["7", "-8"]),
        (pa.array([2**64 - 1], pa.uint64()), ["18446744073709551615"]),
        (pa.array([], pa.string()), []),
    ],
)
def test_text_comes_out_as_string(column: pa.Array, wanted: list[str]) -> None:
    checked = check(Kind.TEXT, column)
    assert checked.type == pa.string()
    assert checked.to_pylist() == wanted


@pytest.mark.parametrize(
    ("kind", "column", "message"),
    [
        (Kind.TEXT, pa.array(["a", None]), "row 2: found nothing"),
        (Kind.TEXT, pa.array(["a", ""]), "row 2: found ''"),
        (Kind.TEXT, pa.array(["a", "b", " \t\u3000"]), "row 3: found ' \\t\\u3000'"),
        (Kind.TEXT, pa.array(["a", None]).dictionary_encode(), "row 2: found nothing"),
        (Kind.TEXT, pa.array([None, None]), "row 1: found nothing"),
        (Kind.TEXT, pa.array([1.5]), "row 1: found type double"),
        (Kind.TEXT, pa.array([True]), "row 1: found type bool"),
        (Kind.TEXT, pa.array([b"a"]), "row 1: found type binary"),
        (Kind.TEXT, pa.array([["a"]]), "row 1: found type list<item: string>"),
        (Kind.POSITIVE, pa.array([1, 0]), "row 2: found 0.0"),
        (Kind.POSITIVE, pa.array([1, 2, -3]), "row 3: found -3.0"),
        (Kind.POSITIVE, pa.array([1, None]), "row 2: found nothing"),
        (Kind.POSITIVE, pa.array([1.0, np.nan]), "row 2: found nan"),
        (Kind.POSITIVE, pa.array([np.inf]), "row 1: found inf"),
        (Kind.POSITIVE, pa.array([1.0, -np.inf]), "row 2: found -inf"),
        (Kind.POSITIVE, pa.array(["1", "many"]), "row 2: found 'many'"),
        (Kind.POSITIVE, pa.array(["1", "nan"]), "row 2: found nan"),
        (Kind.POSITIVE, pa.array(["1", None]), "row 2: found nothing"),
        (Kind.POSITIVE, pa.array([True]), "row 1: found type bool"),
        (Kind.POSITIVE, pa.array([None]), "row 1: found nothing"),
        (Kind.POSITIVE, pa.array([[1.0]]), "row 1: found type list<item: double>"),
    ],
)
def test_text_that_is_none_and_a_number_that_is_not_positive_are_refused_with_their_row(
    kind: Kind, column: pa.Array, message: str
) -> None:
    wanted = TEXT_IN_COL if kind is Kind.TEXT else NUMBER_IN_COL
    assert refusal(kind, column) == f"{FILE}, {message} {wanted}"


def test_rows_are_counted_from_the_first_row_of_the_batch() -> None:
    assert refusal(Kind.TEXT, pa.array(["a", "b", ""]), first_row=101).startswith(f"{FILE}, row 103: ")


def test_a_long_value_is_cut_short_in_the_message() -> None:
    message = refusal(Kind.POSITIVE, pa.array(["x" * 1000]))
    assert "'xxx" in message
    assert "..." in message
    assert len(message) < 200


def test_optional_text_may_be_missing() -> None:
    assert check(Kind.OPTIONAL_TEXT, pa.array([None, "", "x"])).to_pylist() == [None, "", "x"]
    assert check(Kind.OPTIONAL_TEXT, pa.array([None, None])).type == pa.string()


@pytest.mark.parametrize(
    ("column", "wanted"),
    [
        (pa.array([["a", "b"], [], None]), [["a", "b"], [], None]),
        (pa.array([["a"], None], pa.large_list(pa.large_string())), [["a"], None]),
        (pa.array([["a", "b"]], pa.list_(pa.string(), 2)), [["a", "b"]]),
        (pa.array(['["a", "b"]', None, "[]"]), [["a", "b"], None, []]),
        (pa.array([None, None]), [None, None]),
        (pa.array([[], []]), [[], []]),
    ],
)
def test_texts_come_out_as_lists_of_strings(column: pa.Array, wanted: list[list[str] | None]) -> None:
    checked = check(Kind.TEXTS, column)
    assert checked.type == pa.list_(pa.string())
    assert checked.to_pylist() == wanted


@pytest.mark.parametrize("text", ['"ab"', '{"a": 1}', "[1]", "[null]", "a, b", "[", "7"])
def test_texts_that_are_no_json_list_of_texts_are_refused(text: str) -> None:
    message = refusal(Kind.TEXTS, pa.array(["[]", text]))
    assert message.startswith(f'{FILE}, row 2: found {text!r}, not a JSON list like ["a", "b"], in column \'col\'')
    assert message.endswith("wanted a list of texts, or nothing")


def test_a_list_of_numbers_is_no_list_of_texts() -> None:
    assert "found type list<item: int64> in column 'col'" in refusal(Kind.TEXTS, pa.array([[1]]))


@pytest.mark.parametrize(
    ("column", "wanted"),
    [
        (pa.array([1, 2], pa.uint8()), [1.0, 2.0]),
        (pa.array([0.5], pa.float16()), [0.5]),
        (pa.array([1e-320]), [1e-320]),
        (pa.array(["3", " 4.5 ", "1e3"]), [3.0, 4.5, 1000.0]),
        (pa.array(["3", "4"], pa.large_string()), [3.0, 4.0]),
        (pa.array([Decimal("1.5")]), [1.5]),
        (pa.array([5, 6, 5]).dictionary_encode(), [5.0, 6.0, 5.0]),
    ],
)
def test_positive_numbers_come_out_as_float64(column: pa.Array, wanted: list[float]) -> None:
    checked = check(Kind.POSITIVE, column)
    assert checked.type == pa.float64()
    assert checked.to_pylist() == wanted


def test_an_optional_number_may_be_missing_but_not_wrong() -> None:
    assert check(Kind.OPTIONAL_POSITIVE, pa.array([None, 2.0])).to_pylist() == [None, 2.0]
    assert "row 2: found 0.0" in refusal(Kind.OPTIONAL_POSITIVE, pa.array([None, 0.0]))


@pytest.mark.parametrize(
    "column",
    [
        pa.array([[1.0, 2.0], [3.0, 4.0]]),
        pa.array([[1, 2], [3, 4]], pa.large_list(pa.int64())),
        pa.array([[1, 2], [3, 4]], pa.list_(pa.float32(), 2)),
        pa.array([[1, 2], [3, 4]], pa.list_(pa.float16())),
        pa.array([[9, 9], [1, 2], [3, 4]], pa.list_(pa.float64(), 2)).slice(1),
        pa.array([[9], [1, 2], [3, 4]], pa.list_(pa.float64())).slice(1),
        pa.array(["[1, 2]", "[3.0, 4e0]"]),
        pa.array(["[1, 2]", "[3, 4]"], pa.large_string()),
    ],
)
def test_vectors_come_out_as_float32_of_one_width(column: pa.Array) -> None:
    checked = check(Kind.VECTOR, column)
    assert checked.type == pa.list_(pa.float32(), 2)
    np.testing.assert_array_equal(matrix(checked), np.array([[1, 2], [3, 4]], np.float32))
    assert matrix(checked).dtype == np.float32


@pytest.mark.parametrize(
    ("column", "message", "width"),
    [
        (pa.array([[1.0, 2.0], [3.0]]), "row 2: found a vector of 1 numbers", " (2)"),
        (pa.array([[1.0], [2.0, 3.0]]), "row 2: found a vector of 2 numbers", " (1)"),
        (pa.array([[1.0, 2.0], None]), "row 2: found a vector of 0 numbers", " (2)"),
        (pa.array([[1, 2], None], pa.list_(pa.float32(), 2)), "row 2: found a vector of 0 numbers", " (2)"),
        (pa.array([[]], pa.list_(pa.float32())), "row 1: found a vector of 0 numbers", ""),
        (pa.array([[1.0, np.nan]]), "row 1: found nan at position 2 of the vector (as float32)", " (2)"),
        (pa.array([[1.0, None]]), "row 1: found nan at position 2 of the vector (as float32)", " (2)"),
        (pa.array([[1.0, 2.0], [-np.inf, 0.0]]), "row 2: found -inf at position 1 of the vector (as float32)", " (2)"),
        (pa.array([[1e39, 2.0]]), "row 1: found inf at position 1 of the vector (as float32)", " (2)"),
        (pa.array(["[1, 2]", None]), "row 2: found a vector of 0 numbers", " (2)"),
        (pa.array(["[1, NaN]"]), "row 1: found nan at position 2 of the vector (as float32)", " (2)"),
        (pa.array(["[1, null]"]), "row 1: found '[1, null]', not a JSON list like [0.1, 0.2],", ""),
        (pa.array(["[1, true]"]), "row 1: found '[1, true]', not a JSON list like [0.1, 0.2],", ""),
        (pa.array(["1 2"]), "row 1: found '1 2', not a JSON list like [0.1, 0.2],", ""),
        (pa.array(["12"]), "row 1: found '12', not a JSON list like [0.1, 0.2],", ""),
        (pa.array([[True]]), "row 1: found type list<item: bool>", ""),
        (pa.array([["a"]]), "row 1: found type list<item: string>", ""),
        (pa.array([1.0]), "row 1: found type double", ""),
    ],
)
def test_a_wrong_vector_is_refused_with_its_row_and_the_width_wanted(
    column: pa.Array, message: str, width: str
) -> None:
    assert refusal(Kind.VECTOR, column) == f"{FILE}, {message} {LIST_IN_COL}{width}"


def test_a_number_too_large_for_any_float_is_refused() -> None:
    assert "row 1: found '[1" in refusal(Kind.VECTOR, pa.array(["[1" + "0" * 400 + "]"]))


def test_the_width_of_the_first_batch_binds_the_later_ones() -> None:
    one_column = ColumnCheck(FILE, "col", Kind.VECTOR)
    one_column(pa.array([[1.0, 2.0]]), 1)
    with pytest.raises(TableError, match=r"row 2: found a vector of 3 numbers .* \(2\)$"):
        one_column(pa.array([[1.0, 2.0, 3.0]]), 2)


def test_no_vectors_at_all_are_no_error_here() -> None:
    assert len(check(Kind.VECTOR, pa.array([], pa.list_(pa.float32())))) == 0


@given(hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=2), elements=st.floats(-1e6, 1e6, width=32)))
def test_vectors_survive_whatever_list_type_brings_them(vectors: np.ndarray) -> None:
    rows = vectors.astype(np.float64).tolist()
    for kind in (pa.list_(pa.float64()), pa.large_list(pa.float32()), pa.list_(pa.float32(), vectors.shape[1])):
        np.testing.assert_array_equal(matrix(check(Kind.VECTOR, pa.array(rows, kind))), vectors)
