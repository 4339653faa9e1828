"""Graphs in files: every format of scipy, compared with a naive loop, and invalid files."""

from __future__ import annotations

import tracemalloc
import warnings
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from riyl.core.catalog.graph import read_graph, read_row_ids
from riyl.core.errors import InputError, TableError
from tests.core.catalog.bombs import matrix_bomb, npy, npy_header, npz
from tests.core.catalog.damage import damaged

FORMATS = ["csr", "csc", "coo", "bsr", "dia"]


def links(path: Path, **limits: Any) -> list[tuple[int, int]]:
    graph = read_graph(path, **limits)
    return list(zip(graph.left.tolist(), graph.right.tolist(), strict=True))


@contextmanager
def traced() -> Iterator[Callable[[], int]]:
    """Trace memory of Python and NumPy in the block; yields a function that returns the peak so far, in bytes."""
    tracemalloc.start()
    try:
        yield lambda: tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("dtype", [np.bool_, np.int8, np.float64])
@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=20, deadline=None)
@given(
    hnp.arrays(np.int8, st.integers(1, 7).map(lambda n: (n, n)), elements=st.integers(-1, 1)),
    st.sampled_from([sp.coo_matrix, sp.coo_array]),
)
def test_every_format_is_read_as_a_naive_loop_would(
    tmp_path_factory: pytest.TempPathFactory, name: str, dtype: type, matrix: np.ndarray, kind: Any
) -> None:
    n = len(matrix)
    path = tmp_path_factory.mktemp("graph") / "g.npz"
    sp.save_npz(path, kind(matrix.astype(dtype)).asformat(name))
    assert links(path) == [(i, j) for i in range(n) for j in range(n) if matrix[i, j]]
    assert read_graph(path).artists == n


def test_a_link_stored_twice_or_as_zero_counts_as_what_it_is(tmp_path: Path) -> None:
    both = sp.coo_matrix((np.array([1, 1, 0, -1, 1]), ([0, 0, 1, 2, 2], [1, 1, 2, 0, 0])), shape=(3, 3))
    sp.save_npz(tmp_path / "g.npz", both)
    assert links(tmp_path / "g.npz") == [(0, 1), (2, 0)]


@pytest.mark.parametrize("shape", [(2, 3), (0, 0)])
def test_a_matrix_that_is_not_of_artists_by_artists_is_refused(tmp_path: Path, shape: tuple[int, int]) -> None:
    sp.save_npz(tmp_path / "g.npz", sp.csr_matrix(shape))
    with pytest.raises(InputError) as caught:
        read_graph(tmp_path / "g.npz")
    wanted = f"found a matrix of {shape[0]} by {shape[1]}; wanted a square matrix, artists by artists"
    assert str(caught.value) == f"{tmp_path}/g.npz: {wanted}"


def test_nan_is_refused(tmp_path: Path) -> None:
    sp.save_npz(tmp_path / "g.npz", sp.csr_matrix(np.array([[0, np.nan], [0, 0]])))
    with pytest.raises(InputError, match="found NaN in the matrix; wanted numbers, 0 where there is no link"):
        read_graph(tmp_path / "g.npz")


def test_a_file_that_unpacks_to_too_much_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.npz"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as file, file.open("data.npy", "w", force_zip64=True) as out:
        for _ in range(64):
            out.write(bytes(1 << 20))
    assert bomb.stat().st_size < 1 << 17
    with pytest.raises(InputError) as caught:
        read_graph(bomb, most_bytes=1 << 20)
    assert str(caught.value) == f"{bomb}: found {64 << 20} bytes once unpacked; wanted at most {1 << 20}"


@pytest.mark.parametrize("name", FORMATS)
def test_a_matrix_of_very_many_entries_is_refused_before_they_are_read(tmp_path: Path, name: str) -> None:
    (tmp_path / "g.npz").write_bytes(matrix_bomb(name, 3 << 20))
    assert (tmp_path / "g.npz").stat().st_size < 1 << 16
    with traced() as peak, pytest.raises(InputError, match="found 5[0-9]{7} bytes once unpacked; wanted at most 33554"):
        read_graph(tmp_path / "g.npz", most_bytes=32 << 20)
    assert peak() < 1 << 20


