"""Join of two catalogs: which id and which values the result has, and what happens to every row."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from riyl.core.catalog.tables import Tables
from riyl.core.errors import InputError, MismatchError
from riyl.training.datasets.join import join
from tests.training.datasets.catalogs import Rows, artist, catalog, ids, joined, read


def test_an_id_that_a_uses_for_another_artist_gets_a_prefix(tmp_path: Path) -> None:
    report = joined(
        tmp_path,
        [artist("1", "Air"), artist("2", "Low"), artist("b:2", "Odd")],
        [artist("1", "Mum"), artist("2", "New"), artist("3", "Air"), artist("4", "Own")],
        plays=([], [{"user_id": "u", "artist_id": i, "count": 1} for i in ("1", "2", "3", "4")]),
    )
    assert {row["artist_id"]: row["name"] for row in read(tmp_path, "artists")} == {
        "1": "Air",
        "2": "Low",
        "b:2": "Odd",
        "b:1": "Mum",
        "b:b:2": "New",
        "4": "Own",
    }
    assert [row["artist_id"] for row in read(tmp_path, "plays")] == ["b:1", "b:b:2", "1", "4"]
    assert report.notes["artists of B whose id A has for another artist; their id got the prefix 'b:'"] == 2


def test_a_matched_artist_keeps_the_word_of_a_and_gains_what_a_leaves_open(tmp_path: Path) -> None:
    joined(
        tmp_path,
        [artist("a1", "Beck", None, country="US", aliases=None), artist("a2", "Low", None, country=None)],
        [
            artist("b1", "beck", "aaaa", country="DE", aliases=["Bek"], partition="test"),
            artist("b2", "New", None, country="FR", aliases=None, partition="train"),
        ],
    )
    assert read(tmp_path, "artists") == [
        {"artist_id": "a1", "name": "Beck", "mbid": "aaaa", "country": "US", "aliases": ["Bek"], "partition": "test"},
        {"artist_id": "a2", "name": "Low", "mbid": None, "country": None, "aliases": None, "partition": None},
        {"artist_id": "b2", "name": "New", "mbid": None, "country": "FR", "aliases": None, "partition": "train"},
    ]


def test_numbers_of_two_types_become_one(tmp_path: Path) -> None:
    joined(tmp_path, [artist("a1", fame=1, year=None)], [artist("b1", fame=0.5, year=1990)])
    assert [(row["fame"], row["year"]) for row in read(tmp_path, "artists")] == [(1.0, None), (0.5, 1990)]


def test_an_attribute_of_two_kinds_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MismatchError) as caught:
        joined(tmp_path, [artist("a1", year=1990)], [artist("b1", year="long ago")])
    assert str(caught.value) == "attribute 'year' of artists: found int64 in A and string in B; wanted the same in both"
    assert not (tmp_path / "out").exists()


def test_tables_of_both_are_put_one_after_the_other(tmp_path: Path) -> None:
    report = joined(
        tmp_path,
        [artist("a1", "Air"), artist("a2", "Low")],
        [artist("b1", "Air"), artist("b2", "New")],
        tags=(
            [{"artist_id": "a1", "tag": "rock", "weight": 1}],
            [{"artist_id": "b1", "tag": "rock", "weight": 2}, {"artist_id": "b2", "tag": "pop", "weight": 3}],
        ),
        audio=([{"artist_id": "a1", "vector": [1.0, 2.0]}], [{"artist_id": "b1", "vector": [3.0, 4.0]}]),
        mood=([], [{"artist_id": "b2", "vector": [1.0]}]),
    )
    assert [tuple(row.values()) for row in read(tmp_path, "tags")] == [
        ("a1", "rock", 1.0),
        ("a1", "rock", 2.0),
        ("b2", "pop", 3.0),
    ]
    assert [tuple(row.values()) for row in read(tmp_path, "audio")] == [("a1", [1, 2]), ("a1", [3, 4])]
    assert report.rows == {"artists": 3, "audio": 2, "mood": 1, "tags": 3}


def test_listeners_of_b_are_other_people(tmp_path: Path) -> None:
    both = [artist("a1", "Air")]
    play = {"artist_id": "a1", "count": 1}
    report = joined(
        tmp_path,
        both,
        both,
        plays=([{"user_id": "1", **play}, {"user_id": "b:1", **play}], [{"user_id": u, **play} for u in ("1", "2")]),
    )
    assert [row["user_id"] for row in read(tmp_path, "plays")] == ["1", "b:1", "b:b:1", "2"]
    assert report.notes["listeners of B whose id A also has; their id got the prefix 'b:'"] == 1


def test_similar_pairs_are_mapped_and_stand_once_in_each_direction(tmp_path: Path) -> None:
    def pairs(*both: str) -> Rows:
        return [{"artist_id": p.split("-")[0], "similar_id": p.split("-")[1]} for p in both]

    report = joined(
        tmp_path,
        [artist("a1", "Air"), artist("a2", "Low")],
        [artist("b1", "Air"), artist("b2", "Low"), artist("b3", "New")],
        similar=(pairs("a1-a2", "a1-a2"), pairs("b1-b2", "b2-b1", "b1-b3")),
    )
    assert [tuple(row.values()) for row in read(tmp_path, "similar")] == [("a1", "a2"), ("a1", "b3"), ("a2", "a1")]
    assert report.notes["similar: pair left out, a duplicate"] == 2


def test_rows_of_artists_that_their_catalog_has_not_are_left_out_and_shown(tmp_path: Path) -> None:
    report = joined(
        tmp_path,
        [artist("1", "Air")],
        [artist("2", "Low")],
        tags=(
            [{"artist_id": "2", "tag": "x", "weight": 1}, {"artist_id": "1", "tag": "x", "weight": 1}],
            [{"artist_id": "1", "tag": "y", "weight": 1}, {"artist_id": "2", "tag": "y", "weight": 1}],
        ),
    )
    assert [tuple(row.values()) for row in read(tmp_path, "tags")] == [("1", "x", 1.0), ("2", "y", 1.0)]
    assert report.examples == {
        "A, tags.parquet: row left out of an artist that the artists table lacks": ("row 1: 2",),
        "B, tags.parquet: row left out of an artist that the artists table lacks": ("row 1: 1",),
    }


def test_vectors_of_different_widths_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MismatchError) as caught:
        joined(
            tmp_path,
            [artist("a1")],
            [artist("b1")],
            audio=([{"artist_id": "a1", "vector": [1.0, 2.0]}], [{"artist_id": "b1", "vector": [3.0]}]),
        )
    assert str(caught.value) == (
        "table audio: found 2 numbers a vector in A and 1 numbers a vector in B; wanted the same in both"
    )
    assert not (tmp_path / "out").exists()


def test_weights_and_vectors_in_one_table_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MismatchError, match="table tags: found no numbers a vector in A and 1 numbers a vector in B"):
        joined(
            tmp_path,
            [artist("a1")],
            [artist("b1")],
            tags=([{"artist_id": "a1", "tag": "x", "weight": 1}], [{"artist_id": "b1", "vector": [3.0]}]),
        )


def test_plays_and_ready_cf_vectors_are_refused(tmp_path: Path) -> None:
    a = catalog(tmp_path / "a", [artist("a1")], plays=[{"user_id": "u", "artist_id": "a1", "count": 1}])
    b = catalog(tmp_path / "b", [artist("b1")], cf=[{"artist_id": "b1", "vector": [1.0]}])
    with pytest.raises(MismatchError, match="found plays in A and cf in B; wanted one of them in both"):
        join(a, b, tmp_path / "out")


def test_there_must_be_nothing_where_the_tables_go(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("x")
    with pytest.raises(InputError, match="found a folder that is not empty"):
        joined(tmp_path, [artist("a1")], [artist("b1")])


def test_licences_and_citations_of_both_are_kept(tmp_path: Path) -> None:
    a = catalog(tmp_path / "a", [artist("a1")])
    b = catalog(tmp_path / "b", [artist("b1")])
    (tmp_path / "a" / "source.json").write_text('{"dataset": "one", "licence": "CC0", "citation": "X 2011"}')
    (tmp_path / "b" / "source.json").write_text('{"dataset": "two", "licence": "research", "citation": ""}')
    join(a, b, tmp_path / "out")
    source = json.loads((tmp_path / "out" / "source.json").read_text())
    assert (source["dataset"], source["licence"], source["citation"]) == ("one + two", "CC0 + research", "X 2011")
    assert source["rows"] == {"artists": 2}


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff"])
def test_where_a_folder_does_not_say_where_it_comes_from_its_name_is_taken(tmp_path: Path, content: bytes) -> None:
    a = catalog(tmp_path / "a", [artist("a1")])
    b = catalog(tmp_path / "b", [artist("b1")])
    (tmp_path / "a" / "source.json").write_bytes(content)
    join(a, b, tmp_path / "out")
    assert json.loads((tmp_path / "out" / "source.json").read_text())["dataset"] == "a + b"


def test_three_catalogs_can_be_joined(tmp_path: Path) -> None:
    for letter, name in (("a", "Air"), ("b", "Low"), ("c", "Mum")):
        catalog(tmp_path / letter, [artist("1", name)], plays=[{"user_id": "7", "artist_id": "1", "count": 1}])
    join(Tables.open(tmp_path / "a"), Tables.open(tmp_path / "b"), tmp_path / "ab")
    join(Tables.open(tmp_path / "ab"), Tables.open(tmp_path / "c"), tmp_path / "out")
    assert ids(tmp_path) == ["1", "b:1", "b:b:1"]
    assert [row["user_id"] for row in read(tmp_path, "plays")] == ["7", "b:7", "b:b:7"]
