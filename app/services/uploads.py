"""Uploads of files: a process per upload reads and stores it, so that no file takes memory of the service.

The files lie in a temporary folder while they are read. It is removed when the process has ended, for whatever reason.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO, Protocol

import pyarrow as pa
from starlette.requests import ClientDisconnect
from starlette.types import Receive

from riyl.app.services.upload_reader import (
    KNOWN,
    MAX_CPU_S,
    MAX_MEMORY_BYTES,
    OUT_OF_MEMORY,
    REQUEST,
    REQUEST_SCHEMA,
    RESULT,
    RESULT_SCHEMA,
    Kept,
    ReadRequest,
    ReadResult,
)
from riyl.core.errors import FormatError, InputError
from riyl.core.storage.ground_truth import MAX_NAME_LENGTH
from riyl.core.storage.memory_map import write_arrow

log = logging.getLogger(__name__)

MAX_S = 120.0
"""Maximum time from the start of the process to its end, in seconds."""

MAX_RESULT_BYTES = 1 << 16
MAX_LOG_BYTES = 1 << 12
"""Maximum size that the service reads of the result, and of the output of the process, in bytes."""

LOG = "log.txt"
"""File of the folder with the output of the process."""

KEPT_VARIABLES = ("LD_LIBRARY_PATH", "PATH", "PYTHONHOME", "PYTHONPATH", "TMPDIR")
"""Environment variables that the process gets: those that locate libraries, and none that may hold a secret."""

VARIABLES = {
    "ARROW_DEFAULT_MEMORY_POOL": "system",  # other pools reserve a gigabyte at once, which counts as data
    "ARROW_IO_THREADS": "1",
    "MALLOC_ARENA_MAX": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}


@dataclass(frozen=True)
class UploadedFile:
    """A file of an upload.

    Attributes:
        content: read from its beginning.
        name: original name of the file, for people; its suffix determines the format.
    """

    content: BinaryIO
    name: str

    @property
    def shown(self) -> str:
        """Name of the file as errors show it."""
        return self.name[:MAX_NAME_LENGTH]

    def name_as(self, part: str) -> str:
        """Return the name that the process reads the file by, as this part of the form."""
        return f"uploaded-{part}{Path(self.name).suffix}"


class Upload(Protocol):
    """Files of an upload, and how they are read and stored."""

    @property
    def files(self) -> Mapping[str, UploadedFile]:
        """The files, by their path in the folder of the process; the first is the one that the limits' errors name.

        The paths must not lead out of that folder, nor be the names of its other files.
        """

    @property
    def smaller(self) -> str:
        """Kind of an upload that takes less memory, for errors."""

    def request(self, stored: Path) -> ReadRequest:
        """Return the request to the process that reads the files and stores their contents in a folder."""


async def keep_upload(upload: Upload, stored: Path, known: pa.Array | None, receive: Receive) -> Kept:
    """Read an upload in a process of its own, and store its contents.

    The process is killed when it takes too long, when the client disconnects, and when the request is cancelled.

    Args:
        upload: the files, and the properties of what they contain.
        stored: folder of such contents in the home.
        known: ids of the catalog that the coverage of a ground truth is measured on, if there is one.
        receive: `receive` of the request, whose body has been read.

    Raises:
        InputError: the upload is invalid, or takes too much memory or time to read.
        FormatError: the same contents are stored already, and damaged.
        ClientDisconnect: the client has disconnected.
    """
    reader = _ReaderProcess()
    reading = asyncio.ensure_future(asyncio.to_thread(reader.read, upload, stored, known))
    leaving = asyncio.ensure_future(_left(receive))
    try:
        done, _ = await asyncio.wait({reading, leaving}, timeout=MAX_S, return_when=asyncio.FIRST_COMPLETED)
    finally:
        leaving.cancel()
        reader.end()
        await asyncio.gather(reading, leaving, return_exceptions=True)
    if not done:
        raise InputError(_too_slow(upload))
    if reading not in done:
        raise ClientDisconnect
    return reading.result()


async def _left(receive: Receive) -> None:
    """Wait until the client disconnects."""
    while (await receive())["type"] != "http.disconnect":
        pass


class _ReaderProcess:
    """A process that reads one upload; `end` kills it from another thread, even before it has started."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._is_ended = False

    def end(self) -> None:
        """Kill the process if it runs, and prevent it from starting later."""
        with self._guard:
            self._is_ended = True
            if self._process is not None:
                self._process.kill()

    def read(self, upload: Upload, stored: Path, known: pa.Array | None) -> Kept:
        """Run the process to its end.

        Raises as `keep_upload`, or InterruptedError where `end` killed it.
        """
        with TemporaryDirectory(prefix="riyl-upload-") as name:
            folder = Path(name)
            for path, uploaded in upload.files.items():
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                with (folder / path).open("xb") as out:
                    shutil.copyfileobj(uploaded.content, out)
            if known is not None:
                write_arrow(folder / KNOWN, pa.table({"artist_id": known}))
            (folder / REQUEST).write_bytes(REQUEST_SCHEMA.dump_json(upload.request(stored.absolute())))
            status = self._run(folder)
            if self._is_ended:
                raise InterruptedError("the process that read the file was ended")
            result = _result_of(folder, status, upload)
        if result.errno:
            raise OSError(result.errno, os.strerror(result.errno), result.file or stored.name)
        if result.damaged:
            raise FormatError(result.damaged)
        if result.kept is None:
            raise InputError(_with_own_names(result.invalid, upload, folder))
        return result.kept

    def _run(self, folder: Path) -> int:
        command = [sys.executable, "-P", "-m", "riyl.app.services.upload_reader", str(folder), str(os.getpid())]
        environment = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ} | VARIABLES
        with (folder / LOG).open("xb") as out, self._guard:
            if self._is_ended:
                return -signal.SIGKILL
            # in a session of its own: a Ctrl-C reaches the service alone, which then kills the process
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environment, start_new_session=True
            )
        return self._process.wait()


