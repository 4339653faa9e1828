"""Two catalogs made one: who is the same artist, whose id and word counts, and what happens to every row."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InputError, MismatchError
from core.tables import Tables
from training.datasets.base import Notes, Report
from training.datasets.join import join, match_artists, normalised_name

Rows = list[dict[str, Any]]


def catalog(folder: Path, artists: Rows, **tables: Rows) -> Tables:
    folder.mkdir()
    for name, rows in {"artists": artists, **tables}.items():
        columns = {key: [row.get(key) for row in rows] for row in rows for key in row}
        pq.write_table(pa.table(columns), folder / f"{name}.parquet")
    return Tables.open(folder)


def artist(artist_id: str, name: str | None = None, mbid: str | None = None, **more: Any) -> dict[str, Any]:
    return {"artist_id": artist_id, "name": name or artist_id, "mbid": mbid, **more}


def joined(tmp_path: Path, a: Rows, b: Rows, **tables: tuple[Rows, Rows]) -> Report:
    """Join catalogs of these artists; a table is given as what A has and what B has, empty for none."""
    sides = [
        catalog(tmp_path / letter, artists, **{name: both[i] for name, both in tables.items() if both[i]})
        for i, (letter, artists) in enumerate((("a", a), ("b", b)))
    ]
    return join(sides[0], sides[1], tmp_path / "out")


def read(tmp_path: Path, table: str) -> Rows:
    rows: Rows = pq.read_table(tmp_path / "out" / f"{table}.parquet").to_pylist()
    return rows


def ids(tmp_path: Path) -> list[str]:
    return [row["artist_id"] for row in read(tmp_path, "artists")]


def test_artists_of_one_mbid_are_one_and_take_the_id_of_a(tmp_path: Path) -> None:
    report = joined(
        tmp_path,
        [artist("a1", "Beck", "AAAA")],
        [artist("b1", "Beck Hansen", " aaaa")],
        tags=([], [{"artist_id": "b1", "tag": "rock", "weight": 2}]),
    )
    assert ids(tmp_path) == ["a1"]
    assert read(tmp_path, "tags") == [{"artist_id": "a1", "tag": "rock", "weight": 2.0}]
    assert report.notes == {"artists matched by MusicBrainz id": 1}


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("Björk", "BJÖRK"),
        ("Björk", "Bjo\u0308rk"),
        ("AC/DC", "ac/dc"),
        ("Guns N’ Roses", "guns n’  roses "),
        ("Motörhead", "Ｍｏｔöｒｈｅａｄ"),
        ("STRAẞE", "strasse"),
        ("ﬁnal", "Final"),
        ("a\u00a0b", "A\tB"),
    ],
)
def test_names_that_look_alike_are_one_name(one: str, two: str) -> None:
    assert normalised_name(one) == normalised_name(two)


@pytest.mark.parametrize(
    ("one", "two"), [("The Beatles", "Beatles"), ("Bjork", "Björk"), ("AC/DC", "ACDC"), ("Air", "Airs")]
)
def test_names_that_differ_in_more_are_two_names(one: str, two: str) -> None:
    assert normalised_name(one) != normalised_name(two)


@given(st.text(min_size=1))
def test_a_normalised_name_stays_as_it_is(name: str) -> None:
    assert normalised_name(normalised_name(name)) == normalised_name(name)


def test_artists_of_one_name_are_one_where_nobody_else_has_it(tmp_path: Path) -> None:
    report = joined(
        tmp_path,
        [artist("a1", "Beck"), artist("a2", "Air", "aaaa"), artist("a3", "Low")],
        [artist("b1", "BECK"), artist("b2", "air"), artist("b3", "low", "cccc"), artist("b4", "New")],
    )
    assert ids(tmp_path) == ["a1", "a2", "a3", "b4"]
    assert report.notes == {"artists matched by name": 3, "artists of B added": 1}


def test_the_mbid_counts_before_the_name(tmp_path: Path) -> None:
    joined(
        tmp_path,
        [artist("a1", "Beck", "aaaa"), artist("a2", "Air")],
        [artist("b1", "Air", "aaaa")],
        similar=([], [{"artist_id": "b1", "similar_id": "b1"}]),
    )
    assert read(tmp_path, "similar") == [{"artist_id": "a1", "similar_id": "a1"}]


def test_one_name_with_two_mbids_is_two_artists(tmp_path: Path) -> None:
    report = joined(tmp_path, [artist("a1", "Air", "aaaa")], [artist("b1", "Air", "bbbb")])
    assert ids(tmp_path) == ["a1", "b1"]
    what = "artists of B left unmatched by name: A's artist of that name is another"
    assert report.notes == {what: 1, "artists of B added": 1}
    assert report.examples[what] == ("b1: air",)


def test_an_artist_of_a_is_matched_once(tmp_path: Path) -> None:
    report = joined(tmp_path, [artist("a1", "Air", "aaaa")], [artist("b1", "Air (band)", "aaaa"), artist("b2", "Air")])
    assert ids(tmp_path) == ["a1", "b2"]
    assert report.notes["artists of B left unmatched by name: A's artist of that name is another"] == 1


@pytest.mark.parametrize(
    ("a", "b", "shown"),
    [
        (["Air", "AIR"], ["Air"], ["b0: air (2 in A, 1 in B)"]),
        (["Air"], ["Air", "air"], ["b0: air (1 in A, 2 in B)", "b1: air (1 in A, 2 in B)"]),
    ],
)
def test_a_name_that_several_have_matches_nobody(tmp_path: Path, a: list[str], b: list[str], shown: list[str]) -> None:
    report = joined(
        tmp_path,
        [artist(f"a{i}", name) for i, name in enumerate(a)],
        [artist(f"b{i}", name) for i, name in enumerate(b)],
    )
    assert len(ids(tmp_path)) == 3
    assert report.notes == {
        "artists of B left unmatched by name: it is ambiguous": len(b),
        "artists of B added": len(b),
    }
    assert list(report.examples["artists of B left unmatched by name: it is ambiguous"]) == shown


def test_a_name_shared_with_a_matched_artist_is_still_ambiguous(tmp_path: Path) -> None:
    joined(
        tmp_path, [artist("a1", "Air", "aaaa"), artist("a2", "Air")], [artist("b1", "Air", "aaaa"), artist("b2", "Air")]
    )
    assert ids(tmp_path) == ["a1", "a2", "b2"]


def test_an_mbid_that_several_have_matches_nobody_but_the_name_may(tmp_path: Path) -> None:
    report = joined(
        tmp_path,
        [artist("a1", "Air", "aaaa"), artist("a2", "Low", "aaaa")],
        [artist("b1", "Air", "aaaa"), artist("b2", "Mum", "aaaa")],
    )
    assert ids(tmp_path) == ["a1", "a2", "b2"]
    assert report.notes == {
        "artists of B left unmatched by MusicBrainz id: it is ambiguous": 2,
        "artists matched by name": 1,
        "artists of B added": 1,
    }


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
    assert report.notes["artists of B whose id A has for another, so that it got 'b:' before it"] == 2


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
    assert report.notes["listeners of B whose id A has too, so that it got 'b:' before it"] == 1


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
    assert report.notes["similar: pair left out, it stands there already"] == 2


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
        "A, tags.parquet: row left out of an artist that artists has not": ("row 1: 2",),
        "B, tags.parquet: row left out of an artist that artists has not": ("row 1: 1",),
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
    with pytest.raises(InputError, match="found a folder with something in it"):
        joined(tmp_path, [artist("a1")], [artist("b1")])


def test_licences_and_citations_of_both_are_kept(tmp_path: Path) -> None:
    a = catalog(tmp_path / "a", [artist("a1")])
    b = catalog(tmp_path / "b", [artist("b1")])
    (tmp_path / "a" / "source.json").write_text('{"dataset": "one", "licence": "CC0", "citation": "X 2011"}')
    (tmp_path / "b" / "source.json").write_text('{"dataset": "two", "licence": "research", "citation": ""}')
    join(a, b, tmp_path / "out")
    said = json.loads((tmp_path / "out" / "source.json").read_text())
    assert (said["dataset"], said["licence"], said["citation"]) == ("one + two", "CC0 + research", "X 2011")
    assert said["rows"] == {"artists": 2}


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


ARTISTS = st.lists(
    st.builds(
        artist,
        st.sampled_from(["1", "2", "3", "b:1", "b:2"]),
        st.sampled_from(["Air", "air", "Low", "Mum", "New"]),
        st.sampled_from([None, "aaaa", "AAAA", "bbbb", "cccc"]),
    ),
    min_size=1,
    max_size=5,
    unique_by=lambda row: row["artist_id"],
)


def naive_matches(a: Rows, b: Rows) -> dict[str, str]:
    """Id in A by id in B, found by comparing every artist with every other."""

    def alone(key: str, value: str, side: Rows) -> bool:
        return sum(row[key] is not None and row[key].lower() == value for row in side) == 1

    found = {}
    for theirs in b:
        for ours in a:
            if None not in (theirs["mbid"], ours["mbid"]) and theirs["mbid"].lower() == ours["mbid"].lower():
                mbid = theirs["mbid"].lower()
                if alone("mbid", mbid, a) and alone("mbid", mbid, b):
                    found[theirs["artist_id"]] = ours["artist_id"]
    taken = set(found.values())
    for theirs in b:
        for ours in a:
            name = theirs["name"].lower()
            free = theirs["artist_id"] not in found and ours["artist_id"] not in taken
            if free and name == ours["name"].lower() and alone("name", name, a) and alone("name", name, b):
                mbids = {row["mbid"].lower() for row in (theirs, ours) if row["mbid"]}
                if len(mbids) < 2:
                    found[theirs["artist_id"]] = ours["artist_id"]
    return found


@given(ARTISTS, ARTISTS)
def test_matches_are_those_of_a_naive_comparison_and_ids_stay_different(a: Rows, b: Rows) -> None:
    kinds = pa.schema([(column, pa.string()) for column in ("artist_id", "name", "mbid")])
    match = match_artists(pa.Table.from_pylist(a, kinds), pa.Table.from_pylist(b, kinds), Notes())
    wanted = naive_matches(a, b)
    assert {
        theirs["artist_id"]: a[row]["artist_id"] for theirs, row in zip(b, match.rows, strict=True) if row >= 0
    } == wanted
    ours = {row["artist_id"] for row in a}
    new_ids = {row["artist_id"]: match.ids.get(row["artist_id"], row["artist_id"]) for row in b}
    assert {old: new for old, new in new_ids.items() if new in ours} == wanted
    assert len(set(new_ids.values())) == len(b)
