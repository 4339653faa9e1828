"""What tests of storage faults share: databases that are damaged, and disks that are full or take no writes."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

HEADER_BYTES = 100
PAGE_BYTES = 4096


def noise(n: int) -> bytes:
    return random.Random(0).randbytes(n)


def random_header(path: Path) -> None:
    path.write_bytes(noise(HEADER_BYTES) + path.read_bytes()[HEADER_BYTES:])


def random_pages(path: Path) -> None:
    """All but the first page, so that whatever is read from it is in one of them."""
    data = path.read_bytes()
    assert len(data) > 4 * PAGE_BYTES
    path.write_bytes(data[:PAGE_BYTES] + noise(len(data) - PAGE_BYTES))


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: 2 * PAGE_BYTES])


def text_file(path: Path) -> None:
    path.write_text("these are no tables\n" * 1000)


def directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGES: Mapping[str, Callable[[Path], None]] = {
    each.__name__: each for each in (random_header, random_pages, cut_off, text_file, directory)
}


def damage(path: Path, how: Callable[[Path], None]) -> None:
    """Put a damaged copy into the place of a database file, as a bad restore does, under whoever uses it."""
    copy = path.with_name("damaged")
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
        target.execute("PRAGMA journal_mode=DELETE")
    how(copy)
    for end in ("-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)
    if copy.is_dir():
        path.unlink()
    copy.rename(path)


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Path]:
    """Return a disk of its own with this many bytes."""
    folder.mkdir()
    mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder))
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def fill_up(disk: Path, left_bytes: int = 0) -> Path:
    """Return a file that leaves this much room."""
    filler = disk / "filler"
    room = os.statvfs(disk)
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, room.f_bavail * room.f_frsize - left_bytes)
    return filler


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Return the folder on a file system that takes no writes, for everybody."""
    mount("--bind", str(folder), str(folder))
    try:
        mount("-o", "remount,ro,bind", str(folder))
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def mount(*options: str) -> None:
    done = subprocess.run(["mount", *options], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")


def copied(source: Path, target: Path) -> None:
    """Put a home where a disk is mounted already."""
    shutil.copytree(source, target, dirs_exist_ok=True)
