"""OLGA's files: the graph alone, with its artists, names and features, and whatever can be wrong with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from core.errors import InputError
from core.tables import Tables
from core.truth import save_truth
from training.datasets import olga
from training.datasets.base import Report, build
from training.datasets.olga import ARTISTS, AUDIO, DATASET, GRAPH, NAMES

N = 5
LINKS = [(0, 1), (0, 4), (1, 2)]
MBIDS = [f"00000000-0000-4000-8000-00000000000{i}" for i in range(N)]
PARTS = ["train", "train", "train", "val", "test"]


def put_graph(folder: Path, links: list[tuple[int, int]] = LINKS, shape: tuple[int, int] = (N, N)) -> Path:
    matrix = sp.csr_matrix((np.ones(len(links), np.bool_), tuple(zip(*links, strict=True))), shape=shape)
    sp.save_npz(folder / GRAPH.name, matrix)
    return folder / GRAPH.name


def put_artists(folder: Path, *changes: tuple[int, str]) -> None:
    """olga.csv, with rows replaced (row 0 is the header)."""
    tracks = "\"['0a', '0b']\""
    lines = ["index,musicbrainz_id,partition,tracks"]
    lines += [f"{i},{mbid},{part},{tracks}" for i, (mbid, part) in enumerate(zip(MBIDS, PARTS, strict=True))]
    for row, text in changes:
        lines[row] = text
    (folder / ARTISTS.name).write_text("".join(line + "\n" for line in lines if line != "-"))


def made(folder: Path) -> Report:
    """Build from whatever files of the dataset lie in `folder`."""
    files = {f.name: folder / f.name for f in DATASET.files if (folder / f.name).exists()}
    return build(DATASET, files, folder / "out")


def read(folder: Path, table: str) -> dict[str, list[Any]]:
    return pq.read_table(folder / "out" / f"{table}.parquet").to_pydict()


def test_the_graph_alone_gives_artists_by_row_and_each_pair_once(tmp_path: Path) -> None:
    put_graph(tmp_path)
    report = made(tmp_path)
    ids = [f"olga:{i}" for i in range(N)]
    assert read(tmp_path, "artists") == {"artist_id": ids, "name": ids}
    assert read(tmp_path, "similar") == {
        "artist_id": ["olga:0", "olga:0", "olga:1"],
        "similar_id": ["olga:1", "olga:4", "olga:2"],
    }
    assert report.rows == {"artists": N, "similar": 3}
    assert report.notes == {
        "artists called by their row, for want of olga.csv": N,
        "artists without any link": 1,
        "artists without audio, for want of acousticbrainz.npy": N,
    }


def test_the_pairs_make_an_undirected_truth(tmp_path: Path) -> None:
    put_graph(tmp_path)
    made(tmp_path)
    pairs = pq.read_table(tmp_path / "out" / "similar.parquet")
    truth = save_truth(tmp_path / "truths", "olga", pairs, directed=False, source="olga")
    relevance = truth.relevance([f"olga:{i}" for i in range(N)])
    assert np.diff(relevance.indptr).tolist() == [2, 2, 1, 0, 1]


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
    ("links", "found"),
    [
        ([(0, 1), (2, 1)], "found 1 links on or below the diagonal, the first at row 2, column 1"),
        ([(0, 1), (1, 0), (3, 3)], "found 2 links on or below the diagonal, the first at row 1, column 0"),
    ],
)
def test_a_graph_that_is_not_strictly_upper_triangular_is_refused(
    tmp_path: Path, links: list[tuple[int, int]], found: str
) -> None:
    path = put_graph(tmp_path, links)
    with pytest.raises(InputError) as caught:
        made(tmp_path)
    assert str(caught.value) == f"{path}: {found}; wanted a strictly upper triangular matrix, each pair once"
    assert not (tmp_path / "out").exists()


def test_a_graph_that_is_not_square_is_refused(tmp_path: Path) -> None:
    path = put_graph(tmp_path, shape=(N, N + 1))
    with pytest.raises(InputError) as caught:
        made(tmp_path)
    assert str(caught.value) == f"{path}: found a matrix of 5 by 6; wanted a square one, artists by artists"


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
    with pytest.raises(InputError, match="wanted a scipy sparse matrix"):
        made(tmp_path)


def test_a_flipped_byte_in_the_graph_is_refused(tmp_path: Path) -> None:
    path = put_graph(tmp_path)
    data = bytearray(path.read_bytes())
    at = data.index(b"indices.npy") + 60
    data[at] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(InputError, match="wanted a scipy sparse matrix"):
        made(tmp_path)


def test_another_npz_is_no_graph(tmp_path: Path) -> None:
    np.savez(tmp_path / GRAPH.name, a=np.zeros(3))
    with pytest.raises(InputError, match="wanted a scipy sparse matrix"):
        made(tmp_path)


def test_a_single_array_is_no_graph(tmp_path: Path) -> None:
    with (tmp_path / GRAPH.name).open("wb") as file:
        np.save(file, np.zeros((3, 3)))
    with pytest.raises(InputError, match="wanted a scipy sparse matrix"):
        made(tmp_path)


def test_pickled_objects_in_the_graph_are_refused_unopened(tmp_path: Path) -> None:
    np.savez(tmp_path / GRAPH.name, format=np.array([object()], dtype=object))
    with pytest.raises(InputError, match="wanted a scipy sparse matrix"):
        made(tmp_path)


@pytest.mark.parametrize(("indices", "indptr"), [([1, 9], [0, 1, 2, 2]), ([1, -1], [0, 1, 2, 2]), ([1], [0, 5, 1, 1])])
def test_a_graph_that_points_outside_itself_is_refused(tmp_path: Path, indices: list[int], indptr: list[int]) -> None:
    parts = {"indices": np.array(indices, np.int32), "indptr": np.array(indptr, np.int32)}
    data = np.ones(len(indices), np.bool_)
    np.savez(tmp_path / GRAPH.name, format=np.array(b"csr"), shape=np.array([3, 3]), data=data, **parts)
    with pytest.raises(InputError):
        made(tmp_path)


def test_with_olga_csv_artists_have_their_musicbrainz_ids_and_partitions(tmp_path: Path) -> None:
    put_graph(tmp_path)
    put_artists(tmp_path)
    report = made(tmp_path)
    assert read(tmp_path, "artists") == {"artist_id": MBIDS, "name": MBIDS, "mbid": MBIDS, "partition": PARTS}
    assert read(tmp_path, "similar") == {
        "artist_id": [MBIDS[0], MBIDS[0], MBIDS[1]],
        "similar_id": [MBIDS[1], MBIDS[4], MBIDS[2]],
    }
    assert report.notes == {
        "artists named by their MusicBrainz id, for want of a name": N,
        "artists without any link": 1,
        "artists without audio, for want of acousticbrainz.npy": N,
    }


def test_a_nameless_index_column_is_the_index(tmp_path: Path) -> None:
    put_graph(tmp_path)
    put_artists(tmp_path, (0, ",musicbrainz_id,partition,tracks"))
    assert made(tmp_path).rows["artists"] == N


def test_names_are_taken_from_names_csv_where_it_has_them(tmp_path: Path) -> None:
    put_graph(tmp_path)
    put_artists(tmp_path)
    (tmp_path / NAMES.name).write_text(
        f'musicbrainz_id,name\n{MBIDS[2].upper()},"Tyler, the Creator"\n{MBIDS[0]},Björk\n{MBIDS[1]},\n', "utf-8"
    )
    report = made(tmp_path)
    assert read(tmp_path, "artists")["name"] == ["Björk", MBIDS[1], "Tyler, the Creator", MBIDS[3], MBIDS[4]]
    assert report.notes["artists named by their MusicBrainz id, for want of a name"] == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ((0, "index,mbid,partition,tracks"), ": found columns index, mbid, partition, tracks; wanted a column"),
        ((2, "1,not-an-mbid,train,[]"), ", row 2: found musicbrainz_id 'not-an-mbid'; wanted a MusicBrainz id"),
        ((2, f"1,{MBIDS[0]},train,[]"), f", row 2: found {MBIDS[0]} again (first in row 1); wanted each artist once"),
        ((3, f"2,{MBIDS[2]},dev,[]"), ", row 3: found partition 'dev'; wanted train, val, test"),
        ((3, f"7,{MBIDS[2]},val,[]"), ", row 3: found index '7'; wanted 2: the rows of the graph in order"),
        ((4, f"3,{MBIDS[3]}"), ", row 4: found 2 fields; wanted 4"),
        ((5, "-"), ": found 4 rows; wanted 5, as artist_connections.npz has"),
        ((5, '4,"open'), ": found no readable CSV ("),
    ],
)
def test_a_wrong_olga_csv_is_refused_with_row_found_and_wanted(
    tmp_path: Path, change: tuple[int, str], message: str
) -> None:
    put_graph(tmp_path)
    put_artists(tmp_path, change)
    with pytest.raises(InputError) as caught:
        made(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path}/olga.csv{message}")


def test_an_olga_csv_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    put_graph(tmp_path)
    (tmp_path / ARTISTS.name).write_bytes(b"index,musicbrainz_id,partition,tracks\n0,\xff,train,[]\n")
    with pytest.raises(InputError, match=r"olga\.csv: found no readable CSV .*; wanted a CSV file in UTF-8"):
        made(tmp_path)


def put_audio(folder: Path, vectors: np.ndarray) -> None:
    np.save(folder / AUDIO.name, vectors)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_features_become_audio_without_the_empty_rows(tmp_path: Path, dtype: type) -> None:
    put_graph(tmp_path)
    vectors = np.arange(N * 3, dtype=dtype).reshape(N, 3) + 1
    vectors[1] = 0
    vectors[3] = np.nan
    put_audio(tmp_path, vectors)
    report = made(tmp_path)
    assert read(tmp_path, "audio") == {
        "artist_id": ["olga:0", "olga:2", "olga:4"],
        "vector": [[1, 2, 3], [7, 8, 9], [13, 14, 15]],
    }
    assert report.rows["audio"] == 3
    assert report.notes["acousticbrainz.npy: artist without audio, all zeros or NaN"] == 2


def test_features_that_are_no_finite_float32_are_left_out_and_shown(tmp_path: Path) -> None:
    put_graph(tmp_path)
    vectors = np.ones((N, 3))
    vectors[1, 2], vectors[2, 0], vectors[4, 1] = 1e39, np.nan, np.inf
    put_audio(tmp_path, vectors)
    report = made(tmp_path)
    note = "acousticbrainz.npy: row left out, a number is not finite as float32"
    assert read(tmp_path, "audio")["artist_id"] == ["olga:0", "olga:3"]
    assert report.notes[note] == 3
    assert report.examples[note] == (
        "row 1: 1e+39 at position 3",
        "row 2: nan at position 1",
        "row 4: inf at position 2",
    )


def test_features_are_read_in_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(olga, "_CHUNK_ROWS", 2)
    put_graph(tmp_path)
    vectors = np.arange(N * 2, dtype=np.float32).reshape(N, 2) + 1
    vectors[2:4] = 0
    put_audio(tmp_path, vectors)
    made(tmp_path)
    assert read(tmp_path, "audio") == {"artist_id": ["olga:0", "olga:1", "olga:4"], "vector": [[1, 2], [3, 4], [9, 10]]}


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        (np.ones((N - 1, 3)), "found 4 rows; wanted 5, as artist_connections.npz has"),
        (np.ones(N), "found float64 (5,); wanted floating-point numbers, artists by features"),
        (np.ones((N, 0)), "found float64 (5, 0); wanted floating-point numbers, artists by features"),
        (np.ones((N, 3), np.int64), "found int64 (5, 3); wanted floating-point numbers, artists by features"),
        (np.ones((N, 3), np.complex64), "found complex64 (5, 3); wanted floating-point numbers"),
    ],
)
def test_features_of_another_shape_are_refused(tmp_path: Path, vectors: np.ndarray, message: str) -> None:
    put_graph(tmp_path)
    put_audio(tmp_path, vectors)
    with pytest.raises(InputError) as caught:
        made(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path}/acousticbrainz.npy: {message}")


def test_pickled_features_are_refused_unopened(tmp_path: Path) -> None:
    put_graph(tmp_path)
    np.save(tmp_path / AUDIO.name, np.array([object()] * N, dtype=object))
    with pytest.raises(InputError, match=r"acousticbrainz\.npy: found something damaged or of another kind \("):
        made(tmp_path)


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY\x01\x00", b"text"])
def test_damaged_features_are_refused(tmp_path: Path, content: bytes) -> None:
    put_graph(tmp_path)
    (tmp_path / AUDIO.name).write_bytes(content)
    with pytest.raises(InputError, match=r"acousticbrainz\.npy: found something damaged .*wanted a NumPy array"):
        made(tmp_path)


def test_truncated_features_are_refused(tmp_path: Path) -> None:
    put_graph(tmp_path)
    put_audio(tmp_path, np.ones((N, 300)))
    data = (tmp_path / AUDIO.name).read_bytes()
    (tmp_path / AUDIO.name).write_bytes(data[:-8])
    with pytest.raises(InputError, match=r"acousticbrainz\.npy: found something damaged"):
        made(tmp_path)


def test_an_npz_is_no_feature_matrix(tmp_path: Path) -> None:
    put_graph(tmp_path)
    with (tmp_path / AUDIO.name).open("wb") as file:
        np.savez(file, a=np.ones((N, 3)))
    with pytest.raises(InputError, match=r"acousticbrainz\.npy: found something damaged .*wanted a NumPy array"):
        made(tmp_path)


def test_what_is_made_is_a_catalog(tmp_path: Path) -> None:
    put_graph(tmp_path)
    put_artists(tmp_path)
    put_audio(tmp_path, np.ones((N, 3)))
    made(tmp_path)
    tables = Tables.open(tmp_path / "out")
    assert tables.modalities == {"audio": "audio"}
    assert tables.artists().column("partition").to_pylist() == PARTS
    assert sum(batch.num_rows for table in tables.files for batch in tables.batches(table)) == N + N + 3
