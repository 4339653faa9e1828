"""Tests of `riyl data tables`, `riyl snapshot build` and `riyl demo` on realistic folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from riyl.core.errors import InputError
from tests.app.conftest import as_json, riyl
from tests.conftest import small_world


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Create a catalog in CSV with many of the oddities that occur in practice."""
    catalog_folder = tmp_path / "given"
    catalog_folder.mkdir()
    (catalog_folder / "artists.csv").write_text(
        ',artist_id,name,mbid,isni,year\n0,a,Ann,nan,0000000121032683,1990\n1,b,12" Bob,\\N,0000000121032691,ca. 1990\n'
    )
    (catalog_folder / "tags.csv").write_text(
        "artist_id,tag,weight,by\na,rock,1,x\na,NULL,1,x\nzz,rock,2,x\nb,rock,1,y\n"
    )
    (catalog_folder / "README.md").write_text("about")
    return catalog_folder


def test_rows_columns_values_and_files_are_accounted_for(folder: Path, tmp_path: Path) -> None:
    output = as_json(tmp_path / "home", "data", "tables", str(folder), str(tmp_path / "out"))
    assert output["read"] == {"artists": 2, "tags": 4}
    assert output["rows"] == {"artists": 2, "tags": 3}
    assert output["skipped_rows"] == {"tags": {"of a tag that stands for nothing": 1}}
    assert output["columns"] == {
        "artists.csv": {"": "it has no name"},
        "tags.csv": {"by": "only the artists table has attributes"},
    }
    assert output["files"] == {"README.md": "a document"}
    assert output["notes"]["artists.csv: value of column 'mbid' read as missing"] == 2


def test_a_person_reads_the_same(folder: Path, tmp_path: Path) -> None:
    printed = riyl(tmp_path / "home", "data", "tables", str(folder), str(tmp_path / "out")).stdout
    assert "tags: 4 rows read, 3 kept; skipped 1 of a tag that stands for nothing" in printed
    assert "row 2: 'ca. 1990'" in printed
    assert "artists.csv: column '' is not read: it has no name" in printed
    assert "README.md is not read: a document" in printed


@pytest.mark.parametrize(
    "command", ["data tables IN OUT", "data join IN IN OUT", "snapshot build IN", "demo IN --no-serve"]
)
def test_a_file_that_is_not_read_stops_every_command(command: str, tmp_path: Path) -> None:
    folder = small_world(tmp_path / "given")
    (folder / "mood.npy").write_bytes(b"x")
    places = {"IN": str(folder), "OUT": str(tmp_path / "out")}
    with pytest.raises(InputError, match=r"found entries that are not read: mood\.npy .*--ignore-unread"):
        riyl(tmp_path / "home", *(places.get(each, each) for each in command.split()))


def test_told_so_a_snapshot_is_built_without_it_and_says_what_became_of_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = small_world(tmp_path / "given")
    (folder / "mood.npy").write_bytes(b"x")
    printed = riyl(tmp_path / "home", "snapshot", "build", str(folder), "--ignore-unread").stdout
    assert "artists: 60 rows read, 60 kept" in printed
    assert "audio: 118 rows read, 118 kept" in printed
    assert "mood.npy is not read: .npy is not a table format" in printed
    output = as_json(tmp_path / "home", "snapshot", "build", str(folder), "--ignore-unread")
    assert output["rows"]["similar"]["skipped"] == {}
    assert output["files_not_read"].keys() == {"mood.npy"}
