"""Files of sealed folders: regular files that a manifest lists, each opened once and held open."""

from __future__ import annotations

import errno
import hashlib
import json
import mmap
import os
import stat
import weakref
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path, PurePosixPath
from threading import Lock
from typing import Any

from riyl.core.errors import FormatError

READ_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
"""Flags of opening a file: do not follow a link, do not wait for a pipe."""

_BLOCK_BYTES = 1 << 20
_IRREGULAR = {
    errno.ENOENT: "no such file",
    errno.ELOOP: "a symbolic link",
    errno.ENOTDIR: "a symbolic link or a file on the way to it",
    errno.ENXIO: "a special file",
    errno.ENAMETOOLONG: "a name that is too long",
}


class SealedFile:
    """A regular file of a sealed folder, opened once, so that the checked bytes are the mapped ones.

    Attributes:
        path: path at which it was opened, for errors.
        descriptor: open until this object is collected.
        size_bytes: size that the manifest lists.
    """

    def __init__(self, folder: Path, name: str, size_bytes: int) -> None:
        self.path = folder / name
        self.size_bytes = size_bytes
        with parent_of(folder, name, size_bytes) as (parent, last):
            self.descriptor = os.open(last, READ_FLAGS, dir_fd=parent)
        weakref.finalize(self, os.close, self.descriptor)
        status = os.fstat(self.descriptor)
        check_status(self.path, status, size_bytes)
        self._modified_ns = status.st_mtime_ns

    @property
    def held_path(self) -> Path:
        """Path of the open descriptor in this process, for libraries that open files by path."""
        return Path(f"/dev/fd/{self.descriptor}")

    @cached_property
    def map(self) -> mmap.mmap | bytes:
        """Bytes of the file, mapped into memory read-only; plain bytes of an empty file."""
        return mmap.mmap(self.descriptor, self.size_bytes, access=mmap.ACCESS_READ) if self.size_bytes else b""

    def release(self) -> None:
        """Drop the pages of the map that were read from this process's memory; they are mapped in again when needed."""
        if isinstance(self.map, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
            self.map.madvise(mmap.MADV_DONTNEED)

    def read(self) -> bytes:
        """Return the bytes of the file."""
        return b"".join(self._blocks())

    def document(self) -> Any:
        """Parse the file as JSON.

        Raises:
            FormatError: it is not JSON.
        """
        return parse_json(self.path, self.read())

    def sha256(self) -> str:
        """Return the hex sha256 of the bytes."""
        digest = hashlib.sha256()
        for block in self._blocks():
            digest.update(block)
        return digest.hexdigest()

    def changed(self, sha256: str) -> str | None:
        """Describe how the file changed since it was opened; None if it did not.

        The file is read only if its modification time differs.

        Args:
            sha256: the hash that it should have.
        """
        status = os.fstat(self.descriptor)
        if status.st_size != self.size_bytes:
            return f"{self.path}: damaged, found {status.st_size} bytes; wanted {self.size_bytes} bytes"
        if status.st_mtime_ns != self._modified_ns:
            if (actual := self.sha256()) != sha256:
                return f"{self.path}: damaged, found sha256 {actual}; wanted {sha256}"
            self._modified_ns = status.st_mtime_ns
        return None

    def damaged(self, found: object, wanted: object) -> FormatError:
        """Return the error that names the file, its content and the content wanted."""
        return FormatError(f"{self.path}: damaged, found {found}; wanted {wanted}", file=self.path.name)

    def _blocks(self) -> Iterator[bytes]:
        offset = 0
        while block := os.pread(self.descriptor, min(_BLOCK_BYTES, self.size_bytes - offset), offset):
            yield block
            offset += len(block)


class SealedFiles:
    """Files that a manifest lists, by name; each is opened once, at its first use, and then held open."""

    def __init__(self, folder: Path, entries: Mapping[str, Any]) -> None:
        self.folder = folder
        self._entries = entries
        self._opened: dict[str, SealedFile] = {}
        self._guard = Lock()

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __getitem__(self, name: str) -> SealedFile:
        with self._guard:
            if name not in self._opened:
                if name not in self._entries:
                    raise FormatError(f"{self.folder}: damaged, found no {name} in its manifest; wanted an entry")
                self._opened[name] = SealedFile(self.folder, name, self._entries[name]["size_bytes"])
            return self._opened[name]

    def in_folder(self, prefix: str) -> dict[str, SealedFile]:
        """Return the files in one subfolder, by the rest of their names."""
        return {name[len(prefix) + 1 :]: self[name] for name in self if name.startswith(f"{prefix}/")}

    def verify(self, names: Iterable[str] | None = None) -> None:
        """Compare files with their sha256; all of them with None.

        Raises:
            FormatError: one differs; the message names it, the value found and the value wanted.
        """
        for name in self if names is None else names:
            actual, wanted = self[name].sha256(), self._entries[name]["sha256"]
            if actual != wanted:
                raise FormatError(f"{self[name].path}: damaged, found sha256 {actual}; wanted {wanted}")

    def changed(self) -> str | None:
        """Describe the first change of an opened file since it was opened; None if all are unchanged."""
        with self._guard:
            opened = list(self._opened.items())
        changes = (file.changed(self._entries[name]["sha256"]) for name, file in opened)
        return next((change for change in changes if change is not None), None)


def parse_json(path: Path, text: bytes) -> Any:
    """Parse a JSON document; its numbers must be finite.

    Raises:
        FormatError: it is not JSON.
    """

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not a JSON number")

    try:
        return json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path}: damaged, it is not JSON ({error})") from error


