"""Atomic files (written aside, fsynced, renamed), and folders sealed by sha256."""

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
"""Free space in bytes below which a failed write counts as a full disk."""


def has_room(folder: Path) -> bool:
    """Check whether the disk of a folder has room for more than a few pages."""
    return shutil.disk_usage(folder).free >= _FULL_BYTES


def sha256_of(path: Path) -> str:
    """Return the hex sha256 of the bytes of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def content_id(kind: str, value: Mapping[str, Any]) -> str:
    """Return the first 16 hex digits of the sha256 of `kind` and `value` as canonical JSON, such as a snapshot's id."""
    text = json.dumps(
        {"kind": kind, **value}, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False
    )
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """Yield a temporary path that replaces `path` when the block succeeds and is deleted when the block fails.

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
    """Replace `path` by `data` atomically."""
    with replaced(path) as aside, aside.open("xb") as file:
        file.write(data)


def write_json(path: Path, value: object) -> None:
    """Replace `path` by `value` as indented JSON with sorted keys, atomically."""
    write_bytes(
        path, (json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n").encode()
    )


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock between processes; the lock file is created if missing, and kept."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def published(final: Path) -> Iterator[Path]:
    """Yield a new empty folder that is renamed to `final` when the block succeeds and is deleted when the block fails.

    Readers see nothing of the folder before the rename. If `final` exists by then (another process made the same
    content), the new folder is dropped. Folders that killed processes left unfinished are removed first.

    Raises:
        OSError: ENOSPC if the disk is full, whatever error the block raised because of it.
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
        if full:  # numpy, Faiss and tantivy raise other errors when the disk is full
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(final)) from error
        raise
    finally:
        os.close(lock)


def discard(folder: Path) -> None:
    """Remove a folder atomically: a reader sees either all of it or nothing."""
    aside = folder.with_name(f".{folder.name}.pruned")
    folder.rename(aside)
    shutil.rmtree(aside)


def sweep(folder: Path) -> None:
    """Remove the leftovers of `published` and `discard` by killed processes in a folder; folders being filled stay."""
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
    """Make an empty folder beside `final`, and return it with the descriptor whose lock marks it as being filled."""
    while True:
        aside = Path(tempfile.mkdtemp(prefix=f".{final.name}.", suffix=".aside", dir=final.parent))
        lock = _lock(aside)
        if lock is not None and aside.exists():
            return aside, lock
        if lock is not None:
            os.close(lock)


def _sweep(folder: Path, name: str) -> None:
    """Remove the folders that no process fills: a lock ends with its process in any container, while pids recur."""
    aside = re.compile(rf"\.{name}\.[a-z0-9_]{{8}}\.aside")
    for stale in folder.iterdir():
        if aside.fullmatch(stale.name) and (lock := _lock(stale)) is not None:
            shutil.rmtree(stale, ignore_errors=True)
            os.close(lock)


def _lock(folder: Path) -> int | None:
    """Return a descriptor that locks the folder while open; None if the folder is locked, missing or unreadable."""
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
