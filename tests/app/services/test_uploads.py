"""The process that reads an upload: its limits, what it gets from the service, and its end in all cases."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pytest
from starlette.requests import ClientDisconnect

from riyl.app.services import uploads
from riyl.app.services.truth_uploads import TruthUpload
from riyl.app.services.upload_reader import REQUEST_SCHEMA, Kept, TruthRequest
from riyl.app.services.uploads import UploadedFile, keep_upload
from riyl.core.errors import FormatError, InputError
from riyl.core.storage.ground_truth import Truth
from tests.app.conftest import until
from tests.app.readers import reader_of
from tests.conftest import REPOSITORY
from tests.core.catalog.bombs import matrix_bomb, npy, npz, parquet_bomb

MAX_BYTES = 768_000_000
CSV = b"artist_id,similar_id\na,b\nb,a\nc,c\na,x\n"
SLOW = b"artist_id,similar_id\n" + b'"a","b"\n' * 2_000_000
"""Upload that is parsed row by row."""


async def stays() -> dict[str, Any]:
    """Wait like the `receive` of a client that waits for its response."""
    await asyncio.Event().wait()
    return {}


def upload(content: bytes, name: str = "pairs.csv", ids: bytes | None = None, ids_name: str = "ids.txt") -> TruthUpload:
    listed = None if ids is None else UploadedFile(io.BytesIO(ids), ids_name)
    return TruthUpload(UploadedFile(io.BytesIO(content), name), listed, "t", directed=False)


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of temporary folders."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


@asynccontextmanager
async def held_reading(folder: Path, receive: Any = stays) -> AsyncIterator[tuple[asyncio.Task[Kept], psutil.Process]]:
    """Upload a file, and stop the process that reads it."""
    task = asyncio.create_task(keep_upload(upload(CSV), folder, None, receive))
    process = await reader_of()
    process.suspend()
    yield task, process
    assert not process.is_running()


async def test_a_truth_is_kept_and_held_against_the_ids_of_a_catalog(tmp_path: Path, temporary: Path) -> None:
    kept = await keep_upload(upload(CSV), tmp_path / "truths", pa.array(["a", "b", "z"]), stays)
    assert Truth.open(tmp_path / "truths" / kept.manifest["id"]).pairs.to_pylist() == [
        {"artist_id": "a", "similar_id": "b"},
        {"artist_id": "a", "similar_id": "x"},
    ]
    assert kept.manifest["counts"] == {"pairs": 2, "self_pairs": 1, "double_pairs": 1}
    assert kept.coverage is not None
    assert (kept.coverage.pairs, kept.coverage.unknown_pairs, kept.coverage.examples) == (1, 1, ["x"])
    assert (await keep_upload(upload(CSV), tmp_path / "truths", None, stays)).coverage is None
    assert list(temporary.iterdir()) == []


async def test_the_same_truth_that_is_damaged_is_told_as_such(tmp_path: Path) -> None:
    kept = await keep_upload(upload(CSV), tmp_path, None, stays)
    (tmp_path / kept.manifest["id"] / "pairs.parquet").write_bytes(b"")
    with pytest.raises(FormatError, match="damaged, found 0 bytes"):
        await keep_upload(upload(CSV), tmp_path, None, stays)


def opened_by(pid: int) -> set[str]:
    """Return the targets of the descriptors of a process."""
    links = Path(f"/proc/{pid}/fd").iterdir()
    return {str(link.readlink()) for link in links if link.is_symlink()}


async def test_the_process_has_its_limits_and_nothing_of_the_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RIYL_DATABASE_URL", "postgresql://u:secret@h/d")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    reading, writing = os.pipe()
    for descriptor in (reading, writing):
        os.set_inheritable(descriptor, True)
    task = asyncio.create_task(keep_upload(upload(SLOW), tmp_path, None, stays))
    process = await reader_of()
    await until(lambda: process.rlimit(psutil.RLIMIT_CORE)[0] == 0 and process.rlimit(psutil.RLIMIT_CPU)[0] == 60)
    process.suspend()
    assert 0 < process.rlimit(psutil.RLIMIT_DATA)[0] <= MAX_BYTES
    assert "secret" not in str(process.environ())
    assert not [name for name in process.environ() if name.startswith(("RIYL", "AWS"))]
    opened, shared = (opened_by(pid) for pid in (process.pid, os.getpid()))
    assert opened & shared <= {"/dev/null"}
    assert [target for target in opened if target.startswith("socket:")] == []
    assert os.getsid(process.pid) != os.getsid(0)
    process.kill()
    with pytest.raises(InputError):
        await task
    for descriptor in (reading, writing):
        os.close(descriptor)


@pytest.mark.parametrize(
    ("number", "detail"),
    [
        (signal.SIGSEGV, "pairs.csv: the process that read the file died of signal SIGSEGV; wanted an undamaged file"),
        (signal.SIGABRT, "pairs.csv: the process that read the file died of signal SIGABRT; wanted an undamaged file"),
        (signal.SIGKILL, "pairs.csv: the process that read the file died of signal SIGKILL; wanted an undamaged file"),
        (signal.SIGXCPU, "pairs.csv: the file takes more than 60 s of CPU time, or 120 s in all, to read; wanted"),
    ],
)
async def test_a_process_that_dies_is_told_as_a_fault_of_the_file(
    tmp_path: Path, temporary: Path, number: signal.Signals, detail: str
) -> None:
    async with held_reading(tmp_path / "truths") as (task, process):
        process.send_signal(number)
        process.resume()
        with pytest.raises(InputError) as caught:
            await task
        assert str(caught.value).startswith(detail)
    assert list(temporary.iterdir()) == []


async def test_a_process_that_does_not_end_is_ended(
    tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "MAX_S", 3.0)
    async with held_reading(tmp_path / "truths") as (task, _):
        with pytest.raises(InputError, match=r"pairs\.csv: the file takes more than 60 s of CPU time, or 3 s in all"):
            await task
    assert list(temporary.iterdir()) == []


async def test_the_process_ends_when_the_client_leaves(tmp_path: Path, temporary: Path) -> None:
    leaves = asyncio.Event()

    async def receive() -> dict[str, Any]:
        await leaves.wait()
        return {"type": "http.disconnect"}

    async with held_reading(tmp_path / "truths", receive) as (task, _):
        leaves.set()
        with pytest.raises(ClientDisconnect):
            await task
    assert list(temporary.iterdir()) == []


async def test_the_process_ends_when_the_request_is_cancelled(tmp_path: Path, temporary: Path) -> None:
    async with held_reading(tmp_path / "truths") as (task, _):
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert list(temporary.iterdir()) == []


SERVICE = """
import asyncio, io, sys
from pathlib import Path
from riyl.app.services.truth_uploads import TruthUpload
from riyl.app.services.uploads import UploadedFile, keep_upload
content = b"artist_id,similar_id" + b'\\n"a","b"' * 4_000_000
upload = TruthUpload(UploadedFile(io.BytesIO(content), "x.csv"), None, "t", False)
asyncio.run(keep_upload(upload, Path(sys.argv[1]), None, asyncio.Event().wait))
"""


async def test_the_process_ends_with_a_service_that_is_killed(tmp_path: Path, temporary: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(temporary)}
    service = subprocess.Popen([sys.executable, "-c", SERVICE, str(tmp_path)], cwd=REPOSITORY, env=environment)
    process = await reader_of(service.pid)
    await until(lambda: process.rlimit(psutil.RLIMIT_CPU)[0] == 60)
    process.suspend()
    service.kill()
    service.wait()
    await until(lambda: not process.is_running())


ABORTS_AT_EXIT = """
import atexit, os, sys
from pathlib import Path
from riyl.app.services.upload_reader import main
atexit.register(os.abort)
main(Path(sys.argv[1]), os.getppid())
"""


def test_a_library_that_aborts_at_the_exit_does_not_lose_the_result(tmp_path: Path) -> None:
    (tmp_path / "pairs.csv").write_bytes(CSV)
    request = TruthRequest("pairs.csv", None, tmp_path / "truths", "t", False, "pairs.csv")
    (tmp_path / "request.json").write_bytes(REQUEST_SCHEMA.dump_json(request))
    command = [sys.executable, "-c", ABORTS_AT_EXIT, str(tmp_path)]
    subprocess.run(command, cwd=REPOSITORY, env={**os.environ, **uploads.VARIABLES}, check=True)
    (folder,) = (tmp_path / "truths").iterdir()
    assert json.loads((tmp_path / "result.json").read_bytes())["kept"]["manifest"]["id"] == folder.name


MEASURED = """
import asyncio, io, json, resource, sys
from pathlib import Path
from riyl.app.services.truth_uploads import TruthUpload
from riyl.app.services.uploads import UploadedFile, keep_upload
folder = Path(sys.argv[1])
def uploaded(name):
    return UploadedFile((folder / name).open("rb"), name) if (folder / name).exists() else None