COO = {"format": npy(np.array(b"coo")), "shape": npy(np.array([3, 3])), "row": npy(np.array([0]))} | {
    "col": npy(np.array([1])),
    "data": npy(np.array([1], np.int8)),
}


@pytest.mark.parametrize(
    ("member", "content"),
    [
        ("data", npy_header("<i8", (1 << 50,)) + bytes(8)),
        ("row", npy_header("<i8", (1 << 50,)) + bytes(8)),
        ("row", npy_header("<i8", (0,)) + bytes(1 << 20)),
        ("row", npy_header("|V0", (1 << 50,))),
        ("row", npy_header(("<i8", (1 << 20,)), (1,)) + bytes(8 << 20)),
        ("row", npy_header([("a", "<i8")], (1,)) + bytes(8)),
        ("row", npy_header("|O", (1,)) + bytes(8)),
        ("format", npy_header("|S1000000000", ()) + b"coo"),
        ("shape", npy_header("<i8", (1 << 62, 1 << 62)) + bytes(8)),
        ("col", b"\x93NUMPY\x02\x00" + (1 << 31).to_bytes(4, "little") + bytes(100)),
        ("other", npy_header("<i8", (1 << 50,)) + bytes(8)),
    ],
)
@pytest.mark.parametrize("most", [None, 64 << 20])
def test_an_array_that_is_not_what_its_header_says_is_refused(
    tmp_path: Path, member: str, content: bytes, most: int | None
) -> None:
    (tmp_path / "g.npz").write_bytes(npz(**COO))
    assert links(tmp_path / "g.npz", most_bytes=most) == [(0, 1)]
    (tmp_path / "g.npz").write_bytes(npz(**COO | {member: content}))
    with traced() as peak, pytest.raises(InputError, match=rf"\({member}\.npy is not an array of .*wanted a scipy"):
        read_graph(tmp_path / "g.npz", most_bytes=most)
    assert peak() < 1 << 20


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_what_is_packed_in_another_way_is_refused(tmp_path: Path, method: int) -> None:
    (tmp_path / "g.npz").write_bytes(npz(method, **COO))
    with pytest.raises(
        InputError, match=r"\(format\.npy is neither stored nor deflated\); wanted a scipy sparse matrix"
    ):
        read_graph(tmp_path / "g.npz")


def test_an_array_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "g.npz", "w") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # zipfile warns about the duplicate
        for name, content in [*COO.items(), ("row", COO["row"])]:
            file.writestr(f"{name}.npy", content)
    with pytest.raises(InputError, match=r"\(an array is stored twice\); wanted a scipy sparse matrix"):
        read_graph(tmp_path / "g.npz")


def test_a_member_that_says_it_is_smaller_than_it_is_is_refused(tmp_path: Path) -> None:
    content = npz(**COO | {"data": npy(np.zeros(1 << 20, np.int8))})
    actual, claimed = ((128 + size).to_bytes(4, "little") for size in (1 << 20, 1))
    assert content.count(actual) == 2
    (tmp_path / "g.npz").write_bytes(content.replace(actual, claimed))
    with pytest.raises(InputError, match="wanted a scipy sparse matrix"):
        read_graph(tmp_path / "g.npz")


@pytest.mark.parametrize(
    "arrays",
    [
        {"format": np.array(b"dok"), "shape": np.array([3, 3]), "data": np.ones(1)},
        {"format": np.array(b"csr"), "shape": np.array([3, 3]), "data": np.array(["a"])},
        {"format": np.array([object()], object)},
        {"data": np.ones(3)},
    ],
)
def test_what_is_no_sparse_matrix_is_refused(tmp_path: Path, arrays: dict[str, Any]) -> None:
    np.savez(tmp_path / "g.npz", **arrays)
    with pytest.raises(InputError, match="wanted a scipy sparse matrix"):
        read_graph(tmp_path / "g.npz")


@pytest.mark.parametrize("dtype", ["U1", "S1", "M8[s]", "V4"])
def test_values_that_are_no_numbers_are_refused(tmp_path: Path, dtype: str) -> None:
    parts = {"row": np.array([0]), "col": np.array([1]), "data": np.zeros(1, dtype)}
    np.savez(tmp_path / "g.npz", format=np.array(b"coo"), shape=np.array([3, 3]), **parts)
    with pytest.raises(InputError, match="wanted a scipy sparse matrix"):
        read_graph(tmp_path / "g.npz")


