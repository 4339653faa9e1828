"""Fetch the files of a dataset: resumed, verified, written aside and renamed; errors say which file to put where."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import shutil
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

import httpx

from riyl.core.errors import FetchError
from riyl.core.files import sha256_of, write_json
from riyl.core.types import Progress, silent
from riyl.training.datasets.base import Dataset, RemoteFile

log = logging.getLogger(__name__)

TIMEOUT_S = httpx.Timeout(60.0, connect=15.0)
"""Timeouts: a server may be silent for this long; a whole download has no limit."""

_ATTEMPTS = 5
_BLOCK_BYTES = 1 << 18


@dataclass(frozen=True)
class Fetched:
    """Result of a fetch.

    Attributes:
        files: paths of the files that are in place, by name.
        unavailable: optional files that could not be fetched, with the reason and what to do about it.
    """

    files: Mapping[str, Path]
    unavailable: Mapping[str, str]


def fetch_all(dataset: Dataset, folder: Path, progress: Progress = silent) -> Fetched:
    """Bring every file of `dataset` into `folder`; files that are there are verified and not fetched again.

    Raises:
        FetchError: a required file could not be fetched, or a file in place is not the right one.
    """
    files: dict[str, Path] = {}
    unavailable: dict[str, str] = {}
    for file in dataset.files:
        try:
            files[file.name] = fetch(file, folder, progress)
        except FetchError as error:
            if not file.optional or (folder / file.name).exists():
                raise
            unavailable[file.name] = str(error)
            log.info("optional_file_left_out dataset=%s file=%s", dataset.name, file.name)
    return Fetched(files, unavailable)


def fetch(file: RemoteFile, folder: Path, progress: Progress = silent) -> Path:
    """Bring `file` into `folder`. Progress is in bytes; its total is 0 until the server has announced it.

    An incomplete download is kept as NAME.part, and continued by the next fetch.

    Raises:
        FetchError: the file could not be fetched (the message says where to get it and where to put it), or its size
            or sha256 is wrong (the message has the value found and the value wanted). A wrong download is removed, a
            wrong file in place is not.
    """
    target = folder.resolve() / file.name
    if target.exists():
        _verify(file, target, "remove it to fetch it again")
        return target
    if file.address is None:
        raise FetchError(f"{file.name} has no address to fetch it from; get it from its owner and put it at {target}")
    archive = None if file.archive is None else _fetch_archive(file, file.archive, target, progress)
    target.parent.mkdir(parents=True, exist_ok=True)
    with _locked(target) as part:
        if target.exists():
            _part_of(target).unlink(missing_ok=True)
            return target
        if archive is not None:
            _unpack(file, archive, target, part)
        else:
            _download(file, file.address, target, part, progress)
        _accept(file, _part_of(target), target)
    return target


def _fetch_archive(file: RemoteFile, archive: RemoteFile, target: Path, progress: Progress) -> Path:
    try:
        return fetch(archive, target.parent, progress)
    except FetchError as error:
        raise FetchError(f"{error}; or put {file.name}, which it contains, at {target}") from error


def _download(file: RemoteFile, url: str, target: Path, part: IO[bytes], progress: Progress) -> None:
    """Fill `part`, continuing at its end; after a broken connection, try again as long as each attempt brings bytes."""
    headers = {"Accept-Encoding": "identity", "User-Agent": "riyl"}
    reason = "the server repeatedly refused to send the rest of the file"
    with httpx.Client(timeout=TIMEOUT_S, follow_redirects=True, headers=headers) as client:
        for _ in range(_ATTEMPTS):
            validator = _resume_from(file, url, target, part)
            before = _size(part)
            resume = {"Range": f"bytes={before}-"} if before else {}
            if before and validator:
                resume["If-Range"] = validator
            try:
                with client.stream("GET", url, headers=resume) as response:
                    if _receive(file, response, target, part, progress):
                        return
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                reason = str(error) or type(error).__name__
                if _size(part) <= before:
                    break
    resume_hint = f" ({_size(part)} bytes are kept, and the next fetch continues from there)" if _size(part) else ""
    raise _unreachable(file, target, reason + resume_hint)


def _receive(file: RemoteFile, response: httpx.Response, target: Path, part: IO[bytes], progress: Progress) -> bool:
    """Append a response's body to `part`; return False if it had to be emptied first, to request it from the start."""
    start, total = _content_range(response)
    if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE and _size(part):
        if total == _size(part):
            return True
        part.truncate(0)
        return False
    if response.status_code == httpx.codes.PARTIAL_CONTENT:
        if start != _size(part):
            part.truncate(0)
            return False
    elif response.status_code == httpx.codes.OK:
        part.truncate(0)
        length = response.headers.get("content-length", "")
        total = int(length) if length.isdigit() else None
    else:
        raise _unreachable(file, target, f"HTTP {response.status_code} {response.reason_phrase}".strip())
    _refuse_other(file, response, target, total)
    _refuse_full_disk(file, target, _size(part), total)
    _remember(file, response, target)
    step = f"fetch {file.name}"
    progress(step, _size(part), total or 0)
    for block in response.iter_raw():
        part.write(block)
        part.flush()
        progress(step, _size(part), total or 0)
    progress(step, _size(part), _size(part))
    return True


