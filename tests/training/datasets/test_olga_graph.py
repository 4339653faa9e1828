"""OLGA's graph, and errors in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from riyl.core.errors import InputError
from riyl.training.datasets import olga
from riyl.training.datasets.olga import GRAPH
from tests.training.datasets.olga_files import N, made, put_graph, refusal


@given(hnp.arrays(np.bool_, st.integers(1, 7).map(lambda n: (n, n))))
def test_a_graph_is_read_as_a_naive_loop_would(tmp_path_factory: pytest.TempPathFactory, matrix: np.ndarray) -> None:
    upper = np.triu(matrix, 1)
    path = tmp_path_factory.mktemp("graph") / GRAPH.name
    sp.save_npz(path, sp.csr_matrix(upper))
    graph = olga.read_upper(path)
    n = len(upper)
    assert graph.artists == n
    assert list(zip(graph.left.tolist(), graph.right.tolist(), strict=True)) == [
        (i, j) for i in range(n) for j in range(n) if upper[i, j]
    ]


@pytest.mark.parametrize("kind", [sp.csc_matrix, sp.coo_matrix, sp.csr_array, sp.coo_array])
def test_any_sparse_layout_is_read(tmp_path: Path, kind: Any) -> None:
    sp.save_npz(tmp_path / GRAPH.name, kind(sp.load_npz(put_graph(tmp_path))))
    assert olga.read_upper(tmp_path / GRAPH.name).left.tolist() == [0, 0, 1]


def test_stored_zeros_are_no_links(tmp_path: Path) -> None:
    matrix = sp.csr_matrix((np.array([1, 0], np.int8), ([0, 2], [1, 0])), shape=(3, 3))
    sp.save_npz(tmp_path / GRAPH.name, matrix)
    graph = olga.read_upper(tmp_path / GRAPH.name)
    assert (graph.left.tolist(), graph.right.tolist()) == ([0], [1])


@pytest.mark.parametrize(
    ("similarity_pairs", "message"),
    [
        ([(0, 1), (2, 1)], "found 1 links on or below the diagonal, the first at row 2, column 1"),
        ([(0, 1), (1, 0), (3, 3)], "found 2 links on or below the diagonal, the first at row 1, column 0"),
    ],
)
def test_a_graph_that_is_not_strictly_upper_triangular_is_refused(
    tmp_path: Path, similarity_pairs: list[tuple[int, int]], message: str
) -> None:
    put_graph(tmp_path, similarity_pairs)
    wanted = "wanted a strictly upper triangular matrix, each pair once"
    assert refusal(tmp_path) == f"artist_connections.npz: {message}; {wanted}"


def test_a_graph_that_is_not_square_is_refused(tmp_path: Path) -> None:
    put_graph(tmp_path, shape=(N, N + 1))
    wanted = "wanted a square matrix, artists by artists"
    assert refusal(tmp_path) == f"artist_connections.npz: found a matrix of 5 by 6; {wanted}"


@pytest.mark.parametrize("content", [b"", b"not a zip", b"\x93NUMPY", b"PK\x03\x04 and no more"])
def test_a_damaged_graph_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / GRAPH.name).write_bytes(content)
    with pytest.raises(InputError, match=r"artist_connections\.npz: found something damaged or of another kind \("):
        made(tmp_path)


@pytest.mark.parametrize("keep", [0.3, 0.6, 0.95])
def test_a_truncated_graph_is_refused(tmp_path: Path, keep: float) -> None:
    path = put_graph(tmp_path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    assert "wanted a scipy sparse matrix" in refusal(tmp_path)


def test_a_flipped_byte_in_the_graph_is_refused(tmp_path: Path) -> None:
    path = put_graph(tmp_path)
    data = bytearray(path.read_bytes())
    at = data.index(b"indices.npy") + 60
    data[at] ^= 0xFF
    path.write_bytes(data)
    assert "wanted a scipy sparse matrix" in refusal(tmp_path)


def test_another_npz_is_no_graph(tmp_path: Path) -> None:
    np.savez(tmp_path / GRAPH.name, a=np.zeros(3))
    assert "wanted a scipy sparse matrix" in refusal(tmp_path)


def test_a_single_array_is_no_graph(tmp_path: Path) -> None:
    with (tmp_path / GRAPH.name).open("wb") as file:
        np.save(file, np.zeros((3, 3)))
    assert "wanted a scipy sparse matrix" in refusal(tmp_path)


def test_pickled_objects_in_the_graph_are_refused_unopened(tmp_path: Path) -> None:
    np.savez(tmp_path / GRAPH.name, format=np.array([object()], dtype=object))
    assert "wanted a scipy sparse matrix" in refusal(tmp_path)


@pytest.mark.parametrize(("indices", "indptr"), [([1, 9], [0, 1, 2, 2]), ([1, -1], [0, 1, 2, 2]), ([1], [0, 5, 1, 1])])
def test_a_graph_that_points_outside_itself_is_refused(tmp_path: Path, indices: list[int], indptr: list[int]) -> None:
    parts = {"indices": np.array(indices, np.int32), "indptr": np.array(indptr, np.int32)}
    data = np.ones(len(indices), np.bool_)
    np.savez(tmp_path / GRAPH.name, format=np.array(b"csr"), shape=np.array([3, 3]), data=data, **parts)
    with pytest.raises(InputError):
        made(tmp_path)