def read_regular(folder: Path, name: str, most_bytes: int) -> bytes:
    """Read the bytes of a regular file of unknown size in a folder.

    Raises:
        FormatError: it is missing, a link, special, or larger than `most_bytes`.
    """
    with parent_of(folder, name, 0) as (parent, last):
        descriptor = os.open(last, READ_FLAGS, dir_fd=parent)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        check_status(folder / name, status, status.st_size)
        text = file.read(most_bytes + 1)
    if len(text) > most_bytes:
        raise FormatError(f"{folder / name}: damaged, found more than {most_bytes} bytes; wanted fewer")
    return text


@contextmanager
def parent_of(folder: Path, name: str, size_bytes: int) -> Iterator[tuple[int, str]]:
    """Yield a descriptor of the folder that contains a file, and the file's name there; follows no link in `folder`.

    If the block fails because a file is missing or irregular, its error is raised as a FormatError.
    """
    *parents, last = PurePosixPath(name).parts
    path, opened = folder, list[int]()
    try:
        opened.append(os.open(folder, READ_FLAGS & ~os.O_NOFOLLOW | os.O_DIRECTORY))
        for part in parents:
            path = path / part
            opened.append(os.open(part, READ_FLAGS | os.O_DIRECTORY, dir_fd=opened[-1]))
        yield opened[-1], last
    except OSError as error:
        if error.errno not in _IRREGULAR:
            raise
        kind = "a symbolic link" if error.errno == errno.ENOTDIR and path.is_symlink() else _IRREGULAR[error.errno]
        wanted = f"{size_bytes} bytes" if error.errno == errno.ENOENT else "a regular file"
        raise FormatError(f"{folder / name}: damaged, found {kind}; wanted {wanted}") from error
    finally:
        for descriptor in opened:
            os.close(descriptor)


def check_status(path: Path, status: os.stat_result, size_bytes: int) -> None:
    """Check that a file is a regular file of this size.

    Raises:
        FormatError: it is not.
    """
    if not stat.S_ISREG(status.st_mode):
        kind = "a symbolic link" if stat.S_ISLNK(status.st_mode) else "a special file or a folder"
        raise FormatError(f"{path}: damaged, found {kind}; wanted a regular file")
    if status.st_size != size_bytes:
        raise FormatError(f"{path}: damaged, found {status.st_size} bytes; wanted {size_bytes} bytes")
