"""A home's copies of what the database says, and which states of it they have seen."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from core.current import CURRENT, current_stamp
from core.errors import FormatError
from core.rules import read_stamped
from core.settings import Home
from core.stamps import Stamp, Stream
from core.tombstones import last_stamp, read_tombstones

log = logging.getLogger(__name__)

_State = tuple[int, int, int]
"""Inode, size and modification time of a file: equal, and it was not changed."""


class Copies:
    """What a home has seen of its database.

    A copy that cannot be read says nothing here: the others speak, and it is written anew.
    """

    def __init__(self, home: Home) -> None:
        self.home = home
        self._readers: dict[Stream, tuple[Path, Callable[[], Stamp | None]]] = {
            Stream.RULES: (home.rules, lambda: _of_rules(home.rules)),
            Stream.TOMBSTONES: (home.gone, lambda: _of_tombstones(home.gone)),
            Stream.PROMOTIONS: (home.versions / CURRENT, lambda: current_stamp(home.versions)),
        }
        self._read: dict[Stream, tuple[_State, Stamp | None]] = {}

    def stamps(self) -> Mapping[Stream, Stamp]:
        """By stream, the newest state that this home has copied; a file is read again only when it has changed."""
        found = {stream: self._stamp(stream) for stream in self._readers}
        return {stream: stamp for stream, stamp in found.items() if stamp is not None}

    def _stamp(self, stream: Stream) -> Stamp | None:
        path, read = self._readers[stream]
        try:
            status = path.stat()
            state = (status.st_ino, status.st_size, status.st_mtime_ns)
            kept = self._read.get(stream)
            if kept is None or kept[0] != state:
                kept = self._read[stream] = (state, _read(read))
            return kept[1]
        except FileNotFoundError:
            return None


def _read(read: Callable[[], Stamp | None]) -> Stamp | None:
    try:
        return read()
    except (FormatError, OSError) as error:
        log.warning("copy_unreadable reason=%s", error)
        return None


def _of_rules(path: Path) -> Stamp | None:
    found = read_stamped(path)
    return None if found is None else found[1]


def _of_tombstones(path: Path) -> Stamp | None:
    return last_stamp(path) or read_tombstones(path).stamp
