"""Pairs from files: tables and graphs give the same pairs; invalid and large files are refused."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from riyl.core.catalog.pairs import read_pairs
from riyl.core.errors import InputError
from tests.core.catalog.damage import damaged

IDS = ["10", "Björk", "a,b", 'q"q', "NaN", "x\ty"]
COLUMNS = {"artist_id": pa.string(), "similar_id": pa.string()}


def table(pairs: list[tuple[str, str]]) -> pa.Table:
    return pa.table(
        {"artist_id": [a for a, _ in pairs], "similar_id": [b for _, b in pairs]}, schema=pa.schema(COLUMNS)
    )


def write(path: Path, pairs: pa.Table) -> Path:
    if path.suffix == ".parquet":
        pq.write_table(pairs, path)
    else:
        delimiter = "\t" if path.suffix == ".tsv" else ","
        pyarrow.csv.write_csv(pairs, path, pyarrow.csv.WriteOptions(delimiter=delimiter))
    return path


def refusal(path: Path, content: str | bytes | pa.Table, **limits: Any) -> str:
    """Return the error message for an invalid file, from its name on."""
    if isinstance(content, pa.Table):
        pq.write_table(content, path)
    else:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError) as caught:
        read_pairs(path, **limits)
    return str(caught.value).removeprefix(f"{path.parent}/")


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(IDS), st.sampled_from(IDS)), min_size=1, max_size=12))
def test_every_kind_of_table_gives_the_pairs_in_its_order(
    tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[str, str]]
) -> None:
    folder = tmp_path_factory.mktemp("pairs")
    for suffix in (".parquet", ".csv", ".tsv"):
        path = write(folder / f"p{suffix}", table(pairs))
        for most in (None, 1 << 20):
            assert read_pairs(path, most_bytes=most).to_pydict() == table(pairs).to_pydict()


@pytest.mark.parametrize("name", ["csr", "csc", "coo", "bsr", "dia"])
@pytest.mark.parametrize("most", [None, 1 << 20])
def test_a_graph_gives_the_pairs_of_its_rows_with_its_columns(tmp_path: Path, name: str, most: int | None) -> None:
    matrix = np.zeros((4, 4), np.bool_)
    matrix[0, 2] = matrix[3, 1] = matrix[1, 0] = True
    sp.save_npz(tmp_path / "g.npz", sp.coo_matrix(matrix).asformat(name))
    (tmp_path / "ids.txt").write_text("a\nb\nc\nd\n")
    pairs = read_pairs(tmp_path / "g.npz", tmp_path / "ids.txt", most_bytes=most)
    assert pairs.to_pydict() == {"artist_id": ["a", "b", "d"], "similar_id": ["c", "a", "b"]}


def test_the_ids_of_a_graph_are_olgas_beside_it_unless_others_are_named(tmp_path: Path) -> None:
    sp.save_npz(tmp_path / "g.npz", sp.coo_matrix(([1], ([0], [1])), shape=(2, 2)))
    (tmp_path / "olga.csv").write_text("musicbrainz_id,partition\nX,train\nY,test\n")
    (tmp_path / "ids.txt").write_text("a\nb\n")
    assert read_pairs(tmp_path / "g.npz").to_pylist() == [{"artist_id": "x", "similar_id": "y"}]
    assert read_pairs(tmp_path / "g.npz", tmp_path / "ids.txt").to_pylist() == [{"artist_id": "a", "similar_id": "b"}]


def graph_refusal(folder: Path, matrix: Any, ids: str | None) -> str:
    sp.save_npz(folder / "g.npz", matrix)
    if ids is not None:
        (folder / "ids.txt").write_text(ids)
    with pytest.raises(InputError) as caught:
        read_pairs(folder / "g.npz", None if ids is None else folder / "ids.txt")
    return str(caught.value).removeprefix(f"{folder}/")


def test_a_graph_and_ids_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    graph = sp.coo_matrix(([1], ([0], [1])), shape=(2, 2))
    assert graph_refusal(tmp_path, graph, None) == (
        "g.npz: found neither ids of its rows nor olga.csv beside it; wanted one of them"
    )
    assert graph_refusal(tmp_path, graph, "a\n") == "ids.txt: found 1 rows; wanted 2, as g.npz has"
    assert graph_refusal(tmp_path, graph, "a\nb\nc\n") == "ids.txt: found 3 rows; wanted 2, as g.npz has"
    assert graph_refusal(tmp_path, graph, "a\na\n") == (
        "ids.txt, row 2: found a again (first in row 1); wanted each artist once"
    )
    assert graph_refusal(tmp_path, sp.csr_matrix((2, 2)), "a\nb\n") == "g.npz: found no links; wanted at least one"


def test_ids_beside_a_table_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "p.csv", table([("a", "b")]))
    with pytest.raises(InputError, match=r"ids\.txt: found ids of rows beside p\.csv; wanted none"):
        read_pairs(path, tmp_path / "ids.txt")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("p.csv", "", "p.csv: found an empty file; wanted a header and at least one row"),
        ("p.csv", "artist_id,similar_id\n", "p.csv: found no rows; wanted at least one"),
        ("p.csv", "artist_id,similar\na,b\n", "p.csv: found columns artist_id, similar; wanted a column 'similar_id'"),
        ("p.tsv", "artist_id,similar_id\na,b\n", "p.tsv: found columns artist_id,similar_id; wanted a column"),
        ("p.csv", "artist_id,similar_id\na,b\n,b\n", "p.csv, row 2: found nothing in column 'artist_id'"),
        ("p.csv", "artist_id,similar_id\na,b\nc,  \n", "p.csv, row 2: found '  ' in column 'similar_id'"),
        ("p.tsv", "artist_id\tsimilar_id\na\tb\n\tb\n", "p.tsv, row 2: found nothing in column 'artist_id'"),
        ("p.tsv", "artist_id\tsimilar_id\na\tb\tc\n", "p.tsv, row 1: found 3 fields in 'a\\tb\\tc'; wanted 2"),
        ("p.csv", b"artist_id,similar_id\na,b\nB\xf6hse,c\n", "p.csv, row 2: found byte 0xf6, which is not UTF-8"),
        ("p.csv", "artist_id,similar_id\na,b\n".encode("utf-16"), "p.csv: found byte 0xff, which is not UTF-8"),
        ("p.parquet", b"", "p.parquet: found no readable Parquet file"),
        ("p.parquet", b"PAR1 and no more", "p.parquet: found no readable Parquet file"),
        ("p.npz", b"", "p.npz: found something damaged or of another kind"),
        ("p.xlsx", b"PK", "p.xlsx: found a file that ends in '.xlsx'; wanted one that ends in .parquet, .csv, .tsv"),
        ("pairs", b"a,b", "pairs: found a file that ends in ''; wanted one that ends in"),
    ],
)
def test_a_wrong_file_is_refused_naming_file_row_found_and_wanted(
    tmp_path: Path, name: str, content: str | bytes, message: str
) -> None:
    if name == "p.npz":
        (tmp_path / "olga.csv").write_text("musicbrainz_id\na\n")
    for limits in ({}, {"most_bytes": 1 << 20}):
        assert refusal(tmp_path / name, content, **limits).startswith(message)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pa.array([1.0, np.nan]), "p.parquet, row 1: found type double in column 'similar_id'; wanted non-empty text"),
        (pa.array(["a", None]), "p.parquet, row 2: found nothing in column 'similar_id'; wanted non-empty text"),
        (pa.array(["a", ""]), "p.parquet, row 2: found '' in column 'similar_id'; wanted non-empty text"),
        (pa.array([b"a", b"b"]), "p.parquet, row 1: found type binary in column 'similar_id'; wanted non-empty text"),
        (pa.array([["a"], ["b"]]), "found type list<element: string> in column 'similar_id'; wanted non-empty text"),
        (pa.array([{"a": 1}] * 2), "found type struct<a: int64> in column 'similar_id'; wanted non-empty text"),
        (pa.array([b"a", b"b"], pa.binary(1)), "found type fixed_size_binary[1] in column 'similar_id'; wanted"),
        (pa.array([True, False]), "p.parquet, row 1: found type bool in column 'similar_id'; wanted non-empty text"),
        (pa.array([None, None]), "p.parquet, row 1: found nothing in column 'similar_id'; wanted non-empty text"),
    ],
)
def test_parquet_with_wrong_types_is_refused(tmp_path: Path, column: pa.Array, message: str) -> None:
    content = pa.table({"artist_id": ["a", "b"], "similar_id": column})
    for limits in ({}, {"most_bytes": 1 << 20}):
        assert message in refusal(tmp_path / "p.parquet", content, **limits)


@pytest.mark.parametrize(
    "make",
    [
        lambda ids: pa.array(ids, pa.int32()),
        lambda ids: pa.array(ids, pa.int64()).cast(pa.string()).dictionary_encode(),
        lambda ids: pa.array([str(i) for i in ids], pa.large_string()),
        lambda ids: pa.array([str(i) for i in ids], pa.string_view()),
    ],
)
def test_ids_may_be_numbers_and_any_kind_of_text(tmp_path: Path, make: Callable[[list[int]], pa.Array]) -> None:
    path = tmp_path / "p.parquet"
    pq.write_table(pa.table({"artist_id": make([1, 2]), "similar_id": make([2, 3])}), path)
    for most in (None, 1 << 20):
        assert read_pairs(path, most_bytes=most).to_pydict() == {"artist_id": ["1", "2"], "similar_id": ["2", "3"]}


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet", ".npz"])
@pytest.mark.parametrize("head", [b"", b"artist_id,similar_id\n", b"PAR1", b"PK\x03\x04", b'"'])
def test_ten_megabytes_of_garbage_are_refused(tmp_path: Path, suffix: str, head: bytes) -> None:
    (tmp_path / "olga.csv").write_text("musicbrainz_id\na\n")
    garbage = head + random.Random(0).randbytes(10 << 20)
    assert "found " in refusal(tmp_path / f"p{suffix}", garbage, most_bytes=64 << 20)


def test_a_damaged_byte_anywhere_in_parquet_is_refused_or_leaves_pairs(tmp_path: Path) -> None:
    path = tmp_path / "p.parquet"
    pq.write_table(table([(f"a{i}", f"b{i % 3}") for i in range(40)]), path)
    content = path.read_bytes()
    for position in range(len(content)):
        path.write_bytes(content[:position] + b"\xe0" + content[position + 1 :])
        try:
            pairs = read_pairs(path, most_bytes=1 << 20)
        except InputError:
            continue
        assert pairs.schema.types == [pa.string(), pa.string()], position


@settings(deadline=None)
@given(st.data())
def test_damaged_parquet_is_refused_or_still_holds_pairs(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("pairs") / "p.parquet"
    pq.write_table(table([(f"a{i}", f"b{i % 3}") for i in range(40)]), path)
    path.write_bytes(damaged(data, path.read_bytes(), 4))
    try:
        pairs = read_pairs(path, most_bytes=1 << 20)
    except InputError:
        return
    assert pairs.schema.types == [pa.string(), pa.string()]


def test_parquet_that_unpacks_to_too_much_is_refused_without_being_unpacked(tmp_path: Path) -> None:
    long = pa.DictionaryArray.from_arrays(pa.array(np.zeros(1 << 18, np.int32)), pa.array(["x" * 1_000_000]))
    path = tmp_path / "p.parquet"
    pq.write_table(pa.table({"artist_id": long, "similar_id": long}), path)
    assert path.stat().st_size < 3 << 20
    usual = pa.default_memory_pool()
    watched = pa.proxy_memory_pool(usual)
    pa.set_memory_pool(watched)
    try:
        with pytest.raises(InputError, match=r"p\.parquet: found [0-9]+ bytes once unpacked; wanted at most 67108864"):
            read_pairs(path, most_bytes=64 << 20)
    finally:
        pa.set_memory_pool(usual)
    assert 1_000_000 < watched.max_memory() < 64 << 20


def test_parquet_that_says_it_is_too_large_is_refused(tmp_path: Path) -> None:
    ids = pa.array([f"{i:0100d}" for i in range(20_000)])
    path = tmp_path / "p.parquet"
    pq.write_table(pa.table({"artist_id": ids, "similar_id": ids}), path, use_dictionary=False, compression="zstd")
    assert path.stat().st_size < 1 << 20
    with pytest.raises(InputError, match="bytes once unpacked; wanted at most 2000000"):
        read_pairs(path, most_bytes=2_000_000)


def test_very_many_rows_of_next_to_nothing_are_too_much(tmp_path: Path) -> None:
    path = tmp_path / "p.parquet"
    same = pa.array(np.ones(1 << 20, np.int64))
    pq.write_table(pa.table({"artist_id": same, "similar_id": same}), path)
    assert path.stat().st_size < 1 << 16
    with pytest.raises(InputError, match="bytes once unpacked; wanted at most 1048576"):
        read_pairs(path, most_bytes=1 << 20)


def test_a_graph_whose_pairs_are_too_much_text_is_refused(tmp_path: Path) -> None:
    sp.save_npz(tmp_path / "g.npz", sp.csr_matrix(np.ones((50, 50), np.bool_)))
    (tmp_path / "ids.txt").write_text("".join(f"{i}{'x' * 1000}\n" for i in range(50)))
    with pytest.raises(InputError, match=r"g\.npz: found 5009000 bytes once unpacked; wanted at most 1000000"):
        read_pairs(tmp_path / "g.npz", tmp_path / "ids.txt", most_bytes=1_000_000)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.csv: found no such file; wanted one that ends in \.parquet"):
        read_pairs(tmp_path / "none.csv")


def test_olgas_own_graph_gives_the_pairs_of_the_real_catalog(real_data: Path, tmp_path: Path) -> None:
    """The rows get the catalog's ids: the catalog's similar table was made from the same graph."""
    artists = pq.read_table(real_data / "olga-artists" / "artists.parquet", columns=["artist_id", "olga_row"])
    graph = real_data / "archives" / "olga" / "artist_connections.npz"
    ids = [f"olga:{row}" for row in range(17_673)]
    for artist_id, row in zip(*(artists.column(c).to_pylist() for c in artists.column_names), strict=True):
        ids[row] = artist_id
    (tmp_path / "ids.txt").write_text("".join(i + "\n" for i in ids))
    pairs = read_pairs(graph, tmp_path / "ids.txt", most_bytes=64 << 20).to_pydict()
    catalog_ids = set(artists.column("artist_id").to_pylist())
    catalog_pairs = {
        frozenset(pair)
        for pair in zip(pairs["artist_id"], pairs["similar_id"], strict=True)
        if pair[0] in catalog_ids and pair[1] in catalog_ids
    }
    similar = read_pairs(real_data / "olga-artists" / "similar.parquet").to_pydict()
    assert catalog_pairs == {frozenset(pair) for pair in zip(similar["artist_id"], similar["similar_id"], strict=True)}
    assert len(catalog_pairs) == 51_674
