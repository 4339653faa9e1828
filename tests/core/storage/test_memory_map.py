"""Arrays and tables of sealed folders: either as their readers expect, or refused."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from riyl.core.errors import FormatError
from riyl.core.storage.memory_map import (
    load_array,
    load_rows,
    read_arrow,
    read_parquet,
    require_ascending_texts,
    require_bounds,
    write_arrow,
)
from riyl.core.storage.sealed_files import SealedFile
from tests.sealed_folders import sealed_files

NAMES = pa.table({"artist_id": ["a", "b", "ö"], "year": pa.array([1, None, 3], pa.int64())})
COLUMNS = {"artist_id": pa.string()}


def stored(folder: Path, data: bytes) -> SealedFile:
    (folder / "file").write_bytes(data)
    return sealed_files(folder)["file"]


def npy(array: Any, **options: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, **options)
    return stream.getvalue()


def arrow(folder: Path, table: pa.Table) -> bytes:
    write_arrow(folder / "table", table)
    return (folder / "table").read_bytes()


@pytest.mark.parametrize("array", [np.arange(6, dtype=np.float32).reshape(2, 3), np.zeros((0, 3), np.float32)])
def test_an_array_comes_back_mapped_and_read_only(tmp_path: Path, array: np.ndarray) -> None:
    loaded = load_array(stored(tmp_path, npy(array)), np.float32, (None, 3))
    np.testing.assert_array_equal(loaded, array)
    assert (loaded.dtype, loaded.flags.writeable, loaded.flags.owndata) == (np.float32, False, False)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (npy(np.zeros((2, 3))), "found float64; wanted float32"),
        (npy(np.zeros((3, 2), np.float32)), r"found shape \(3, 2\); wanted shape \(any, 3\)"),
        (npy(np.zeros(3, np.float32)), r"found shape \(3,\); wanted shape \(any, 3\)"),
        (npy(np.asfortranarray(np.ones((2, 3), np.float32))), "found float32 in Fortran order"),
        (npy(np.zeros((2, 3), ">f4")), "found >f4; wanted float32"),
        (npy(np.array([[{}] * 3], object), allow_pickle=True), "found object; wanted float32"),
        (npy(np.zeros((2, 3), np.float32)) + b"\x00", "found 25 bytes of numbers; wanted 24"),
        (npy(np.zeros((2, 3), np.float32))[:-1], "found 23 bytes of numbers; wanted 24"),
        (npy(np.zeros((2, 3), np.float32)).replace(b"(2, 3)", b"(-2,3)"), "found shape"),
        (npy(np.zeros((2, 3), np.float32)).replace(b"(2, 3)", b"(1<<3)"), "found no array"),
        (npy(np.zeros((2, 3), np.float32)).replace(b"{'descr'", b"{('\n\n\n\n\n"), "found no array"),
        (b"PK\x03\x04", "found no array"),
        (b"", "found no array"),
    ],
)
def test_another_array_is_refused(tmp_path: Path, data: bytes, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        load_array(stored(tmp_path, data), np.float32, (None, 3))


def test_a_truth_value_is_one_byte_of_0_or_1(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="found 2 at position 1; wanted bytes of 0 and 1"):
        load_array(stored(tmp_path, npy(np.zeros(3, np.bool_))[:-2] + b"\x02\x00"), np.bool_, (3,))


@pytest.mark.parametrize(
    ("rows", "message"),
    [([0, 3], "found 3 at position 1"), ([-1, 0], "found -1 at position 0"), ([1, 1], "strictly ascending numbers")],
)
def test_rows_ascend_within_the_artists(tmp_path: Path, rows: list[int], message: str) -> None:
    with pytest.raises(FormatError, match=message):
        load_rows(stored(tmp_path, npy(np.array(rows, np.int32))), 3)


@pytest.mark.parametrize("indptr", [[1, 2], [0, 3], [0, 5, 2], [0, -1, 2]])
def test_row_pointers_stay_within_the_entries(tmp_path: Path, indptr: list[int]) -> None:
    file = stored(tmp_path, b"")
    with pytest.raises(FormatError):
        require_bounds(file, np.array(indptr), 2)
    require_bounds(file, np.array([0, 0, 2]), 2)


def test_a_table_comes_back(tmp_path: Path) -> None:
    file = stored(tmp_path, arrow(tmp_path, NAMES))
    assert read_arrow(file, COLUMNS, rows=3, others=[pa.int64()]).equals(NAMES)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (NAMES.select(["year"]), "found columns year int64; wanted artist_id string and attributes, each once"),
        (NAMES.slice(0, 2), "found 2 rows; wanted 3"),
        (pa.table({"artist_id": ["a", None, "c"]}), "found no value in 1 rows of artist_id"),
        (pa.table({"artist_id": pa.array(["a", "b", "c"], pa.large_string())}), "found columns artist_id large_string"),
        (NAMES.append_column("x", pa.array([[1.0]] * 3)), r"x list<.*> ?.*; wanted artist_id string"),
        (NAMES.append_column("artist_id", NAMES["artist_id"]), "each once"),
    ],
)
def test_another_table_is_refused(tmp_path: Path, table: pa.Table, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        read_arrow(stored(tmp_path, arrow(tmp_path, table)), COLUMNS, rows=3, others=[pa.int64()])


@pytest.mark.parametrize("offsets", [[0, 1, 2**30, 4], [0, 3, 1, 4], [0, -5, 2, 4]])
def test_texts_whose_offsets_lead_elsewhere_are_refused(tmp_path: Path, offsets: list[int]) -> None:
    """Without the check, Arrow would read outside the buffer, in this process's memory or beyond it."""
    right, wrong = np.array([0, 1, 2, 4], np.int32).tobytes(), np.array(offsets, np.int32).tobytes()
    data = arrow(tmp_path, NAMES)
    assert data.count(right) == 1
    with pytest.raises(FormatError, match="found no table of valid values|found no Arrow file"):
        read_arrow(stored(tmp_path, data.replace(right, wrong)), COLUMNS, others=[pa.int64()])


