"""Small files that declare, or unpack to, much more data than they hold."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

HUGE = 120 << 20
"""Number of entries of a matrix, of one byte each."""


def npy(array: np.ndarray) -> bytes:
    """Return an array as NumPy writes it."""
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def npy_header(descr: Any, shape: tuple[int, ...]) -> bytes:
    """Return the header of an array, without the array."""
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(out, {"descr": descr, "fortran_order": False, "shape": shape})
    return out.getvalue()


def npz(compression: int = zipfile.ZIP_DEFLATED, **members: bytes) -> bytes:
    """Return an archive of arrays, each as `npy` makes it."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as file:
        for name, content in members.items():
            file.writestr(f"{name}.npy", content)
    return out.getvalue()


def matrix_bomb(name: str, entries: int = HUGE) -> bytes:
    """Return a matrix in a format that stores that many entries, all 1, in some hundred kilobytes."""
    data, zeros = np.ones(entries, np.int8), np.zeros(entries, np.int8)
    arrays: dict[str, np.ndarray] = {"format": np.array(name.encode()), "shape": np.array([3, 3]), "data": data}
    match name:
        case "dia":
            arrays |= {"shape": np.array([entries] * 2), "data": data[None], "offsets": np.array([0])}
        case "bsr":
            arrays |= {"shape": np.array([entries, 1]), "data": data[None, :, None]}
            arrays |= {"indices": np.array([0]), "indptr": np.array([0, 1])}
        case "coo":
            arrays |= {"row": zeros, "col": zeros}
        case _:
            arrays |= {"indices": zeros, "indptr": np.array([0, entries, entries, entries])}
    return npz(**{name: npy(array) for name, array in arrays.items()})


def falsified(parquet: bytes, actual: int, claimed: int) -> bytes:
    """Replace a number in the footer of a Parquet file by one of as many bytes (Thrift's compact protocol, zigzag)."""

    def varint(number: int, size: int | None = None) -> bytes:
        digits = []
        number *= 2
        while number or not digits or (size is not None and len(digits) < size):
            digits.append(number & 0x7F | 0x80)
            number >>= 7
        digits[-1] &= 0x7F
        return bytes(digits)

    start = len(parquet) - 8 - int.from_bytes(parquet[-8:-4], "little")
    old = varint(actual)
    footer = parquet[start:]
    assert old in footer
    return parquet[:start] + footer.replace(old, varint(claimed, len(old)))


def parquet_bomb(rows: int = 750, length: int = 1 << 20) -> bytes:
    """Return pairs of an id of a million characters with a short one, whose footer declares a size of some bytes."""
    table = pa.table({"artist_id": ["x" * length] * rows, "similar_id": ["y"] * rows})
    out = io.BytesIO()
    pq.write_table(table, out, compression="zstd", use_dictionary=False, data_page_size=1 << 30, write_batch_size=rows)
    row_group = pq.read_metadata(out).row_group(0)
    content = falsified(out.getvalue(), row_group.total_byte_size, 100)
    return falsified(content, row_group.column(0).total_uncompressed_size, 100)