def _result_of(folder: Path, status: int, upload: Upload) -> ReadResult:
    """Return the result of a process that has ended with a status.

    Raises:
        InputError: it reached a limit, or the file made it crash.
        RuntimeError: it ended because of a fault of the service; the message has its output.
    """
    name = _shown(upload)
    if status == 0:
        with (folder / RESULT).open("rb") as file:
            content = file.read(MAX_RESULT_BYTES + 1)
        if len(content) > MAX_RESULT_BYTES:
            raise RuntimeError(f"result for {name}: found more than {MAX_RESULT_BYTES} bytes; wanted at most that")
        return RESULT_SCHEMA.validate_json(content)
    with (folder / LOG).open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - MAX_LOG_BYTES))
        printed = file.read(MAX_LOG_BYTES).decode(errors="replace")
    log.warning("upload_reader_ended", extra={"file": name, "status": status, "printed": printed})
    memory = f"more than {MAX_MEMORY_BYTES // 1_000_000} MB of memory"
    if status == OUT_OF_MEMORY:
        raise InputError(f"{name}: the file takes {memory} to read; wanted a smaller one, such as {upload.smaller}")
    if status == -signal.SIGXCPU:
        raise InputError(_too_slow(upload))
    if status < 0:
        ended_by = f"the process that read the file died of signal {signal.Signals(-status).name}"
        raise InputError(f"{name}: {ended_by}; wanted an undamaged file that does not take {memory} to read")
    raise RuntimeError(f"the process that read {name} ended with status {status}: {printed}")


def _shown(upload: Upload) -> str:
    return next(iter(upload.files.values())).shown


def _too_slow(upload: Upload) -> str:
    limits = f"{MAX_CPU_S} s of CPU time, or {MAX_S:.0f} s in all,"
    return (
        f"{_shown(upload)}: the file takes more than {limits} to read; wanted a smaller one, such as {upload.smaller}"
    )


def _with_own_names(detail: str, upload: Upload, folder: Path) -> str:
    """Return an error with the files of an upload under their original names, and without the folder of the process."""
    for path, uploaded in upload.files.items():
        detail = detail.replace(str(folder / path), uploaded.shown).replace(path, uploaded.shown)
    return detail.replace(f"{folder}/", "")
