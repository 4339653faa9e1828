"""Delimited text: parsed as by Python's csv module, or refused with file, row and line."""

from __future__ import annotations

import csv
import io
import tempfile
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import riyl.core.catalog.delimited
from riyl.core.catalog.columns import Kind
from riyl.core.catalog.delimited import count_delimited, read_delimited, read_header
from riyl.core.errors import TableError

KINDS = {"artist_id": Kind.TEXT, "tag": Kind.TEXT, "weight": Kind.POSITIVE}
TAGS = "artist_id,tag,weight\n"


def read(path: Path, kinds: dict[str, Kind] = KINDS) -> list[list[str | None]]:
    """Return every value of a file, row by row."""
    header = read_header(path)
    batches = read_delimited(path, header, {name: kind for name, kind in kinds.items() if name in header})
    return [list(row.values()) for batch in batches for row in batch.to_pylist()]


def put(folder: Path, content: str | bytes, name: str = "tags.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def refusal(folder: Path, content: str | bytes) -> str:
    with pytest.raises(TableError) as caught:
        read(put(folder, content))
    return str(caught.value).removeprefix(f"{folder}/")


def test_text_behind_a_closing_quote_is_refused_with_row_and_line(tmp_path: Path) -> None:
    assert refusal(tmp_path, 'artist_id,tag\na,x\n\na1,"Weird Al" Yankovic\n') == (
        "tags.csv, row 2, line 4: found text behind a closing quote in 'a1,\"Weird Al\" Yankovic'; "
        'wanted a value that begins with a quote to be in quotes, and each quote in it doubled: """80s""", "12"" Mix"'
    )


def test_a_quote_that_is_never_closed_is_refused_where_it_begins(tmp_path: Path) -> None:
    message = refusal(tmp_path, TAGS + 'a1,rock,1\na1,"80s,3\n' + "a2,pop,1\n" * 50)
    assert message.startswith(
        "tags.csv, row 2, line 3: found a quote that is opened and never closed in 'a1,\"80s,3'; "
    )


def test_a_quote_that_is_never_closed_ends_at_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(riyl.core.catalog.delimited, "MAX_BYTES", 1000)
    try:
        assert "row 1, line 2: found a quote" in refusal(tmp_path, TAGS + 'a1,"80s,3\n' + "a2,pop,1\n" * 5000)
    finally:
        csv.field_size_limit(1 << 24)


def test_a_quote_within_a_value_is_a_character(tmp_path: Path) -> None:
    assert read(put(tmp_path, 'artist_id,name\na2,12" Mix Masters\na3,5"\n')) == [
        ["a2", '12" Mix Masters'],
        ["a3", '5"'],
    ]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (TAGS + 'a1,"80s,3\na2,12",2\n', 2),
        (TAGS + 'a1,rock,1\na1,"80s,3\na2,pop,2\na3,12",2\n', 3),
        ('artist_id,name\na1,"80s Band\na2,Bob\na3,7"\n', 2),
    ],
)
def test_stray_quotes_that_would_make_one_row_of_several_are_refused(tmp_path: Path, content: str, line: int) -> None:
    message = refusal(tmp_path, content)
    assert f", line {line}: found a value in quotes over " in message
    assert "lines, each of which could be a row: 'a1,\"80s" in message


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        ('artist_id,name\nb,"two\nlines"\n', ["b", "two\nlines"]),
        ('artist_id,name\nb1,"Born in Oslo\nand later, it is said, in Bergen"\n', None),
        ('artist_id,name\nb1,"Born\nin Oslo, or so"\n', None),
        (TAGS + 'a1,"first\nsecond, third",2\n', ["a1", "first\nsecond, third", "2"]),
        ('artist_id,name\n"a1","Ann ""the"" Man"\n', ["a1", 'Ann "the" Man']),
    ],
)
def test_line_breaks_in_quotes_are_text(tmp_path: Path, content: str, wanted: list[str] | None) -> None:
    (row,) = read(put(tmp_path, content))
    assert row == (wanted or list(csv.reader(io.StringIO(content, newline="")))[1])


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("quote", ["", '"'])
def test_lines_may_end_in_any_way(tmp_path: Path, end: str, quote: str) -> None:
    content = end.join(["artist_id,name", f"a,{quote}A{quote}", "", "b,B", ""])
    assert read(put(tmp_path, content)) == [["a", "A"], ["b", "B"]]


def test_a_byte_that_is_no_text_is_named(tmp_path: Path) -> None:
    assert refusal(tmp_path, TAGS + "a,rock,1\nb,ro\0ck,1\n").startswith("tags.csv, row 2: found byte 0x00")


def test_a_long_value_is_read_whole(tmp_path: Path) -> None:
    long = "x" * 300_000
    assert read(put(tmp_path, f'artist_id,name\na,"{long}"\nb,{long}\n')) == [["a", long], ["b", long]]


def test_blocks_end_anywhere_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        ["a1", "plain", "1"],
        ["b", "two\nlines, and", "2"],
        ["c", 'say "x"', "3"],
        *([f"d{i}", "x", "1"] for i in range(40)),
    ]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([TAGS.strip().split(","), *rows])
    path = put(tmp_path, text.getvalue())
    for size in range(1, 90):
        monkeypatch.setattr(riyl.core.catalog.delimited, "BLOCK_BYTES", size)
        assert read(path) == rows
        assert count_delimited(path) == len(rows)


def test_only_the_columns_asked_for_are_given(tmp_path: Path) -> None:
    path = put(tmp_path, ',artist_id,name\n0,a,A\n1,b,"B"\n')
    assert [b.to_pydict() for b in read_delimited(path, ["name"], {})] == [{"name": ["A", "B"]}]
    assert pa.Table.from_batches(read_delimited(path, ["name"], {})).schema.types == [pa.string()]


MARKS = ['"', '""', ",", "\n", "\r\n", "\r", "a", "b1", " ", "7", "é", "\\", ";"]
PIECES = st.lists(st.sampled_from(MARKS), max_size=30)


def read_in_blocks(content: str, block: int) -> tuple[list[list[str | None]], int] | str:
    """Return every value and the number of rows, read in blocks of this size; or the error message."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(riyl.core.catalog.delimited, "BLOCK_BYTES", block)
        path = put(Path(folder), content)
        try:
            return read(path), count_delimited(path)
        except TableError as error:
            return str(error)


@settings(deadline=None)
@given(PIECES.map("".join), st.integers(1, 12))
@example('a1,"80s,3\na2,12",2\n', 4)
@example('a1,"Weird Al" Yankovic,1', 100)
def test_a_file_is_refused_or_read_as_pythons_csv_reads_it(body: str, block: int) -> None:
    content = TAGS + body
    result = read_in_blocks(content, block)
    if isinstance(result, str):
        assert "tags.csv, row " in result
        return
    wanted = [row for row in csv.reader(io.StringIO(content, newline=""), strict=True) if row][1:]
    assert result == ([[text or None for text in row] for row in wanted], len(wanted))


CELLS = st.text(st.sampled_from('ab ,"\n7é'), max_size=6)


@settings(deadline=None)
@given(st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=8), st.integers(1, 40))
def test_what_pythons_csv_writes_is_read_value_by_value_or_could_be_rows(
    rows: list[tuple[str, str, str]], block: int
) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([("artist_id", "name", "note"), *rows])
    result = read_in_blocks(text.getvalue(), block)
    if isinstance(result, str):
        assert "each of which could be a row" in result
        return
    assert result == ([[cell or None for cell in row] for row in rows], len(rows))
