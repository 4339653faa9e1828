"""Ground truths: pairs are stored once, counted, found, and matched with a catalog as by a naive loop."""

from __future__ import annotations

import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import riyl.core.storage.ground_truth
from riyl.core.errors import FormatError, InputError, NotFoundError
from riyl.core.files import content_id
from riyl.core.storage.ground_truth import Relevance, Truth, find_truth, relevant_to, save_truth, truths

IDS = list("abcdefg")


def pairs(*both: str) -> pa.Table:
    """Return a table of pairs from texts such as "ab"."""
    columns = {"artist_id": [p[0] for p in both], "similar_id": [p[1] for p in both]}
    return pa.table(columns, schema=pa.schema([(c, pa.string()) for c in columns]))


def lists(relevance: Relevance, artist_ids: list[str]) -> dict[str, str]:
    return {
        artist: "".join(artist_ids[c] for c in relevance.columns[relevance.indptr[i] : relevance.indptr[i + 1]])
        for i, artist in enumerate(artist_ids)
    }


def test_an_undirected_pair_counts_both_ways(tmp_path: Path) -> None:
    truth = save_truth(tmp_path, "t", pairs("ab", "bc"), directed=False, source="test")
    assert lists(truth.relevance(list("abc")), list("abc")) == {"a": "b", "b": "ac", "c": "b"}


def test_a_directed_pair_counts_one_way(tmp_path: Path) -> None:
    truth = save_truth(tmp_path, "t", pairs("ab", "bc"), directed=True, source="test")
    assert lists(truth.relevance(list("abc")), list("abc")) == {"a": "b", "b": "c", "c": ""}


def test_a_pair_given_in_both_directions_counts_once_each_way(tmp_path: Path) -> None:
    truth = save_truth(tmp_path, "t", pairs("ab", "ba"), directed=False, source="test")
    assert lists(truth.relevance(list("ab")), list("ab")) == {"a": "b", "b": "a"}


def test_self_and_double_pairs_are_left_out_and_counted(tmp_path: Path) -> None:
    truth = save_truth(tmp_path, "t", pairs("ab", "aa", "ab", "ab", "bb", "ca"), directed=True, source="test")
    assert truth.pairs.to_pydict() == {"artist_id": ["a", "c"], "similar_id": ["b", "a"]}
    assert truth.manifest["counts"] == {"pairs": 2, "self_pairs": 2, "double_pairs": 2}


def test_pairs_with_an_unknown_artist_are_left_out_and_counted(tmp_path: Path) -> None:
    truth = save_truth(tmp_path, "t", pairs("ab", "ax", "xb", "xy"), directed=False, source="test")
    relevance = truth.relevance(list("abz"))
    assert lists(relevance, list("abz")) == {"a": "b", "b": "a", "z": ""}
    assert relevance.unknown_pairs == 3


def test_what_a_catalog_knows_is_counted_with_five_examples_of_the_others(tmp_path: Path) -> None:
    given_pairs = pairs("ab", "ax", "xb", "xy", "uv", "wt", "cc")
    coverage = save_truth(tmp_path, "t", given_pairs, directed=False, source="test").coverage(pa.array(list("abcz")))
    assert (coverage.pairs, coverage.unknown_pairs) == (1, 5)
    assert (coverage.artists, coverage.unknown_artists) == (2, 6)
    assert len(coverage.examples) == 5
    assert set(coverage.examples) < set("xyuvwt")
    assert coverage.warning("snapshot s") is None


def test_an_example_that_is_very_long_is_cut(tmp_path: Path) -> None:
    table = pa.table({"artist_id": ["a"], "similar_id": ["x" * 1_000_000]})
    coverage = save_truth(tmp_path, "t", table, directed=False, source="test").coverage(pa.array(["a"]))
    assert coverage.examples == ["x" * 200]


@pytest.mark.parametrize("catalog", ["", "z", "a"])
def test_where_no_pair_is_known_there_is_a_warning(tmp_path: Path, catalog: str) -> None:
    truth = save_truth(tmp_path, "t", pairs("ab"), directed=False, source="test")
    coverage = truth.coverage(pa.array(list(catalog), pa.string()))
    assert (coverage.pairs, coverage.unknown_pairs, coverage.unknown_artists) == (0, 1, 1 if catalog == "a" else 2)
    assert coverage.warning("snapshot s") == (
        "snapshot s has both artists of none of the pairs: nothing can be measured; are the ids of this catalog?"
    )


def test_coverage_counts_the_pairs_that_relevance_takes(tmp_path: Path) -> None:
    truth = save_truth(tmp_path, "t", pairs("ab", "bc", "cx", "ya"), directed=True, source="test")
    catalog = list("abc")
    assert truth.coverage(pa.array(catalog)).pairs == len(truth.relevance(catalog).columns)
    assert truth.coverage(pa.array(catalog)).unknown_pairs == truth.relevance(catalog).unknown_pairs


def test_over_no_artists_there_is_nothing(tmp_path: Path) -> None:
    relevance = save_truth(tmp_path, "t", pairs("ab"), directed=False, source="test").relevance([])
    assert relevance.indptr.tolist() == [0]
    assert relevance.columns.tolist() == []
    assert relevance.unknown_pairs == 1


