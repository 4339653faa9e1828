"""Uploads of embeddings: no file takes more memory than the process that reads it may."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.app.routes.embeddings import npy
from tests.conftest import REPOSITORY
from tests.core.catalog.bombs import parquet_bomb

MAX_BYTES = 768_000_000
LARGE = 60 << 20

MEASURED = """
import asyncio, json, resource, sys
from pathlib import Path
from riyl.app.services.embedding_uploads import EmbeddingsUpload
from riyl.app.services.uploads import UploadedFile, keep_upload
folder = Path(sys.argv[1])
def uploaded(name):
    return UploadedFile((folder / name).open("rb"), name) if (folder / name).exists() else None
def peak():
    return next(int(line.split()[1]) << 10 for line in open("/proc/self/status") if line.startswith("VmHWM"))
upload = EmbeddingsUpload(uploaded(sys.argv[2]), uploaded("ids.txt"), {}, "t")
before, detail = peak(), ""
try:
    asyncio.run(keep_upload(upload, folder / "embeddings", None, asyncio.Event().wait))
except Exception as error:
    detail = f"{type(error).__name__}: {error}"
own = peak() - before
print(json.dumps([detail, own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss << 10]))
"""
"""Program that reads an upload as the service does, and prints the error, the rise of its own peak memory, and the peak
memory of the other process, in bytes.
"""

OUT_OF_MEMORY = (
    "takes more than 768 MB of memory to read; wanted a smaller one, such as one with fewer artists or narrower"
)


def lines(count: int) -> bytes:
    return b"\n".join(b"%d" % i for i in range(count))


@pytest.mark.parametrize(
    ("name", "make", "ids", "detail"),
    [
        ("m.npy", lambda: npy(np.zeros((300_000, 100), np.float16)), lambda: lines(300_000), ""),
        ("m.npy", lambda: npy(np.asfortranarray(np.ones((30_000, 260)))), lambda: lines(30_000), ""),
        ("m.npy", lambda: npy(np.ones((1, 1), np.float32)), lambda: lines(LARGE // 8), OUT_OF_MEMORY),
        ("m.npy", lambda: npy(np.ones((1, 1), np.float32)), lambda: b"ab\n" * (LARGE // 3), OUT_OF_MEMORY),
        ("m.parquet", parquet_bomb, lambda: None, "found columns artist_id, similar_id; wanted a column 'vector'"),
    ],
)
def test_no_file_takes_more_memory_than_its_process_may(
    tmp_path: Path, name: str, make: Callable[[], bytes], ids: Callable[[], bytes | None], detail: str
) -> None:
    (tmp_path / name).write_bytes(make())
    listed = ids()
    if listed is not None:
        (tmp_path / "ids.txt").write_bytes(listed)
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, str(tmp_path), name], cwd=REPOSITORY, capture_output=True, check=True
    )
    error, service_bytes, process_bytes = json.loads(done.stdout)
    assert error == "" if detail == "" else error.startswith("InputError: ") and detail in error
    assert process_bytes <= MAX_BYTES
    assert service_bytes <= 16 << 20