@settings(deadline=None)
@given(st.binary(max_size=300) | st.binary(max_size=60).map(lambda tail: b"PK\x03\x04" + tail))
def test_bytes_that_are_no_matrix_are_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("graph") / "g.npz"
    path.write_bytes(content)
    with pytest.raises(InputError, match="wanted a scipy sparse matrix"):
        read_graph(path)


@settings(deadline=None)
@given(st.sampled_from(FORMATS), st.data())
def test_a_damaged_file_is_refused_or_is_still_a_graph(
    tmp_path_factory: pytest.TempPathFactory, name: str, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("graph") / "g.npz"
    sp.save_npz(path, sp.coo_matrix(np.triu(np.ones((6, 6)), 1)).asformat(name), compressed=data.draw(st.booleans()))
    path.write_bytes(damaged(data, path.read_bytes(), 3))
    try:
        graph = read_graph(path, most_bytes=1 << 20)
    except InputError:
        return
    assert ((graph.left >= 0) & (graph.left < graph.artists) & (graph.right < graph.artists)).all()


def listed(folder: Path, name: str, content: str | bytes) -> list[str]:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_row_ids(path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("ids.txt", "b\na\n10\n"),
        ("ids.txt", "\ufeffb\r\na\r\n10"),
        ("ids.csv", "artist_id\nb\na\n10\n"),
        ("ids.tsv", "name\tartist_id\nB\tb\nA\ta\nTen\t10\n"),
        ("ids.csv", ",artist_id\n0,b\n1,a\n2,10\n"),
        ("olga.csv", "index,musicbrainz_id,partition,tracks\n0, B ,train,\"['0a', '0b']\"\n1,A,val,[]\n2,10,test,[]\n"),
    ],
)
def test_ids_are_read_in_row_order(tmp_path: Path, name: str, content: str) -> None:
    assert listed(tmp_path, name, content) == ["b", "a", "10"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("i.txt", "a\nb\na\n", ", row 3: found a again (first in row 1); wanted each artist once"),
        ("i.txt", "a\n\nb\n", ", row 2: found nothing; wanted one artist id per line"),
        ("i.txt", "", ", row 1: found nothing; wanted one artist id per line"),
        ("i.txt", b"a\nB\xf6hse\n", ", row 2: found byte 0xf6, which is not UTF-8; wanted UTF-8 text"),
        ("i.csv", "a000\na001\n", ": found columns a000; wanted a column 'artist_id' (non-empty text)"),
        ("i.csv", 'artist_id\na\n""\n', ", row 2: found nothing in column 'artist_id'; wanted non-empty text"),
        ("i.csv", "artist_id\na\na\n", ", row 2: found a again (first in row 1); wanted each artist once"),
        ("i.csv", "index,artist_id\n0,a\n2,b\n", ", row 2: found index '2'; wanted 1: the rows of the graph in order"),
        ("i.csv", b"artist_id\nB\xf6hse\n", ", row 1: found byte 0xf6, which is not UTF-8, in "),
        ("i.json", "[]", ": found a file that ends in '.json'; wanted one that ends in .txt, .csv, .tsv"),
    ],
)
def test_a_wrong_list_of_ids_is_refused_naming_row_found_and_wanted(
    tmp_path: Path, name: str, content: str | bytes, message: str
) -> None:
    with pytest.raises(InputError) as caught:
        listed(tmp_path, name, content)
    assert str(caught.value).startswith(f"{tmp_path}/{name}{message}")


def test_a_list_of_ids_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.txt: found no such file; wanted one that ends in"):
        read_row_ids(tmp_path / "none.txt")


def test_an_id_may_be_any_text(tmp_path: Path) -> None:
    assert listed(tmp_path, "ids.txt", "NaN\nnull\nBjörk\u2028\n0\n") == ["NaN", "null", "Björk", "0"]
    assert listed(tmp_path, "ids.csv", "artist_id\nNaN\nnull\n0\n") == ["NaN", "null", "0"]


def test_an_olga_list_that_is_wrong_is_a_table_error(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="row 2: found a again"):
        listed(tmp_path, "olga.csv", "musicbrainz_id,partition\na,train\nA,train\n")
