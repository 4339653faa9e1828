"""A home's copies of database state, and which state of each stream they hold."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from riyl.core.errors import FormatError
from riyl.core.settings import Home
from riyl.core.storage.current import CURRENT, current_stamp
from riyl.core.storage.rules_copy import read_stamped
from riyl.core.storage.stamps import Stamp, Stream
from riyl.core.storage.tombstones import last_stamp, read_tombstones

log = logging.getLogger(__name__)

_State = tuple[int, int, int]
"""Inode, size and modification time of a file; equal values mean that the file is unchanged."""


class Copies:
    """The newest state of each stream that a home has seen of its database.

    A copy that cannot be read is left out here: the other copies count, and it is written anew.
    """

    def __init__(self, home: Home) -> None:
        self.home = home
        self._readers: dict[Stream, tuple[Path, Callable[[], Stamp | None]]] = {
            Stream.RULES: (home.rules, lambda: _of_rules(home.rules)),
            Stream.TOMBSTONES: (home.tombstones, lambda: _of_tombstones(home.tombstones)),
            Stream.PROMOTIONS: (home.versions / CURRENT, lambda: current_stamp(home.versions)),
        }
        self._read: dict[Stream, tuple[_State, Stamp | None]] = {}

    def stamps(self) -> Mapping[Stream, Stamp]:
        """Return by stream the newest state that this home has copied; a file is read again only if it has changed."""
        by_stream = {stream: self._stamp(stream) for stream in self._readers}
        return {stream: stamp for stream, stamp in by_stream.items() if stamp is not None}

    def _stamp(self, stream: Stream) -> Stamp | None:
        path, read = self._readers[stream]
        try:
            status = path.stat()
            state = (status.st_ino, status.st_size, status.st_mtime_ns)
            cached = self._read.get(stream)
            if cached is None or cached[0] != state:
                cached = self._read[stream] = (state, _read(read))
            return cached[1]
        except FileNotFoundError:
            return None


def _read(read: Callable[[], Stamp | None]) -> Stamp | None:
    try:
        return read()
    except (FormatError, OSError) as error:
        log.warning("copy_unreadable reason=%s", error)
        return None


def _of_rules(path: Path) -> Stamp | None:
    stored = read_stamped(path)
    return None if stored is None else stored[1]


def _of_tombstones(path: Path) -> Stamp | None:
    return last_stamp(path) or read_tombstones(path).stamp