def test_a_truth_without_pairs_is_empty(tmp_path: Path) -> None:
    relevance = save_truth(tmp_path, "t", pairs("aa"), directed=False, source="test").relevance(["a"])
    assert relevance.indptr.tolist() == [0, 0]
    assert relevance.unknown_pairs == 0


@given(
    st.lists(st.tuples(st.sampled_from(IDS), st.sampled_from(IDS)), min_size=1, max_size=30),
    st.permutations(IDS[:5]),
    st.booleans(),
)
def test_relevance_is_what_a_naive_loop_finds(
    tmp_path_factory: pytest.TempPathFactory, given_pairs: list[tuple[str, str]], catalog: list[str], directed: bool
) -> None:
    both = pairs(*(a + b for a, b in given_pairs))
    truth = save_truth(tmp_path_factory.mktemp("truth"), "t", both, directed=directed, source="test")
    relevance = truth.relevance(catalog)
    for row, artist in enumerate(catalog):
        wanted = []
        for column, other in enumerate(catalog):
            linked = (artist, other) in given_pairs or (not directed and (other, artist) in given_pairs)
            if linked and artist != other:
                wanted.append(column)
        assert relevance.columns[relevance.indptr[row] : relevance.indptr[row + 1]].tolist() == wanted
    outside = [(a, b) for a, b in given_pairs if a != b and not {a, b} <= set(catalog)]
    unknown = set(outside) if directed else {frozenset(pair) for pair in outside}
    assert relevance.unknown_pairs == len(unknown)
    assert relevance.indptr.dtype == np.int64
    assert relevance.columns.dtype == np.int32


def test_the_same_pairs_give_the_same_id_in_any_order(tmp_path: Path) -> None:
    first = save_truth(tmp_path, "t", pairs("ab", "bc", "ab"), directed=False, source="test")
    second = save_truth(tmp_path, "t", pairs("bc", "ab"), directed=False, source="elsewhere")
    assert first.id == second.id
    assert [p.name for p in tmp_path.iterdir()] == [first.id]


@given(
    st.lists(st.tuples(st.sampled_from(["a", 'q"q', "\\", "Bj\u00f6rk", "\u2028"]), st.integers(0, 99)), max_size=60),
    st.booleans(),
)
def test_the_id_is_that_of_the_pairs_as_lines(
    tmp_path_factory: pytest.TempPathFactory, given_pairs: list[tuple[str, int]], directed: bool
) -> None:
    columns = {"artist_id": [a for a, _ in given_pairs], "similar_id": [f"z{b}" for _, b in given_pairs]}
    table = pa.table(columns, schema=pa.schema([(c, pa.string()) for c in columns]))
    folder = tmp_path_factory.mktemp("truth")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(riyl.core.storage.ground_truth, "_LINES", 7)
        truth = save_truth(folder, "Bj\u00f6rk", table, directed=directed, source="test")
    both = {(a, f"z{b}") for a, b in given_pairs}
    ordered = sorted({tuple(sorted(pair)) for pair in both} if not directed else both, key=_by_bytes)
    lines = "\n".join(f"{a}\t{b}" for a, b in ordered)
    assert truth.id == content_id("truth", {"name": "Bj\u00f6rk", "directed": directed, "pairs": lines})


def _by_bytes(pair: tuple[str, ...]) -> list[bytes]:
    return [each.encode() for each in pair]


def test_name_direction_and_pairs_each_change_the_id(tmp_path: Path) -> None:
    ids = {
        save_truth(tmp_path, name, both, directed=directed, source="test").id
        for name, both, directed in [
            ("t", pairs("ab"), False),
            ("u", pairs("ab"), False),
            ("t", pairs("ab"), True),
            ("t", pairs("ac"), False),
        ]
    }
    assert len(ids) == 4


def test_what_was_saved_is_opened_again(tmp_path: Path) -> None:
    saved = save_truth(tmp_path, "similar", pairs("ab"), directed=True, source="table similar.csv")
    truth = Truth.open(tmp_path / saved.id)
    assert (truth.id, truth.name, truth.directed) == (saved.id, "similar", True)
    assert truth.manifest["source"] == "table similar.csv"
    assert truth.pairs.equals(saved.pairs)


@pytest.mark.parametrize("label", ["", "a\nb", "\x00", "a" * 101, "\udcff"])
def test_a_name_or_source_that_cannot_be_shown_is_refused(tmp_path: Path, label: str) -> None:
    for what, labels in (("name", (label, "test")), ("source", ("t", label))):
        with pytest.raises(InputError, match=f"{what} of a truth: found .*; wanted 1 to 100 printable characters"):
            save_truth(tmp_path, labels[0], pairs("ab"), directed=False, source=labels[1])
    assert not list(tmp_path.iterdir())


