"""Tables in CSV files: rows, quotes and encodings, and error messages that name the place."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.core.catalog.folders import put, refusal, rows


@pytest.mark.parametrize("content", ["", "\n", "\r\n\r\n"])
def test_an_empty_csv_file_is_refused(tmp_path: Path, content: str) -> None:
    assert refusal(tmp_path, "artists", content) == (
        "artists.csv: found an empty file; wanted a header and at least one row"
    )


@pytest.mark.parametrize("content", ["artist_id,name", "artist_id,name\n", "artist_id,name\r\n\r\n"])
def test_a_header_without_rows_is_refused(tmp_path: Path, content: str) -> None:
    message = refusal(tmp_path, "artists", content)
    assert message.startswith("artists.csv: found no rows; wanted ")


def test_a_csv_row_with_too_few_fields_is_named(tmp_path: Path) -> None:
    assert refusal(tmp_path, "artists", "artist_id,name\na,A\n\nb\nc,C\n") == (
        "artists.csv, row 2: found 1 fields in 'b'; wanted 2, as in the header"
    )


def test_a_csv_row_with_too_many_fields_is_named_far_down_the_file(tmp_path: Path) -> None:
    good = "".join(f"a{i},some name\n" for i in range(100_000))
    assert refusal(tmp_path, "artists", f"artist_id,name\n{good}b,c,d\n") == (
        "artists.csv, row 100001: found 3 fields in 'b,c,d'; wanted 2, as in the header"
    )


def test_text_that_is_not_utf8_is_named_by_row(tmp_path: Path) -> None:
    assert refusal(tmp_path, "artists", b'artist_id,name\na,"A\nA"\nb,Bj' + b"\xf6rk\n") == (
        "artists.csv, row 2: found byte 0xf6, which is not UTF-8, in 'b,Bj\ufffdrk'; wanted UTF-8 text"
    )


def test_text_that_is_not_utf8_is_named_far_down_the_file(tmp_path: Path) -> None:
    good = "".join(f"a{i},some name\n" for i in range(100_000)).encode()
    message = refusal(tmp_path, "artists", b"artist_id,name\n" + good + b"b,\xff\n")
    assert message.startswith("artists.csv, row 100001: found byte 0xff, which is not UTF-8,")


def test_a_header_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    message = refusal(tmp_path, "artists", b"artist_id,n\xe4me,name\na,A,B\n")
    assert message.startswith("artists.csv: found byte 0xe4, which is not UTF-8,")


def test_quotes_commas_and_newlines_within_values_are_kept(tmp_path: Path) -> None:
    tables = put(tmp_path, artists='artist_id,name\r\n"a,1","Ann ""the"" Man"\r\nb,"two\nlines"\r\n')
    assert [(r["artist_id"], r["name"]) for r in rows(tables, "artists")] == [
        ("a,1", 'Ann "the" Man'),
        ("b", "two\nlines"),
    ]


def test_rows_are_counted_over_values_with_newlines(tmp_path: Path) -> None:
    assert refusal(tmp_path, "artists", 'artist_id,name\na,"two\nlines"\nb,\n') == (
        "artists.csv, row 2: found nothing in column 'name'; wanted non-empty text"
    )


def test_a_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    tables = put(tmp_path, artists=b"\xef\xbb\xbfartist_id,name\na,A\n")
    assert tables.artists().column("artist_id").to_pylist() == ["a"]


def test_ids_of_digits_stay_text_in_csv(tmp_path: Path) -> None:
    tables = put(tmp_path, artists="artist_id,name\n007,Bond\n7,Seven\n")
    assert tables.artists().column("artist_id").to_pylist() == ["007", "7"]


def test_json_lists_in_csv_are_aliases(tmp_path: Path) -> None:
    tables = put(tmp_path, artists='artist_id,name,aliases\na,A,"[""x"", ""y""]"\nb,B,\n')
    assert tables.artists().column("aliases").to_pylist() == [["x", "y"], None]


def test_delimiters_at_the_end_of_lines_are_no_columns(tmp_path: Path) -> None:
    artists = put(tmp_path, artists="artist_id,name,,\na,A,,\n").artists()
    assert artists.column_names == ["artist_id", "name", "mbid", "aliases"]


def test_columns_separated_otherwise_are_told(tmp_path: Path) -> None:
    assert refusal(tmp_path, "artists", "artist_id;name\na;A\n").endswith(
        "wanted a column 'artist_id' (non-empty text), and columns separated by commas, not by semicolons"
    )


@pytest.mark.parametrize("weight", ["1_000", "1,000", "٣"])
def test_a_number_is_written_in_plain_digits(tmp_path: Path, weight: str) -> None:
    message = refusal(tmp_path, "tags", f'artist_id,tag,weight\na,x,"{weight}"\n')
    assert message == f"tags.csv, row 1: found {weight!r} in column 'weight'; wanted a finite number above 0"
