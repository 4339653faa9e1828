"""Process that reads and stores one upload, within limits of memory and time that hold for any file.

`riyl.app.services.uploads` starts it with a folder that contains the upload and the request; it writes its result
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
from typing import Annotated, Any, Literal, TypeAlias

import pyarrow as pa
from pydantic import Field, TypeAdapter

from riyl.core.catalog.pairs import read_pairs
from riyl.core.errors import FormatError, InputError
from riyl.core.external.embeddings import read_embeddings
from riyl.core.storage.embeddings import save_embeddings
from riyl.core.storage.ground_truth import Coverage, save_truth

MAX_MEMORY_BYTES = 768_000_000
"""Maximum memory of the process, in bytes."""

CODE_BYTES = 68_000_000
"""Part of that memory for the code of libraries, mapped from their files, in bytes; the rest is the limit of data."""

MAX_CPU_S = 60
"""Maximum CPU time, in seconds."""

MAX_UNPACKED_BYTES = 128 << 20
"""Maximum size of the pairs of an upload as text, of its arrays once they are unpacked, and of its matrices together as
float32, in bytes."""

MAX_DETAIL_LENGTH = 2000
"""Maximum number of characters of an error."""

REQUEST, RESULT, KNOWN = "request.json", "result.json", "known.arrow"
"""Files of the folder: the request, the result, and a table of the ids of the catalog, where there is one."""

OUT_OF_MEMORY = 3
"""Exit status after reaching the memory limit."""

PR_SET_PDEATHSIG = 1
"""Option of Linux's prctl: the signal that a process gets when its parent ends."""


@dataclass(frozen=True)
class TruthRequest:
    """The files to read, and the properties of the ground truth to store.

    Attributes:
        file, ids: names in the folder, see `riyl.core.catalog.pairs.read_pairs`.
        stored: folder of ground truths.
        name, directed, source: see `riyl.core.storage.ground_truth.save_truth`.
    """

    file: str
    ids: str | None
    stored: Path
    name: str
    directed: bool
    source: str
    kind: Literal["truth"] = "truth"


@dataclass(frozen=True)
class EmbeddingsRequest:
    """The files to read, and the properties of the embeddings to store.

    Attributes:
        path, ids: names in the folder, see `riyl.core.external.embeddings.read_embeddings`.
        stored: folder of embeddings.
        name, source: see `riyl.core.storage.embeddings.save_embeddings`.
    """

    path: str
    ids: str | None
    stored: Path
    name: str
    source: str
    kind: Literal["embeddings"] = "embeddings"


ReadRequest: TypeAlias = TruthRequest | EmbeddingsRequest


@dataclass(frozen=True)
class Kept:
    """Contents of an upload that were read and stored.

    Attributes:
        coverage: coverage of the ids of the catalog by a ground truth; None without a catalog, and of embeddings.
        is_new: whether they were not stored before.
    """

    manifest: dict[str, Any]
    coverage: Coverage | None
    is_new: bool


@dataclass(frozen=True)
class ReadResult:
    """The stored contents, or the reason why they are not stored.

    Attributes:
        invalid: the fault of the upload.
        damaged: the damage of the same contents, which are stored already.
        errno: number of the system's error that prevented writing, or 0.
        file: name of the file of that error.
    """

    kept: Kept | None = None
    invalid: str = ""
    damaged: str = ""
    errno: int = 0
    file: str = ""


REQUEST_SCHEMA: TypeAdapter[ReadRequest] = TypeAdapter(Annotated[ReadRequest, Field(discriminator="kind")])
RESULT_SCHEMA = TypeAdapter(ReadResult)


def main(folder: Path, service_pid: int) -> None:
    """Read the upload of a folder within the limits, write the result beside it, and end the process."""
    _limit(service_pid)
    try:
        result = _read(folder, REQUEST_SCHEMA.validate_json((folder / REQUEST).read_bytes()))
        (folder / RESULT).write_bytes(RESULT_SCHEMA.dump_json(result))
    except MemoryError:
        os._exit(OUT_OF_MEMORY)
    # without destructors: those of Arrow's threads rarely abort a process that has done its work
    os._exit(0)


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
        match request:
            case TruthRequest():
                return ReadResult(_keep_truth(folder, request))
            case EmbeddingsRequest():
                return ReadResult(_keep_embeddings(folder, request))
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


def _keep_truth(folder: Path, request: TruthRequest) -> Kept:
    ids = None if request.ids is None else folder / request.ids
    pairs = read_pairs(folder / request.file, ids, most_bytes=MAX_UNPACKED_BYTES)
    before = _stored_ids(request.stored)
    truth = save_truth(request.stored, request.name, pairs, directed=request.directed, source=request.source)
    del pairs
    is_new, known = truth.id not in before, folder / KNOWN
    if not known.exists():
        return Kept(truth.manifest, None, is_new)
    with pa.memory_map(str(known)) as file:
        return Kept(truth.manifest, truth.coverage(pa.ipc.open_file(file).read_all().column(0)), is_new)


def _keep_embeddings(folder: Path, request: EmbeddingsRequest) -> Kept:
    ids = None if request.ids is None else folder / request.ids
    embeddings = read_embeddings(folder / request.path, ids, most_bytes=MAX_UNPACKED_BYTES)
    before = _stored_ids(request.stored)
    stored = save_embeddings(request.stored, request.name, embeddings, source=request.source)
    return Kept(stored.manifest, None, stored.id not in before)


def _stored_ids(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()


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
