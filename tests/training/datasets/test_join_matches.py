"""Join of two catalogs: artists are matched by MusicBrainz id or by name."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riyl.training.datasets.base import Notes
from riyl.training.datasets.join_matches import match_artists
from tests.training.datasets.catalogs import Rows, artist, ids, joined, read


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


def are_one(tmp_path: Path, first: str, second: str) -> bool:
    joined(tmp_path, [artist("a1", first)], [artist("b1", second)])
    return ids(tmp_path) == ["a1"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Björk", "BJÖRK"),
        ("Björk", "Bjo\u0308rk"),
        ("Guns N’ Roses", "guns n’  roses "),
        ("Motörhead", "Ｍｏｔöｒｈｅａｄ"),
        ("STRAẞE", "strasse"),
        ("ﬁnal", "Final"),
        ("a\u00a0b", "A\tB"),
        ("Bjork", "Björk"),
        ("AC/DC", "ACDC"),
        ("Guns N’ Roses", "Guns n' Roses"),
        ("JAY‐Z", "Jay Z"),
    ],
)
def test_names_that_look_alike_are_one_name(tmp_path: Path, first: str, second: str) -> None:
    assert are_one(tmp_path, first, second)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("The Beatles", "Beatles"),
        ("Iron & Wine", "Iron and Wine"),
        ("Air", "Airs"),
        ("バンド", "ハント"),
        ("!!!", "???"),
    ],
)
def test_names_that_differ_in_more_are_two_names(tmp_path: Path, first: str, second: str) -> None:
    assert not are_one(tmp_path, first, second)


def test_a_spelling_counts_where_no_name_is_the_same_and_no_other_artist_has_it(tmp_path: Path) -> None:
    report = joined(
        tmp_path,
        [artist("a1", "Björk"), artist("a2", "A-ha"), artist("a3", "Moe"), artist("a4", "Moé")],
        [artist("b1", "Bjork"), artist("b2", "a ha"), artist("b3", "Aha"), artist("b4", "moe")],
    )
    assert ids(tmp_path) == ["a1", "a2", "a3", "a4", "b2", "b3"]
    assert report.notes == {
        "artists matched by name": 2,
        "artists of B not matched by name: it is ambiguous": 2,
        "artists of B added": 2,
    }
    assert report.examples["artists of B not matched by name: it is ambiguous"] == (
        "b2: a ha (1 in A, 2 in B)",
        "b3: Aha (1 in A, 2 in B)",
    )


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
    what = "artists of B not matched by name: A's artist of that name is a different one"
    assert report.notes == {what: 1, "artists of B added": 1}
    assert report.examples[what] == ("b1: Air",)


def test_an_artist_of_a_is_matched_once(tmp_path: Path) -> None:
    report = joined(tmp_path, [artist("a1", "Air", "aaaa")], [artist("b1", "Air (band)", "aaaa"), artist("b2", "Air")])
    assert ids(tmp_path) == ["a1", "b2"]
    assert report.notes["artists of B not matched by name: A's artist of that name is a different one"] == 1


@pytest.mark.parametrize(
    ("a", "b", "shown"),
    [
        (["Air", "AIR"], ["Air"], ["b0: Air (2 in A, 1 in B)"]),
        (["Air"], ["Air", "air"], ["b0: Air (1 in A, 2 in B)", "b1: air (1 in A, 2 in B)"]),
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
        "artists of B not matched by name: it is ambiguous": len(b),
        "artists of B added": len(b),
    }
    assert list(report.examples["artists of B not matched by name: it is ambiguous"]) == shown


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
        "artists of B not matched by MusicBrainz id: it is ambiguous": 2,
        "artists matched by name": 1,
        "artists of B added": 1,
    }


ARTISTS = st.lists(
    st.builds(
        artist,
        st.sampled_from(["1", "2", "3", "b:1", "b:2"]),
        st.sampled_from(["Air", "air", "Low", "A-ha", "aha", "a ha"]),
        st.sampled_from([None, "aaaa", "AAAA", "bbbb", "cccc"]),
    ),
    min_size=1,
    max_size=5,
    unique_by=lambda row: row["artist_id"],
)


def name_is_like(first: str, second: str) -> bool:
    """Compare two of the names of ARTISTS as people would: the hyphen is a blank or nothing."""
    return first == second or {first, second} in ({"a-ha", "aha"}, {"a-ha", "a ha"})


def naive_matches(a: Rows, b: Rows) -> dict[str, str]:
    """Match ids of B to ids of A by comparing every artist with every other."""

    def alike(key: str, first: Rows, second: Rows, like: Callable[[str, str], bool]) -> list[tuple[str, str]]:
        """Return the pairs of alike artists of which none is like a third artist."""
        pairs = []
        for theirs, ours in itertools.product(second, first):
            both = [theirs[key], ours[key]]
            if None not in both and like(*(value.lower() for value in both)):
                others = [row for row in (*first, *second) if row is not theirs and row is not ours and row[key]]
                if not any(like(value.lower(), row[key].lower()) for value in both for row in others):
                    pairs.append((theirs["artist_id"], ours["artist_id"]))
        return pairs

    mbid_of = [{row["artist_id"]: (row["mbid"] or "").lower() for row in side} for side in (a, b)]
    by_mbid = dict(alike("mbid", a, b, str.__eq__))
    matches = dict(by_mbid)
    same = {row["name"].lower() for row in a}
    unlike = [row["artist_id"] for row in b if row["name"].lower() not in same]
    for level, like in enumerate((str.__eq__, name_is_like)):
        for theirs, ours in alike("name", a, b, like):
            mbids = {mbid_of[0][ours], mbid_of[1][theirs]} - {""}
            free = theirs not in matches and ours not in by_mbid.values() and (level == 0 or theirs in unlike)
            if free and len(mbids) < 2:
                matches[theirs] = ours
    return matches


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
