from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riyl.core.catalog.name_forms import folded, words
from riyl.index.artifact.names import NameIndex, popularity_order, write_names
from riyl.index.artifact.version import FORMAT
from tests.sealed_folders import sealed_files

# By popularity: the first is the most popular.
NAMES = [
    ["Radio Futura"],
    ["Björk"],
    ["Brant Bjork"],
    ["Radiohead", "On a Friday"],
    ["Radio 4"],
    ["Radio"],
    ["Bjork", "Bjørk"],
    ["AC/DC"],
    ["R.E.M."],
    ["The Beatles"],
    ["!!!"],
    ["أم كلثوم", "Umm Kulthum"],
    ["MØ"],
    ["Guns N' Roses"],
    ["Björk"],
    ["Motörhead"],
    ["ﬁnal Form"],
    ["U2"],
    ["UB40"],
    ["Straße"],
    ["東京事変"],
    ["Sade & the \x00 Nul"],
    [" \t "],
]


def opened(folder: Path, order: np.ndarray) -> NameIndex:
    return NameIndex.open(sealed_files(folder.parent).in_folder(folder.name), order, FORMAT)


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> NameIndex:
    folder = tmp_path_factory.mktemp("names") / "names"
    order = np.arange(len(NAMES), dtype=np.int32)
    write_names(folder, NAMES, order)
    return opened(folder, order)


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("bjork", [6, 1, 14, 2]),  # equal as typed; equal without accents; prefix
        ("Björk", [1, 14, 6, 2]),
        ("BJÖRK", [1, 14, 6, 2]),
        ("bjo", [1, 2, 6, 14]),
        ("brant bj", [2]),
        ("bjork brant", [2]),
        ("radio", [5, 0, 3, 4]),  # exact first, then prefixes by popularity
        ("radiohed", [3]),
        ("raidohead", [3]),
        ("radio head", [3]),
        ("radiohea", [3]),
        ("on a friday", [3]),
        ("on a firday", [3]),
        ("acdc", [7]),
        ("ac dc", [7]),
        ("ac/dc", [7]),
        ("rem", [8]),
        ("r.e.m", [8]),
        ("beatles", [9]),
        ("the beatls", [9]),
        ("the beat", [9]),
        ("!!!", [10]),
        ("أم كلثوم", [11]),
        ("umm kult", [11]),
        ("mo", [12, 15]),
        ("motorhead", [15]),
        ("guns n roses", [13]),
        ("guns and roses", [13]),
        ("beatles, the", [9]),
        ("radiohead feat. björk", [3]),
        ("radio with brant bjork", [5, 0, 3, 4]),
        ("final", [16]),
        ("ub4", [18]),
        ("u2", [17]),
        ("strasse", [19]),
        ("東京", [20]),
        ("sade & the", [21]),
        ("nobody at all", []),
    ],
)
def test_what_is_typed_finds_who_is_meant(names: NameIndex, text: str, rows: list[int]) -> None:
    assert names.search(text, 10) == rows


def test_the_limit_is_kept_and_the_best_stay(names: NameIndex) -> None:
    assert names.search("radio", 2) == [5, 0]
    assert names.search("radio", 1) == [5]
    assert names.search("radio", 0) == names.search("radio", -1) == []


@pytest.mark.parametrize(
    ("spellings", "rows"),
    [
        (["björk", "BJÖRK", "Bjo\u0308rk"], [1, 14]),
        (["bjork", "bjørk"], [6]),
        (["motorhead"], [15]),
        (["On A Friday"], [3]),
        (["radio"], [5]),
        (["FINAL FORM"], [16]),
        (["Radiohed", "", " \t "], []),
    ],
)
def test_an_equal_name_or_alias_is_found_and_with_accents_first(
    names: NameIndex, spellings: list[str], rows: list[int]
) -> None:
    assert [names.named(spelling) for spelling in spellings] == [rows] * len(spellings)


ODD = [
    *(
        "",
        " ",
        "\x00",
        "\x00\x00a",
        "\ud800",
        "\u0301",
        "\u202e",
        "\ufeff",
        "a" * 10_000,
        "x y " * 2_500,
        "\u0301" * 10_000,
    ),
    *(
        '"',
        "AND",
        "OR NOT",
        "a AND (",
        "name:*",
        "[a TO b]",
        "folded:radio",
        "/re(/",
        "~1",
        "*",
        "\\",
        "a^b",
        "{",
        "-a +b",
    ),
    *("<script>alert(1)</script>", "'; DROP TABLE artists; --", "%00", "../../etc/passwd", "👩‍👩‍👧", "ߛ", "שָׁלוֹם"),
    *("\n".join("ab"), "ﷺ", "İ", "ǅ", "\U0010ffff", "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢", "-" * 10_000, "é" * 5_000),
]


@settings(max_examples=400, deadline=None)
@given(st.text(max_size=60) | st.text("abdeiorj/' .*\"", max_size=30))
def test_any_text_gives_a_list(names: NameIndex, text: str) -> None:
    rows = names.search(text, 5)
    assert len(rows) == len(set(rows)) <= 5
    assert all(0 <= row < len(NAMES) for row in rows + names.named(text))


@pytest.mark.parametrize("text", ODD, ids=range(len(ODD)))
def test_odd_text_gives_a_list(names: NameIndex, text: str) -> None:
    assert isinstance(names.search(text, 5), list)
    assert isinstance(names.named(text), list)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(NAMES) - 2), st.data())
def test_every_beginning_of_a_name_finds_it(names: NameIndex, row: int, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(NAMES[row]))
    length = data.draw(st.integers(1, len(name)))
    if folded(name[:length]):
        assert row in names.search(name[:length], len(NAMES))
    assert row in names.search(name.upper(), len(NAMES))


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([3, 9, 11, 13, 15]), st.data())
def test_one_typo_in_a_long_word_is_forgiven(names: NameIndex, row: int, data: st.DataObject) -> None:
    text = folded(NAMES[row][-1])
    max_terms = max(words(text), key=len)
    position = text.index(max_terms) + data.draw(st.integers(1, len(max_terms) - 1))
    letter = data.draw(st.sampled_from("abcxyz"))
    kind = data.draw(st.sampled_from(["drop", "put", "change"]))
    end = position if kind == "put" else position + 1
    assert row in names.search(text[:position] + ("" if kind == "drop" else letter) + text[end:], len(NAMES))


def test_the_most_listened_to_come_first_then_the_most_played_then_the_first() -> None:
    order = popularity_order(np.array([1, 5, 5, 5, 0]), np.array([9.0, 2.0, 7.0, 7.0, 0.0]))
    assert order.tolist() == [2, 3, 1, 0, 4]


def test_rows_come_back_however_popular_they_are(tmp_path: Path) -> None:
    order = np.array([2, 0, 1], np.int32)
    write_names(tmp_path / "n", [["Same"], ["Same"], ["Same"]], order)
    assert opened(tmp_path / "n", order).search("same", 3) == [2, 0, 1]


def test_the_same_names_give_the_same_files_and_opening_leaves_nothing(tmp_path: Path) -> None:
    order = np.arange(len(NAMES), dtype=np.int32)
    files = []
    for name in ("one", "two"):
        write_names(tmp_path / name, NAMES, order)
        opened(tmp_path / name, order)
        files.append({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()})
    assert files[0] == files[1]
    assert not [name for name in files[0] if "lock" in name]


def test_many_threads_read_the_same(names: NameIndex) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert set(map(tuple, pool.map(lambda _: names.search("radio", 10), range(200)))) == {(5, 0, 3, 4)}
