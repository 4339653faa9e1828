"""Files that are either whole or not there: written aside, fsynced, renamed; folders sealed by sha256."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Manifest = dict[str, Any]

_BLOCK_BYTES = 1 << 20
_FULL_BYTES = 1 << 16
"""A disk with less than this free is what writing failed of."""


def has_room(folder: Path) -> bool:
    """Whether the disk of a folder has room for more than a few pages."""
    return shutil.disk_usage(folder).free >= _FULL_BYTES


def sha256_of(path: Path) -> str:
    """Hex sha256 of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def content_id(kind: str, value: Mapping[str, Any]) -> str:
    """First 16 hex digits of the sha256 of `kind` and `value` as canonical JSON: the ids of snapshots and so on."""
    text = json.dumps(
        {"kind": kind, **value}, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False
    )
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """A path to write a file to, which takes the place of `path` when the block ends well and vanishes when it fails.

    After a crash `path` holds the old bytes or the new ones, never a part.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        yield aside
        _fsync(aside)
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    _fsync(path.parent)


def write_bytes(path: Path, data: bytes) -> None:
    """Replace `path` by `data` at once."""
    with replaced(path) as aside, aside.open("xb") as file:
        file.write(data)


def write_json(path: Path, value: object) -> None:
    """Replace `path` by `value` as indented JSON with sorted keys."""
    write_bytes(
        path, (json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n").encode()
    )


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Held by one process at a time; the file is made where it is not there, and stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def published(final: Path) -> Iterator[Path]:
    """A new empty folder to fill, which becomes `final` when the block ends well and vanishes when it fails.

    A reader sees nothing of it before. Where `final` exists by then (another process made the same
    content), the new folder is dropped in its favour. What a killed process left aside is removed here.

    Raises:
        OSError: ENOSPC, whatever the block raised of it, where the disk is full.
    """
    final.parent.mkdir(parents=True, exist_ok=True)
    _sweep(final.parent, re.escape(final.name))
    aside, lock = _new_aside(final)
    try:
        yield aside
        for path in sorted(aside.rglob("*")):
            _fsync(path)
        _fsync(aside)
        aside.chmod(0o755)
        _rename_unless_there(aside, final)
        _fsync(final.parent)
    except BaseException as error:
        full = isinstance(error, Exception) and not has_room(final.parent)
        shutil.rmtree(aside, ignore_errors=True)
        if full:  # numpy, Faiss and tantivy say it in words of their own
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(final)) from error
        raise
    finally:
        os.close(lock)


def discard(folder: Path) -> None:
    """Remove a folder; a reader sees all of it or nothing."""
    aside = folder.with_name(f".{folder.name}.pruned")
    folder.rename(aside)
    shutil.rmtree(aside)


def sweep(folder: Path) -> None:
    """Remove what killed processes left of `published` and `discard` in a folder; what is being filled stays."""
    _sweep(folder, ".+")
    for left in folder.glob(".*.pruned"):
        shutil.rmtree(left, ignore_errors=True)


def seal(folder: Path, name: str, manifest: Manifest) -> None:
    """Write `manifest` into `folder/name`, with the sha256 and size of every other file in the folder."""
    files = {
        path.relative_to(folder).as_posix(): {"sha256": sha256_of(path), "size_bytes": path.stat().st_size}
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path != folder / name
    }
    write_json(folder / name, {**manifest, "files": files})


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _new_aside(final: Path) -> tuple[Path, int]:
    """A new empty folder beside `final`, and the descriptor whose lock says that somebody is filling it."""
    while True:
        aside = Path(tempfile.mkdtemp(prefix=f".{final.name}.", suffix=".aside", dir=final.parent))
        lock = _lock(aside)
        if lock is not None and aside.exists():
            return aside, lock
        if lock is not None:
            os.close(lock)


def _sweep(folder: Path, name: str) -> None:
    """Remove the folders that nobody fills any more: a lock ends with its process, in any container; pids recur."""
    aside = re.compile(rf"\.{name}\.[a-z0-9_]{{8}}\.aside")
    for stale in folder.iterdir():
        if aside.fullmatch(stale.name) and (lock := _lock(stale)) is not None:
            shutil.rmtree(stale, ignore_errors=True)
            os.close(lock)


def _lock(folder: Path) -> int | None:
    """A descriptor that holds the folder's lock for as long as it is open; None where it cannot be had."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except (FileNotFoundError, PermissionError):
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _rename_unless_there(aside: Path, final: Path) -> None:
    try:
        if not final.exists():
            aside.rename(final)
            return
    except OSError:
        if not final.exists():
            raise
    shutil.rmtree(aside)