def _refuse_other(file: RemoteFile, response: httpx.Response, target: Path, total: int | None) -> None:
    """Refuse a response that is certainly not the file, before its body is downloaded."""
    if response.headers.get("content-type", "").startswith("text/html") and not file.name.endswith(".html"):
        raise _unreachable(file, target, f"found a web page at {response.url}; wanted the file")
    if response.headers.get("content-encoding", "identity") != "identity":
        encoding = response.headers["content-encoding"]
        raise _unreachable(file, target, f"found the content encoded as {encoding}; wanted the bytes of the file")
    if None not in (total, file.size_bytes) and total != file.size_bytes:
        _part_of(target).unlink(missing_ok=True)
        raise FetchError(f"{file.name} at {response.url}: found {total} bytes; wanted {file.size_bytes}")


def _refuse_full_disk(file: RemoteFile, target: Path, have: int, total: int | None) -> None:
    free = shutil.disk_usage(target.parent).free
    if total is not None and total - have > free:
        raise FetchError(f"{file.name}: found {free} bytes free at {target.parent}; wanted {total - have}")


def _accept(file: RemoteFile, aside: Path, target: Path) -> None:
    """Verify a finished file and rename it to its final name."""
    try:
        _verify(file, aside, "the download was removed; fetch it again, or put the right file at " + str(target))
    except FetchError:
        aside.unlink()
        _memory_of(target).unlink(missing_ok=True)
        raise
    with aside.open("rb") as stream:
        os.fsync(stream.fileno())
    aside.replace(target)
    _memory_of(target).unlink(missing_ok=True)


def _verify(file: RemoteFile, path: Path, advice: str) -> None:
    if not path.is_file():
        raise FetchError(f"{path}: found something that is no regular file; wanted {file.name}")
    if file.size_bytes not in (None, path.stat().st_size):
        raise FetchError(f"{path}: found {path.stat().st_size} bytes; wanted {file.size_bytes}; {advice}")
    if file.sha256 is not None and (actual := sha256_of(path)) != file.sha256.lower():
        raise FetchError(f"{path}: found sha256 {actual}; wanted {file.sha256}; {advice}")


def _unpack(file: RemoteFile, archive: Path, target: Path, part: IO[bytes]) -> None:
    """Fill `part` with `file` from its archive."""
    part.truncate(0)
    try:
        with zipfile.ZipFile(archive) as opened:
            members = [m for m in opened.namelist() if PurePosixPath(m).name == file.name]
            if len(members) == 1:
                with opened.open(members[0]) as source:
                    shutil.copyfileobj(source, part, _BLOCK_BYTES)
                part.flush()
                return
            problem = f"{len(members)} entries called {file.name}; wanted one"
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        problem = f"damage ({error}); wanted a whole zip"
    _part_of(target).unlink()
    raise FetchError(f"{archive}: found {problem}; remove it to fetch it again, or put {file.name} at {target}")


@contextmanager
def _locked(target: Path) -> Iterator[IO[bytes]]:
    """Open NAME.part for appending, exclusively for this process."""
    path = _part_of(target)
    while True:
        with path.open("ab") as part:
            try:
                fcntl.flock(part, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise FetchError(f"{target.name} is being fetched by another process; wait until it ends") from None
            if path.exists() and os.path.samestat(os.fstat(part.fileno()), path.stat()):
                yield part
                return


def _resume_from(file: RemoteFile, url: str, target: Path, part: IO[bytes]) -> str | None:
    """Return the server's validator for the bytes in `part`; empty `part` if its state cannot be identified."""
    try:
        memory = json.loads(_memory_of(target).read_bytes())
    except (FileNotFoundError, ValueError):
        memory = None
    same = isinstance(memory, dict) and memory.get("url") == url
    validator = memory.get("validator") if same else None
    if not same or (validator is None and file.sha256 is None):
        part.truncate(0)
    return validator


def _remember(file: RemoteFile, response: httpx.Response, target: Path) -> None:
    """Store the server's validator for this state of the file: a strong ETag, or the time of its last change."""
    etag = response.headers.get("etag", "W/")
    validator = response.headers.get("last-modified") if etag.startswith("W/") else etag
    write_json(_memory_of(target), {"url": file.url, "validator": validator})


def _content_range(response: httpx.Response) -> tuple[int | None, int | None]:
    """Parse first byte and total size from a header like "bytes 5-9/10" or "bytes */10"."""
    unit, _, rest = response.headers.get("content-range", "").partition(" ")
    span, _, size = rest.partition("/")
    first = span.partition("-")[0]
    return (
        int(first) if unit == "bytes" and first.isdigit() else None,
        int(size) if unit == "bytes" and size.isdigit() else None,
    )


def _unreachable(file: RemoteFile, target: Path, reason: str) -> FetchError:
    return FetchError(
        f"{file.name} could not be fetched from {file.url}: {reason}; get it by other means and put it at {target}"
    )


def _part_of(target: Path) -> Path:
    return target.with_name(target.name + ".part")


def _memory_of(target: Path) -> Path:
    return target.with_name(target.name + ".part.json")


def _size(part: IO[bytes]) -> int:
    return os.fstat(part.fileno()).st_size
