"""The artists table: sorted by id, without duplicates, with attributes of few types."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

import riyl.core.catalog.tables
from riyl.core.catalog.notes import Notes
from riyl.core.errors import TableError
from tests.core.catalog.folders import put, refusal, rows


def test_an_attribute_has_the_type_of_its_whole_column(tmp_path: Path) -> None:
    good = "".join(f"a{i},some name,1990,\n" for i in range(60_000))
    notes = Notes()
    artists = put(tmp_path, artists=f"artist_id,name,year,late\n{good}b,c,ca. 1990,7\n").artists(notes)
    assert artists.schema.field("year").type == pa.string()
    assert artists.column("year").to_pylist() == ["1990"] * 60_000 + ["ca. 1990"]
    assert artists.column("late").to_pylist() == [None] * 60_000 + [7]
    assert notes.examples == {
        "artists.csv: value that keeps column 'year' text: not a number, or not in its canonical spelling": (
            "row 60001: 'ca. 1990'",
        )
    }


def test_columns_nobody_knows_are_dropped_but_of_artists_they_are_attributes(tmp_path: Path) -> None:
    tables = put(
        tmp_path,
        artists="artist_id,name,country\na,A,NO\n",
        tags="artist_id,tag,weight,comment\na,rock,1,hm\n",
    )
    assert tables.artists().column_names == ["artist_id", "name", "country", "mbid", "aliases"]
    assert rows(tables, "tags") == [{"artist_id": "a", "tag": "rock", "weight": 1.0}]


def test_attributes_come_out_in_few_types(tmp_path: Path) -> None:
    table = pa.table(
        {
            "artist_id": ["a"],
            "name": ["A"],
            "genre": pa.array(["jazz"]).dictionary_encode(),
            "year": pa.array([1990], pa.uint16()),
            "fame": pa.array([0.5], pa.float32()),
            "live": [True],
            "born": [date(1990, 5, 1)],
        }
    )
    artists = put(tmp_path, artists=table).artists()
    assert {n: artists.schema.field(n).type for n in ("genre", "year", "fame", "live", "born")} == {
        "genre": pa.string(),
        "year": pa.int64(),
        "fame": pa.float64(),
        "live": pa.bool_(),
        "born": pa.string(),
    }
    assert artists.column("born").to_pylist() == ["1990-05-01"]


def test_csv_attributes_get_their_type_from_what_stands_there(tmp_path: Path) -> None:
    artists = put(tmp_path, artists="artist_id,name,year,live,born\na,A,1990,true,1990-05-01\nb,B,,,\n").artists()
    assert artists.column("year").to_pylist() == [1990, None]
    assert artists.column("live").to_pylist() == [True, None]
    assert artists.column("born").to_pylist() == ["1990-05-01", None]


def test_an_attribute_of_another_type_is_refused(tmp_path: Path) -> None:
    table = pa.table({"artist_id": ["a"], "name": ["A"], "genres": [["rock"]]})
    assert refusal(tmp_path, "artists", table).endswith(
        "in attribute 'genres'; wanted text, whole numbers, numbers or true/false"
    )


def test_an_artist_id_that_stands_twice_is_refused_with_both_rows(tmp_path: Path) -> None:
    tables = put(tmp_path, artists="artist_id,name\nb,B\na,A\nc,C\na,Other\n")
    with pytest.raises(TableError) as caught:
        tables.artists()
    assert str(caught.value) == (
        f"{tmp_path}/artists.csv, row 4: found artist_id 'a' again (first in row 2); wanted each artist_id once"
    )


def test_artists_are_sorted_by_id_and_whole(tmp_path: Path) -> None:
    artists = put(tmp_path, artists="artist_id,name\nb,B\na,A\nB,C\n").artists()
    assert artists.to_pydict() == {
        "artist_id": ["B", "a", "b"],
        "name": ["C", "A", "B"],
        "mbid": [None, None, None],
        "aliases": [None, None, None],
    }
    assert artists.schema.types == [pa.string(), pa.string(), pa.string(), pa.list_(pa.string())]


def test_an_artist_that_stands_twice_is_found_over_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(riyl.core.catalog.tables, "BATCH_ROWS", 2)
    tables = put(tmp_path, artists=pa.table({"artist_id": ["a", "b", "c", "a"], "name": ["x"] * 4}))
    with pytest.raises(TableError, match=r"row 4: found artist_id 'a' again \(first in row 1\)"):
        tables.artists()


def test_mbids_and_aliases_that_stand_for_nothing_are_none_and_counted(tmp_path: Path) -> None:
    notes = Notes()
    text = 'artist_id,name,mbid,aliases\na,A,NULL,NaN\nb,B,00000000-0000-0000-0000-000000000000,"[""x"", ""None""]"\n'
    artists = put(tmp_path, artists=text + "c,C,m-1,\n").artists(notes)
    assert artists.column("mbid").to_pylist() == [None, None, "m-1"]
    assert artists.column("aliases").to_pylist() == [None, ["x"], None]
    assert notes.counts == {
        "artists.csv: value of column 'mbid' read as missing": 2,
        "artists.csv: value of column 'aliases' read as missing": 2,
    }


@pytest.mark.parametrize("name", ["", " ", "Unnamed: 0", "Unnamed: 0.1", "__index_level_0__"])
def test_a_column_without_a_name_is_no_attribute(tmp_path: Path, name: str) -> None:
    notes = Notes()
    artists = put(tmp_path, artists=pa.table({name: [0], "artist_id": ["a"], "name": ["A"]})).artists(notes)
    assert artists.column_names == ["artist_id", "name", "mbid", "aliases"]
    assert notes.columns == {"artists.parquet": {name: "it has no name"}}
