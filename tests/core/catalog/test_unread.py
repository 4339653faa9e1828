"""Files beside tables: each is reported with a reason, and is an error if it may contain data."""

from __future__ import annotations

from pathlib import Path

import pytest

from riyl.core.catalog.tables import Tables
from riyl.core.catalog.unread import unread
from riyl.core.errors import InputError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "artists.csv").write_text("artist_id,name\na,Ann\n")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("tags.tsv", "separated by tabs"),
        ("plays.csv.gz", "packed"),
        ("plays.parquet.zst", "packed"),
        ("audio.CSV", r"its name ends in \.CSV: wanted \.csv"),
        ("mood.npy", r"\.npy is not a table format"),
        ("tags.txt", r"\.txt is not a table format"),
        ("mood.txt", r"\.txt is not a table format"),
        ("tags", "a name without an ending is not a table format"),
        ("Tags.csv", "found table name 'Tags'"),
        ("tags (1).csv", r"found table name 'tags \(1\)'"),
        ("_tags.csv", "found table name '_tags'"),
        ("tags.json", r"\.json is not a table format"),
    ],
)
def test_what_may_be_data_is_refused_unless_told(folder: Path, name: str, reason: str) -> None:
    (folder / name).write_text("a,rock,1\n")
    with pytest.raises(InputError, match=rf"found entries that are not read: .*{reason}.*RIYL_IGNORE_UNREAD"):
        Tables.open(folder)
    opened = Tables.open(folder, ignore_unread=True)
    assert list(opened.files) == ["artists"]
    assert list(opened.unread) == [name]


def test_all_of_them_are_named_at_once(folder: Path) -> None:
    for name in ("tags.tsv", "plays.csv.gz"):
        (folder / name).write_text("x")
    with pytest.raises(InputError, match=r"plays\.csv\.gz \(packed: unpack it\), tags\.tsv \("):
        Tables.open(folder)


@pytest.mark.parametrize("name", ["parts", "tags.parquet"])
def test_a_folder_is_no_table(folder: Path, name: str) -> None:
    (folder / name).mkdir()
    with pytest.raises(InputError, match="a folder: wanted one file per table"):
        Tables.open(folder)


def test_a_link_to_nothing_is_named(folder: Path) -> None:
    (folder / "tags.csv").symlink_to(folder / "gone")
    with pytest.raises(InputError, match=r"tags\.csv \(neither a regular file nor a link to one\)"):
        Tables.open(folder)


@pytest.mark.parametrize(
    "name",
    ["README.md", "readme", "LICENSE", "LICENCE.txt", "CITATION.cff", "notes.rst", ".DS_Store", "_SUCCESS", "_metadata",
     "SHA256SUMS", "tags.csv.md5", "md5sums.txt", "Thumbs.db"],
)  # fmt: skip
def test_documents_checksums_and_marks_are_named_and_pass(folder: Path, name: str) -> None:
    (folder / name).write_text("a, b, and c")
    opened = Tables.open(folder)
    assert list(opened.unread) == [name]
    assert opened.unread[name].harmless


def test_a_list_of_lines_is_no_table_but_a_table_in_text_is_data(folder: Path) -> None:
    (folder / "test-ids.txt").write_text("a1\na2\n")
    assert Tables.open(folder).unread["test-ids.txt"].reason == "a list of lines, not a table"
    (folder / "test-ids.txt").write_text("a1\trock\na2\tpop\n")
    with pytest.raises(InputError, match=r"test-ids\.txt \(\.txt is not a table format"):
        Tables.open(folder)


def test_what_riyl_writes_beside_tables_is_passed_over(folder: Path) -> None:
    (folder / "source.json").write_text("{}")
    assert Tables.open(folder).unread == {}


def test_a_table_is_no_unread_file(folder: Path) -> None:
    assert unread(folder / "artists.csv") is None
