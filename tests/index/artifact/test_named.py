"""Names as people type them lead to the artist, level by level: in a version, beside live artists, and in format 3."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riyl.core.catalog.name_forms import bare, same, spellings
from riyl.index.artifact.names import LiveNames, NameIndex, write_names
from riyl.index.artifact.version import FORMAT, Version
from tests.conftest import REPOSITORY
from tests.sealed_folders import sealed_files

# By popularity: the first is the most popular.
NAMES = [
    ["The Beatles"],
    ["Guns N’ Roses", "GNR"],
    ["Simon & Garfunkel"],
    ["AC/DC"],
    ["JAY‐Z"],
    ["Wu-Tang Clan"],
    ["a-ha"],
    ["Björk"],
    ["Bjork"],
    ["Sigur Rós"],
    ["宇多田ヒカル", "Utada Hikaru (宇多田ヒカル)"],
    ["P!nk"],
    ["Ke$ha"],
    ["!!!"],
    ["+/-"],
    ["The The"],
    ["The"],
    ["A"],
    ["&"],
    ["Beatles"],
    ["The Leaves"],
    ["Leaves"],
    ["Wu Tang Clan"],
    ["R.E.M."],
    ["The Pierces"],
    ["Pierces, Thé"],
    ["N’ Sync", "'N Sync"],
    [" \t "],
]

PIECES = [*" -'&./!aré", "the ", "THE", ", the", " and ", "ac", "dc", "wu", "tang", "clan", "leaves", "simon"]


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> NameIndex:
    return written(tmp_path_factory.mktemp("names") / "names", NAMES)


@pytest.fixture(scope="module")
def names_and_live(tmp_path_factory: pytest.TempPathFactory) -> NameIndex:
    """Return an index of the same artists, of which every second one is live, with the rows of the others first."""
    return with_live(written(tmp_path_factory.mktemp("live") / "names", NAMES[::2]), NAMES[1::2])


def written(folder: Path, names: Sequence[Sequence[str]]) -> NameIndex:
    order = np.arange(len(names), dtype=np.int32)
    write_names(folder, names, order)
    return NameIndex.open(sealed_files(folder.parent).in_folder(folder.name), order, FORMAT)


def with_live(index: NameIndex, live: Sequence[Sequence[str]], first: int | None = None) -> NameIndex:
    first = (len(NAMES) + 1) // 2 if first is None else first
    others = LiveNames(first)
    for row, spelled in enumerate(live, first):
        others.add(row, spelled, 1)
    others.commit()
    return index.joined_with(others, lambda row: row)


def naive_named(names: Sequence[Sequence[str]], typed: str) -> list[int]:
    """Return the rows that fit at the first level at which any fits, by comparing with every artist."""
    levels: list[Callable[[str], Sequence[str]]] = [
        lambda name: [same(name)] if same(name) else [],
        spellings,
        lambda name: bare(spellings(name)),
    ]
    for forms in levels:
        wanted = {*forms(typed)}
        if rows := [row for row, spelled in enumerate(names) if any(wanted & {*forms(name)} for name in spelled)]:
            return rows
    return []


@pytest.mark.parametrize(
    ("typed", "rows"),
    [
        (["the beatles", "THE BEATLES", "Ｔｈｅ Beatles", "The-Beatles"], [0]),
        (["beatles"], [19]),
        (["Beatles, The", "the the beatles"], [0, 19]),
        (["guns n roses", "Guns N' Roses", "GUNS N ROSES", "guns and roses", "Guns & Roses", "gnr"], [1]),
        (["simon and garfunkel", "Simon + Garfunkel", "simon n garfunkel"], [2]),
        (["acdc", "ac dc", "ac-dc", "A.C./D.C.", "AC⁄DC"], [3]),
        (["jay z", "Jay-Z", "jayz", "JAY–Z"], [4]),
        (["Wu-Tang Clan"], [5]),
        (["wu tang clan"], [22]),
        (["Wu‐Tang Clan"], [5, 22]),
        (["wu/tang clan"], [5, 22]),
        (["aha", "A ha", "The a-ha"], [6]),
        (["björk"], [7]),
        (["bjork"], [8]),
        (["bjørk"], [7, 8]),
        (["sigur ros"], [9]),
        (["宇多田 ヒカル", "宇多田ﾋｶﾙ", "utada hikaru宇多田ヒカル"], [10]),
        (["pink", "P!NK"], [11]),
        (["kesha"], [12]),
        (["!!!", "！！！", "! ! !"], [13]),
        (["+/-", "+/−"], [14]),
        (["the the"], [15]),
        (["the"], [16]),
        (["a"], [17]),
        (["&"], [18]),
        (["rem", "r e m", "R.E.M"], [23]),
        (["pierces"], [24, 25]),
        (["n sync", "N-Sync"], [26]),
        (["Radiohead", "the and", "and", "", " \t ", "simon feat. garfunkel", "AC/DC feat. Björk"], []),
    ],
)
def test_a_name_as_people_type_it_leads_to_the_artist(names: NameIndex, typed: list[str], rows: list[int]) -> None:
    assert [names.named(name) for name in typed] == [rows] * len(typed)


@pytest.mark.parametrize("row", range(len(NAMES) - 1))
def test_every_name_leads_to_its_own_artist_at_the_first_level(names: NameIndex, row: int) -> None:
    for name in NAMES[row]:
        assert names.named(name) == [other for other, spelled in enumerate(NAMES) if same(name) in map(same, spelled)]
        assert row in names.named(name)


TYPED = (
    st.lists(st.sampled_from(PIECES), max_size=6).map("".join)
    | st.sampled_from([name for spelled in NAMES for name in spelled])
    | st.text(max_size=10)
)


@settings(max_examples=300, deadline=None)
@given(TYPED)
def test_the_artists_are_those_of_a_naive_comparison(names: NameIndex, names_and_live: NameIndex, typed: str) -> None:
    assert names.named(typed) == naive_named(NAMES, typed)
    assert names_and_live.named(typed) == naive_named([*NAMES[::2], *NAMES[1::2]], typed)


def test_a_level_counts_where_no_artist_that_is_there_fits_an_earlier_one(names: NameIndex) -> None:
    assert [names.named("beatles", without) for without in ({19}, {0, 19})] == [[0], []]
    assert [names.named("bjork", without) for without in ({8}, {7, 8})] == [[7], []]


@pytest.mark.parametrize(("number", "rows"), [(3, []), (4, [3])])
def test_a_version_answers_at_the_levels_that_its_format_has(number: int, rows: list[int]) -> None:
    version = Version.open(REPOSITORY / "tests" / "artifacts" / f"version-{number}")
    stored = NameIndex.open(version.files.in_folder("names"), version.by_popularity, number)
    for index in (stored, with_live(stored, [["The Artist Live"]], 16)):
        assert index.named("artist 3") == index.named("Ártist-3!") == [3]
        assert index.named("The Artist 3") == rows
        assert index.search("the artist 3", 2) == rows
    assert index.named("artist live") == [16]
    assert index.search("artist live", 1) == [16]
