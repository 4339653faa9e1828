"""Process that reads and stores one uploaded ground truth, within limits of memory and time that hold for any file.

`riyl.app.services.truth_uploads` starts it with a folder that contains the upload and the request; it writes its result
there. Python's and Arrow's memory, and everything unpacked into it, counts against RLIMIT_DATA. RLIMIT_AS would also
count memory that libraries reserve and never use.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from pydantic import TypeAdapter

from riyl.core.catalog.pairs import read_pairs
from riyl.core.errors import FormatError, InputError
from riyl.core.storage.ground_truth import Coverage, save_truth

MAX_MEMORY_BYTES = 768_000_000
"""Maximum memory of the process, in bytes."""

CODE_BYTES = 68_000_000
"""Part of that memory for the code of libraries, mapped from their files, in bytes; the rest is the limit of data."""

MAX_CPU_S = 60
"""Maximum CPU time, in seconds."""

MAX_UNPACKED_BYTES = 128 << 20
"""Maximum size of the pairs of an upload as text, and of its arrays once they are unpacked, in bytes."""

MAX_DETAIL_LENGTH = 2000
"""Maximum number of characters of an error."""

REQUEST, RESULT, KNOWN = "request.json", "result.json", "known.arrow"
"""Files of the folder: the request, the result, and a table of the ids of the catalog, where there is one."""

OUT_OF_MEMORY = 3
"""Exit status after reaching the memory limit."""

PR_SET_PDEATHSIG = 1
"""Option of Linux's prctl: the signal that a process gets when its parent ends."""


@dataclass(frozen=True)
class ReadRequest:
    """The files to read, and the properties of the ground truth to store.

    Attributes:
        file, ids: names in the folder, see `riyl.core.catalog.pairs.read_pairs`.
        truths: folder of ground truths.
        name, directed, source: see `riyl.core.storage.ground_truth.save_truth`.
    """

    file: str
    ids: str | None
    truths: Path
    name: str
    directed: bool
    source: str


@dataclass(frozen=True)
class KeptTruth:
    """A ground truth that was read and stored.

    Attributes:
        coverage: coverage of the ids of the catalog; None without a catalog.
    """

    manifest: dict[str, Any]
    coverage: Coverage | None


@dataclass(frozen=True)
class ReadResult:
    """The ground truth, or the reason why it is not stored.

    Attributes:
        invalid: the fault of the upload.
        damaged: the damage of the same ground truth, which is stored already.
        errno: number of the system's error that prevented writing, or 0.
        file: name of the file of that error.
    """

    kept: KeptTruth | None = None
    invalid: str = ""
    damaged: str = ""
    errno: int = 0
    file: str = ""


REQUEST_SCHEMA = TypeAdapter(ReadRequest)
RESULT_SCHEMA = TypeAdapter(ReadResult)


def main(folder: Path, service_pid: int) -> None:
    """Read the upload of a folder within the limits, and write the result beside it."""
    _limit(service_pid)
    try:
        result = _read(folder, REQUEST_SCHEMA.validate_json((folder / REQUEST).read_bytes()))
        (folder / RESULT).write_bytes(RESULT_SCHEMA.dump_json(result))
    except MemoryError:
        os._exit(OUT_OF_MEMORY)


def _limit(service_pid: int) -> None:
    """Limit the resources of this process, and end it when the service ends; it leaves no core dump."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != service_pid:
        sys.exit("the service has ended")
    limits = {
        resource.RLIMIT_DATA: MAX_MEMORY_BYTES - CODE_BYTES,
        resource.RLIMIT_CPU: MAX_CPU_S,
        resource.RLIMIT_CORE: 0,
    }
    for kind, limit in limits.items():
        _, hard = resource.getrlimit(kind)
        resource.setrlimit(kind, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))


def _read(folder: Path, request: ReadRequest) -> ReadResult:
    try:
        pairs = read_pairs(
            folder / request.file,
            None if request.ids is None else folder / request.ids,
            most_bytes=MAX_UNPACKED_BYTES,
        )
        truth = save_truth(request.truths, request.name, pairs, directed=request.directed, source=request.source)
    except InputError as error:
        if _is_out_of_memory(error):
            raise MemoryError from error
        return ReadResult(invalid=_detail(error))
    except FormatError as error:
        return ReadResult(damaged=_detail(error))
    except OSError as error:
        if not error.errno:
            raise
        return ReadResult(errno=error.errno, file=Path(str(error.filename2 or error.filename or "")).name)
    del pairs
    known = folder / KNOWN
    if not known.exists():
        return ReadResult(KeptTruth(truth.manifest, None))
    with pa.memory_map(str(known)) as file:
        return ReadResult(KeptTruth(truth.manifest, truth.coverage(pa.ipc.open_file(file).read_all().column(0))))


def _is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error was caused by lack of memory, which readers report as damage of the file."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, MemoryError):
        cause = cause.__cause__
    return cause is not None


def _detail(error: Exception) -> str:
    return str(error)[:MAX_DETAIL_LENGTH].encode(errors="replace").decode()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
