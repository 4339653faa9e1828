"""Rows of a version by MusicBrainz id; several artists may share one."""

from __future__ import annotations

from collections.abc import Sequence


class MbidIndex:
    """Index from mbid to rows.

    Args:
        mbids: mbid of each row; None or empty where the artist has none.
    """

    def __init__(self, mbids: Sequence[str | None]) -> None:
        self._first: dict[str, int] = {}
        self._later: dict[str, list[int]] = {}
        for row, mbid in enumerate(mbids):
            if mbid and self._first.setdefault(mbid.lower(), row) != row:
                self._later.setdefault(mbid.lower(), []).append(row)

    def rows_of(self, mbid: str) -> list[int]:
        """Return the rows with this mbid, ascending; `mbid` must be in lower case."""
        first = self._first.get(mbid)
        return [] if first is None else [first, *self._later.get(mbid, ())]