def test_imports_of_the_same_truth_at_once_end_in_one(tmp_path: Path) -> None:
    both = pairs(*(a + b for a in IDS for b in IDS))
    ready = Barrier(8)

    def bring(number: int) -> str:
        ready.wait()
        return save_truth(tmp_path, "t", both, directed=False, source=f"file {number}").id

    with ThreadPoolExecutor(8) as pool:
        (only,) = set(pool.map(bring, range(8)))
    assert [path.name for path in tmp_path.iterdir()] == [only]
    assert Truth.open(tmp_path / only).pairs.num_rows == 21


def test_truths_are_listed_by_age_with_what_is_wrong(tmp_path: Path) -> None:
    saved_truths = [save_truth(tmp_path, name, pairs("ab"), directed=False, source="test") for name in "tuv"]
    for seconds, truth in zip((1003, 1001, 1002), saved_truths, strict=True):
        age(truth, seconds)
    (saved_truths[2].folder / "pairs.parquet").unlink()
    (tmp_path / ".unfinished").mkdir()
    truths_by_id = truths(tmp_path)
    assert list(truths_by_id) == [saved_truths[1].id, saved_truths[2].id, saved_truths[0].id]
    assert truths_by_id[saved_truths[0].id] == saved_truths[0].manifest
    assert isinstance(truths_by_id[saved_truths[2].id], FormatError)
    assert truths(tmp_path / "none") == {}


def test_a_flipped_byte_is_found_on_opening(tmp_path: Path) -> None:
    truth = save_truth(tmp_path, "t", pairs("ab"), directed=False, source="test")
    path = truth.folder / "pairs.parquet"
    data = bytearray(path.read_bytes())
    data[10] ^= 1
    path.write_bytes(data)
    with pytest.raises(FormatError, match=r"pairs\.parquet: damaged, found sha256"):
        Truth.open(truth.folder)


def age(truth: Truth, seconds: int) -> None:
    os.utime(truth.folder / "manifest.json", (seconds, seconds))


def test_a_truth_is_found_by_name_by_id_and_as_the_newest(tmp_path: Path) -> None:
    old = save_truth(tmp_path, "olga", pairs("ab"), directed=False, source="test")
    new = save_truth(tmp_path, "olga", pairs("ac"), directed=False, source="test")
    other = save_truth(tmp_path, "editors", pairs("ad"), directed=False, source="test")
    for seconds, truth in enumerate((other, old, new), start=1000):
        age(truth, seconds)
    assert find_truth(tmp_path, "olga").id == new.id
    assert find_truth(tmp_path, old.id).id == old.id
    assert find_truth(tmp_path, "editors").id == other.id
    assert find_truth(tmp_path, None).id == new.id


def test_saving_again_makes_a_truth_the_newest(tmp_path: Path) -> None:
    first = save_truth(tmp_path, "t", pairs("ab"), directed=False, source="test")
    second = save_truth(tmp_path, "t", pairs("ac"), directed=False, source="test")
    age(first, 1000)
    age(second, 2000)
    save_truth(tmp_path, "t", pairs("ab"), directed=False, source="test")
    assert find_truth(tmp_path, "t").id == first.id


def test_an_unknown_truth_is_not_found_and_the_others_are_listed(tmp_path: Path) -> None:
    save_truth(tmp_path, "olga", pairs("ab"), directed=False, source="test")
    save_truth(tmp_path, "editors", pairs("ab"), directed=False, source="test")
    with pytest.raises(NotFoundError) as caught:
        find_truth(tmp_path, "none")
    assert f"there is no truth 'none' in {tmp_path}; there are: editors, olga; import one with:" in str(caught.value)


@pytest.mark.parametrize("name", ["olga", None])
def test_where_there_are_no_truths_the_message_says_how_to_bring_one(tmp_path: Path, name: str | None) -> None:
    with pytest.raises(NotFoundError, match="import one with: riyl truth import FILE"):
        find_truth(tmp_path, name)


def test_who_is_relevant_to_some_artists_is_read_without_the_others(tmp_path: Path) -> None:
    undirected = save_truth(tmp_path, "t", pairs("ab", "bc", "cd", "ca"), directed=False, source="test")
    directed = save_truth(tmp_path, "u", pairs("ab", "bc", "cd", "ca"), directed=True, source="test")
    assert relevant_to(undirected.folder, ["a", "d", "x"]) == {"a": {"b", "c"}, "d": {"c"}, "x": set()}
    assert relevant_to(directed.folder, ["a", "d", "x"]) == {"a": {"b"}, "d": set(), "x": set()}


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(IDS), st.sampled_from(IDS))), st.booleans())
def test_who_is_relevant_to_each_artist_is_what_the_whole_truth_says(
    both: list[tuple[str, str]], directed: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        truth = save_truth(Path(folder), "t", pairs(*("".join(p) for p in both)), directed=directed, source="test")
        expected = lists(truth.relevance(IDS), IDS)
        assert {a: "".join(sorted(relevant)) for a, relevant in relevant_to(truth.folder, IDS).items()} == expected


def test_a_damaged_truth_is_no_answer(tmp_path: Path) -> None:
    truth = save_truth(tmp_path, "t", pairs("ab"), directed=False, source="test")
    path = truth.folder / "pairs.parquet"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(FormatError, match="damaged, found sha256"):
        relevant_to(truth.folder, ["a"])