def peak():
    return next(int(line.split()[1]) << 10 for line in open("/proc/self/status") if line.startswith("VmHWM"))
upload = TruthUpload(uploaded(sys.argv[2]), uploaded("ids.txt"), "t", False)
before, detail = peak(), ""
try:
    asyncio.run(keep_upload(upload, folder / "truths", None, asyncio.Event().wait))
except Exception as error:
    detail = f"{type(error).__name__}: {error}"
own = peak() - before
print(json.dumps([detail, own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss << 10]))
"""
"""Program that reads an upload as the service does, and prints the error, the rise of its own peak memory, and the peak
memory of the other process, in bytes.
"""

TOO_LARGE = "bytes once unpacked; wanted at most 134217728"
OUT_OF_MEMORY = "the file takes more than 768 MB of memory to read; wanted a smaller one, such as one with fewer pairs"
NO_MATRIX = "wanted a scipy sparse matrix"


def members(count: int) -> bytes:
    """Make an archive that lists as many members, each without content."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for i in range(count):
            file.writestr(zipfile.ZipInfo(f"{i}.npy"), b"")
    return out.getvalue()


HEADER = b"artist_id,similar_id\n"
LARGE = 60 << 20


@pytest.mark.parametrize(
    ("name", "make", "ids", "detail"),
    [
        ("g.npz", lambda: matrix_bomb("dia"), b"a\n", TOO_LARGE),
        ("g.npz", lambda: matrix_bomb("coo", 8_000_000), b"\n" * LARGE, OUT_OF_MEMORY),
        ("g.npz", lambda: npz(zipfile.ZIP_LZMA, data=npy(np.ones(1))), b"a\n", NO_MATRIX),
        ("g.npz", lambda: members(100_000), b"a\n", NO_MATRIX),
        ("p.parquet", lambda: parquet_bomb(), None, OUT_OF_MEMORY),
        ("p.csv", lambda: HEADER + b'"' + b"x" * LARGE, None, "a line of more than 16777216 bytes"),
        ("p.csv", lambda: HEADER + b'"' + b"\n" * LARGE, None, "a quote that is opened and never closed"),
        ("p.csv", lambda: HEADER + b'"' * LARGE, None, "a line of more than 16777216 bytes"),
        ("p.csv", lambda: HEADER + b"x" * LARGE, None, "a line of more than 16777216 bytes"),
        ("p.csv", lambda: b",".join(b"c%d" % i for i in range(1_500_000)) + b"\n", None, "and 1499950 more; wanted"),
        ("p.csv", lambda: b"artist_id,similar_id" + b",x" * 7_000_000, None, "found column 'x' twice"),
        ("p.csv", lambda: HEADER + b"a,b\n" * (LARGE // 4), None, ""),
    ],
)
def test_no_file_takes_more_memory_than_its_process_may(
    tmp_path: Path, name: str, make: Callable[[], bytes], ids: bytes | None, detail: str
) -> None:
    content = make()
    (tmp_path / name).write_bytes(content)
    if ids is not None:
        (tmp_path / "ids.txt").write_bytes(ids)
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, str(tmp_path), name], cwd=REPOSITORY, capture_output=True, check=True
    )
    error, service_bytes, process_bytes = json.loads(done.stdout)
    assert detail in error
    assert error == "" or error.startswith(f"InputError: {name}")
    assert process_bytes <= MAX_BYTES
    assert service_bytes <= 16 << 20