def test_texts_that_are_no_utf_8_are_refused(tmp_path: Path) -> None:
    data = arrow(tmp_path, NAMES)
    with pytest.raises(FormatError, match="found no table of valid values"):
        read_arrow(stored(tmp_path, data.replace(b"ab\xc3\xb6", b"ab\xff\xff")), COLUMNS, others=[pa.int64()])


def test_a_table_that_is_compressed_is_refused(tmp_path: Path) -> None:
    stream, table = io.BytesIO(), pa.table({"artist_id": ["x" * 1000] * 1000})
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_file(stream, table.schema, options=options) as file:
        file.write_table(table)
    with pytest.raises(FormatError, match="uncompressed columns"):
        read_arrow(stored(tmp_path, stream.getvalue()), COLUMNS)


def test_parquet_is_held_to_the_same(tmp_path: Path) -> None:
    stream = io.BytesIO()
    pq.write_table(NAMES, stream)
    file = stored(tmp_path, stream.getvalue())
    assert read_parquet(file, COLUMNS, rows=3, others=[pa.int64()]).equals(NAMES)
    assert read_parquet(file, COLUMNS, others=[pa.int64()], select=["artist_id"]).column_names == ["artist_id"]
    with pytest.raises(FormatError, match="found 3 rows; wanted 2"):
        read_parquet(file, COLUMNS, rows=2, others=[pa.int64()])
    with pytest.raises(FormatError, match="found columns artist_id string, year int64; wanted artist_id string"):
        read_parquet(file, COLUMNS)
    with pytest.raises(FormatError, match="found no Parquet file"):
        read_parquet(stored(tmp_path, stream.getvalue()[:-9]), COLUMNS)


@pytest.mark.parametrize(("texts", "shown"), [(["b", "a"], "'a'"), (["a", "a"], "'a'"), (["", "a"], "an empty")])
def test_ids_ascend_and_are_not_empty(tmp_path: Path, texts: list[str], shown: str) -> None:
    file = stored(tmp_path, b"")
    with pytest.raises(FormatError, match=shown):
        require_ascending_texts(file, pa.chunked_array([texts]))
    require_ascending_texts(file, pa.chunked_array([["B", "a", "ä", "\U0001f3b8"]]))
    require_ascending_texts(file, pa.chunked_array([], pa.string()))
