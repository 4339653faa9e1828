"""Helpers for tests of embeddings over HTTP: files of matrices, and uploads."""

from __future__ import annotations

import io
from pathlib import Path

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from riyl.core.settings import Home
from tests.app.conftest import asked, key_headers

IDS = ("ids.txt", b"a000\na001\na002\n")
VECTORS = np.array([[1, 0], [0, 2], [3, 4]], np.float32)
PART = np.array([[0, 0], [0, 1], [1, 0]], np.float32)


def npy(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.save(out, array, allow_pickle=True)
    return out.getvalue()


def false_npy(shape: str, *, dtype: str = "'<f4'", data: bytes = b"") -> bytes:
    """Make a .npy file whose header states this shape and dtype, whatever its data are."""
    header = f"{{'descr': {dtype}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + data


def parquet(ids: list[str], vectors: list[list[float]]) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table({"artist_id": ids, "vector": vectors}), out)
    return out.getvalue()


def bring(home: Home, query: str = "name=gnn", **parts: tuple[str, bytes]) -> httpx.Response:
    """Upload files by part, and return the response; `part_tags` is the part `part-tags`."""
    files = {name.replace("part_", "part-"): part for name, part in parts.items()}
    (answer,) = asked(home, f"/v1/embeddings?{query}", method="POST", headers=key_headers(home), files=files)
    return answer


def kept(home: Home) -> list[Path]:
    """Return all files in the folder of embeddings."""
    return list(home.embeddings.rglob("*")) if home.embeddings.exists() else []
