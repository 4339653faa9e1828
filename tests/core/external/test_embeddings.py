"""Embeddings from .npy, Parquet and folders: numbers arrive unchanged; every fault names file, found and wanted."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from riyl.core.errors import InputError
from riyl.core.external.embeddings import read_embeddings

NUMBERS = [[1.0, 0.5], [0.0, -2.0], [0.25, 4.0]]


def ids_file(folder: Path, *ids: str) -> Path:
    path = folder / "ids.txt"
    path.write_text("".join(f"{each}\n" for each in ids or "abc"), encoding="utf-8")
    return path


def npy(folder: Path, array: Any, name: str = "x.npy") -> Path:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    np.save(path, np.asarray(array), allow_pickle=True)
    return path


def folder_of(tmp_path: Path, parts: Mapping[str, Any], vectors: Any = None) -> Path:
    ids_file(tmp_path)
    for name, part in parts.items():
        npy(tmp_path, part, f"parts/{name}.npy")
    if vectors is not None:
        npy(tmp_path, vectors, "vectors.npy")
    return tmp_path


def fault(path: Path, ids: Path | None = None, **options: Any) -> str:
    with pytest.raises(InputError) as error:
        read_embeddings(path, ids, **options)
    return str(error.value)


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8", ">f4"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_a_matrix_arrives_as_float32(tmp_path: Path, dtype: str, order: Any) -> None:
    path = npy(tmp_path, np.array(NUMBERS, dtype, order=order))
    embeddings = read_embeddings(path, ids_file(tmp_path))
    assert embeddings.ids == ["a", "b", "c"]
    assert embeddings.parts is None
    assert embeddings.vectors is not None
    assert embeddings.vectors.dtype == np.float32
    assert embeddings.vectors.flags.c_contiguous
    assert embeddings.vectors.tolist() == NUMBERS
    assert embeddings.dim == 2


def test_a_float32_matrix_stays_in_its_file(tmp_path: Path) -> None:
    vectors = read_embeddings(npy(tmp_path, np.array(NUMBERS, np.float32)), ids_file(tmp_path)).vectors
    assert vectors is not None
    assert not vectors.flags.owndata
    assert not vectors.flags.writeable


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.ones(3), "found an array of shape (3,); wanted (n, d)"),
        (np.ones((3, 1, 1)), "found an array of shape (3, 1, 1); wanted (n, d)"),
        (np.ones((3, 0)), "found an array of shape (3, 0); wanted (n, d)"),
        (np.ones((0, 2)), "found an array of shape (0, 2); wanted (n, d)"),
        (np.ones((3, 2), int), "found int64 numbers; wanted float16, float32 or float64"),
        (np.ones((3, 2), complex), "found complex128 numbers; wanted float16, float32 or float64"),
        (np.array([["x"]] * 3), "found <U1 numbers; wanted float16, float32 or float64"),
        (np.array([[{}]] * 3), "found pickled Python objects; wanted float16, float32 or float64 numbers"),
        (np.ones((2, 2)), "found 2 rows and 3 ids; wanted one id for each row"),
    ],
)
def test_an_array_that_is_no_matrix_of_floats_is_an_error(tmp_path: Path, array: Any, message: str) -> None:
    path = npy(tmp_path, array)
    assert f"{path}: {message}" in fault(path, ids_file(tmp_path))


@pytest.mark.parametrize(
    ("value", "dtype", "shown"),
    [
        (np.nan, np.float32, "nan"),
        (np.nan, np.float64, "nan"),
        (-np.inf, np.float16, "-inf"),
        (1e300, np.float64, "1e+300"),
        (-2e15, np.float64, "-2000000000000000.0"),
    ],
)
def test_a_number_that_cannot_be_used_is_an_error_with_its_artist(
    tmp_path: Path, value: float, dtype: Any, shown: str
) -> None:
    array = np.array(NUMBERS, dtype)
    array[1, 1] = array[2, 0] = value
    assert fault(npy(tmp_path, array), ids_file(tmp_path)).endswith(
        f"x.npy: found {shown} in row 2, column 2 (artist 'b'), and 2 such rows in all; wanted finite numbers of at "
        "most 1e+15"
    )


def test_a_file_of_another_size_than_its_header_declares_is_an_error(tmp_path: Path) -> None:
    path, ids = npy(tmp_path, np.array(NUMBERS, np.float32)), ids_file(tmp_path)
    whole = path.read_bytes()
    for content in (whole[:-4], whole + b"more"):
        path.write_bytes(content)
        assert f"found {len(content)} bytes; wanted {len(whole)}, as its header declares" in fault(path, ids)
    path.write_bytes(b"PK\x03\x04 no array")
    assert "found no NumPy array" in fault(path, ids)


def test_a_path_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("a")
    wanted = "wanted a file that ends in .npy or .parquet, or a folder with ids.txt and parts/"
    assert fault(tmp_path / "no.npy").endswith(f"found no such file or folder; {wanted}")
    assert fault(tmp_path / "x.csv").endswith(f"found a file that ends in '.csv'; {wanted}")
    assert "found no ids of its rows; wanted a file with one artist id per line" in fault(npy(tmp_path, NUMBERS))


def vectors_table(path: Path, ids: list[Any], vectors: Any, kind: pa.DataType | None = None) -> Path:
    pq.write_table(pa.table({"artist_id": ids, "vector": pa.array(vectors, kind)}), path)
    return path


@pytest.mark.parametrize("kind", [pa.list_(pa.float64()), pa.list_(pa.float32(), 2), pa.large_list(pa.float16())])
def test_vectors_of_a_parquet_file_may_be_lists_of_any_float(tmp_path: Path, kind: pa.DataType) -> None:
    vectors = [np.array(row, np.float16) for row in NUMBERS] if "half" in str(kind) else NUMBERS
    embeddings = read_embeddings(vectors_table(tmp_path / "x.parquet", ["c", "a", "b"], vectors, kind))
    assert embeddings.ids == ["c", "a", "b"]
    assert embeddings.vectors is not None
    assert embeddings.vectors.tolist() == NUMBERS


def test_a_parquet_file_of_many_batches_keeps_its_order(tmp_path: Path) -> None:
    n = (1 << 16) + 7
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(np.arange(n, dtype=np.float32)), 1)
    pq.write_table(pa.table({"artist_id": [str(i) for i in range(n)], "vector": vectors}), tmp_path / "x.parquet")
    embeddings = read_embeddings(tmp_path / "x.parquet")
    assert embeddings.vectors is not None
    assert embeddings.vectors[:, 0].tolist() == [float(each) for each in embeddings.ids]


def test_an_artist_of_a_parquet_file_without_a_vector_has_a_row_of_zeros(tmp_path: Path) -> None:
    path = tmp_path / "vectors.parquet"
    for kind in (pa.list_(pa.float32()), pa.list_(pa.float32(), 2)):
        vectors = pa.array([None, [1.0, 2.0], None, [3.0, 4.0]], kind)
        pq.write_table(pa.table({"artist_id": ["a", "b", "c", "d"], "vector": vectors}), path, row_group_size=1)
        embeddings = read_embeddings(path)
        assert embeddings.ids == ["a", "b", "c", "d"]
        assert embeddings.vectors is not None
        assert embeddings.vectors.tolist() == [[0, 0], [1, 2], [0, 0], [3, 4]]


@pytest.mark.parametrize(
    ("ids", "vectors", "message"),
    [
        (["a", "b"], [[1.0], [1.0, 2.0]], "row 2: found a vector of 2 numbers in column 'vector'"),
        (["a", "b"], [None, None], "found no vector; wanted at least one"),
        (["a"], [[]], "row 1: found a vector of 0 numbers in column 'vector'"),
        (["a", "b"], [[1.0], [None]], "row 2: found nan at position 1 of the vector"),
        (["a", "b"], [[1.0], [np.inf]], "row 2: found inf at position 1 of the vector"),
        (["a", "b"], [[1.0], [1e20]], "found 1.0000000200408773e+20 in row 2, column 1 (artist 'b')"),
        (["a", None], [[1.0], [1.0]], "row 2: found nothing in column 'artist_id'"),
        (["a", " "], [[1.0], [1.0]], "row 2: found ' ' in column 'artist_id'"),
        (["a", "a"], [[1.0], [1.0]], "found 1 repeated artist id: 'a' (rows 1 and 2)"),
        ([], [], "found no rows"),
    ],
)
def test_a_fault_of_a_parquet_file_is_an_error_with_its_row(
    tmp_path: Path, ids: list[Any], vectors: list[Any], message: str
) -> None:
    path = tmp_path / "x.parquet"
    columns = {"artist_id": pa.array(ids, pa.string()), "vector": pa.array(vectors, pa.list_(pa.float64()))}
    pq.write_table(pa.table(columns), path)
    assert message in fault(path)


def test_a_parquet_file_without_the_columns_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"artist_id": ["a"], "embedding": [[1.0]]}), path)
    assert "found columns artist_id, embedding; wanted a column 'vector'" in fault(path)
    path.write_bytes(b"PAR1 no more")
    assert "found no readable Parquet file" in fault(path)


def test_ids_beside_a_file_that_contains_them_are_an_error(tmp_path: Path) -> None:
    path = vectors_table(tmp_path / "x.parquet", ["a"], [[1.0]])
    assert "wanted none: x.parquet holds them in its column artist_id" in fault(path, ids_file(tmp_path))
    assert "holds ids.txt" in fault(folder_of(tmp_path, {"tags": NUMBERS}), tmp_path / "ids.txt")


def test_a_folder_gives_parts_by_modality(tmp_path: Path) -> None:
    audio = np.array([[np.nan, np.nan], [3.0, 4.0], [0.0, 0.0]])
    embeddings = read_embeddings(folder_of(tmp_path, {"tags": np.array(NUMBERS, np.float32), "audio": audio}))
    (tmp_path / "parts" / ".hidden").write_text("ignored")
    assert embeddings.vectors is None
    assert embeddings.parts is not None
    assert {name: part.tolist() for name, part in embeddings.parts.items()} == {
        "audio": [[0.0, 0.0], [3.0, 4.0], [0.0, 0.0]],
        "tags": NUMBERS,
    }


def test_rows_of_nan_in_a_mapped_part_become_zeros(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, {"audio": np.array([[1.0], [np.nan], [2.0]], np.float32)})
    embeddings = read_embeddings(folder)
    assert embeddings.parts is not None
    assert embeddings.parts["audio"].tolist() == [[1.0], [0.0], [2.0]]


def test_a_folder_may_give_the_whole_vectors_too_or_alone(tmp_path: Path) -> None:
    embeddings = read_embeddings(folder_of(tmp_path, {"tags": np.zeros((3, 2))}, NUMBERS))
    assert embeddings.vectors is not None
    assert embeddings.vectors.tolist() == NUMBERS
    (tmp_path / "parts" / "tags.npy").unlink()
    alone = read_embeddings(tmp_path)
    assert alone.parts is None
    assert alone.vectors is not None
    assert list(alone.matrices) == ["vectors.npy"]


def test_faults_of_a_folder_are_errors(tmp_path: Path) -> None:
    assert "found no ids.txt; wanted one" in fault(tmp_path)
    ids_file(tmp_path)
    assert "found neither parts/NAME.npy nor vectors.npy; wanted at least one of them" in fault(tmp_path)
    folder = folder_of(tmp_path, {"tags": [[1.0], [np.nan], [2.0]], "audio": NUMBERS})
    shapes = "found parts/audio.npy (3, 2), parts/tags.npy (3, 1); wanted one shape"
    assert shapes in fault(folder)
    npy(tmp_path, [[1.0, np.nan], [1.0, 1.0], [1.0, 1.0]], "parts/tags.npy")
    message = fault(folder)
    assert "found nan in row 1, column 2 (artist 'a'), and 1 such row in all" in message
    assert message.endswith("or a row of NaN alone for an artist without the modality")
    npy(tmp_path, NUMBERS[:2], "parts/tags.npy")
    assert "tags.npy: found 2 rows and 3 ids" in fault(folder)
    npy(tmp_path, NUMBERS, "parts/tags.npy").rename(tmp_path / "parts" / "a+b.npy")
    assert "name of a modality: found 'a+b'; wanted 1 to 64 letters, digits" in fault(folder)
    (tmp_path / "parts" / "a+b.npy").rename(tmp_path / "parts" / "tags.txt")
    assert "tags.txt: found an entry that is not a .npy file" in fault(folder)


def test_vectors_of_a_folder_may_not_be_nan(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, {"tags": NUMBERS}, np.full((3, 2), np.nan))
    assert "vectors.npy: found nan in row 1, column 1 (artist 'a'), and 3 such rows in all" in fault(folder)


def test_what_is_larger_than_allowed_is_refused(tmp_path: Path) -> None:
    ids = ids_file(tmp_path)
    path = npy(tmp_path, NUMBERS)
    assert read_embeddings(path, ids, most_bytes=24).dim == 2
    assert "found 24 bytes once unpacked; wanted at most 23" in fault(path, ids, most_bytes=23)
    folder = folder_of(tmp_path, {"tags": NUMBERS, "audio": NUMBERS})
    assert "found 48 bytes once unpacked; wanted at most 47" in fault(folder, most_bytes=47)
    table = vectors_table(tmp_path / "x.parquet", ["a"], [[1.0]])
    assert "wanted at most 3" in fault(table, most_bytes=3)
