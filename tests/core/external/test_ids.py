"""Files of ids: one artist a row, in order; blank, repeated and undecodable ids are refused by line."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from riyl.core.errors import InputError
from riyl.core.external.ids import examples_of, read_ids, read_ids_of_rows


def test_ids_are_the_lines_in_their_order(tmp_path: Path) -> None:
    path = tmp_path / "ids.txt"
    path.write_bytes("\ufeffb\r\nBj\u00f6rk\n a \u2028x\n".encode())
    assert read_ids_of_rows(path) == ["b", "Björk", " a \u2028x"]


def test_a_last_line_needs_no_line_end(tmp_path: Path) -> None:
    path = tmp_path / "ids.txt"
    path.write_text("b\na")
    assert read_ids_of_rows(path) == ["b", "a"]


def test_ids_of_a_parquet_file_may_be_integers(tmp_path: Path) -> None:
    path = tmp_path / "ids.parquet"
    pq.write_table(pa.table({"artist_id": [10, 2]}), path)
    assert read_ids_of_rows(path) == ["10", "2"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "found no ids; wanted one artist id per line"),
        (b"\n \n", "found no ids; wanted one artist id per line"),
        (b"a\n\nb\n", "ids.txt, line 2: found a blank line; wanted one artist id in each line"),
        (b"a\n \t\n", "ids.txt, line 2: found a blank line; wanted one artist id in each line"),
        (b"a\nb\xff\n", "ids.txt, line 2: found byte 0xff, which is not UTF-8; wanted UTF-8 text"),
        (b"a\nb\na\n", "found 1 repeated artist id: 'a' (rows 1 and 3); wanted each artist once"),
        (
            b"d\nc\nb\na\na\nb\nc\nd\na\n",
            "found 4 repeated artist ids: 'a' (rows 4 and 5), 'b' (rows 3 and 6), 'c' (rows 2 and 7), ...; wanted",
        ),
    ],
)
def test_a_fault_is_an_error_with_its_line(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "ids.txt"
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        read_ids_of_rows(path)
    assert message in str(error.value)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no.txt: found no such file; wanted one artist id per line"):
        read_ids_of_rows(tmp_path / "no.txt")


def test_examples_are_three_and_short() -> None:
    assert examples_of([]) == "none"
    assert examples_of(["a", "b", "c"]) == "'a', 'b', 'c'"
    assert examples_of(["x" * 100, "b", "c", "d"]) == f"'{'x' * 60}', 'b', 'c', ..."


def test_a_set_of_ids_skips_blank_lines_and_reads_what_editors_write(tmp_path: Path) -> None:
    path = tmp_path / "ids.txt"
    path.write_bytes("\ufeffb\r\n\r\na\u2028x\nb\n \n".encode())
    assert read_ids(path) == ["b", "a\u2028x", "b"]
    pq.write_table(pa.table({"artist_id": [10, 2]}), tmp_path / "ids.parquet")
    assert read_ids(tmp_path / "ids.parquet") == ["10", "2"]


def test_a_set_without_ids_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ids.txt"
    path.write_bytes(b"\r\n \n")
    with pytest.raises(InputError, match="found no ids; wanted one artist id per line$"):
        read_ids(path)
    with pytest.raises(InputError, match="found no such file; wanted one artist id per line$"):
        read_ids(tmp_path / "no.txt")
