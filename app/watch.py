"""Which version serves: the promoted one, taken up while the service runs, or the last good one."""

from __future__ import annotations

import asyncio
import logging
from math import inf
from pathlib import Path
from threading import Lock
from time import perf_counter

from app.observe import Metrics
from app.schemas import Refused
from core.db.session import Database
from core.errors import FormatError, RiylError
from index.search import Searcher
from index.versions import current, follow, history

log = logging.getLogger(__name__)

POLL_S = 0.5

FOLLOW_AGAIN_S = 1.0
"""Until the database is asked again after it failed."""

TRY_AGAIN_S = 10.0
"""Until a version is tried again that failed of something else than itself: a full disk, too many open files."""

Stamp = tuple[tuple[str, int, int, int], ...]
"""Name, inode, size and modification time of every file of a folder: equal stamps, nothing changed."""


class Serving:
    """The searcher that answers. A request takes it once and keeps it; a promotion swaps the one reference.

    Args:
        versions: the folder of versions, with CURRENT in it.
        database: says what CURRENT should be; without an answer of it CURRENT stands.
        metrics: told what was taken and refused.
    """

    def __init__(self, versions: Path, database: Database, metrics: Metrics) -> None:
        self.searcher: Searcher | None = None
        self.refused: Refused | None = None
        self._versions = versions
        self._database = database
        self._followed = ""
        self._follow_again = 0.0
        self._guard = Lock()
        self._metrics = metrics
        self._failed: dict[str, tuple[Stamp, str, float]] = {}

    def look(self) -> None:
        """Take up the promoted version if it is another one than serves. Blocks while it is verified; never raises.

        A damaged version stays refused until its files change or another one is promoted; one that failed of something
        else is tried again after a while. While nothing serves yet, those promoted before are tried, the newest first.
        """
        with self._guard:
            self._look()

    async def watch(self, poll_s: float = POLL_S) -> None:
        """Look again and again, in a thread, until cancelled."""
        while True:
            await asyncio.sleep(poll_s)
            await asyncio.to_thread(self.look)

    def _look(self) -> None:
        self._follow()
        try:
            wanted = current(self._versions)
        except (RiylError, OSError) as error:
            self._refuse(None, str(error))
            wanted = None
        else:
            if wanted is None:
                return
            if self.searcher is not None and self.searcher.version_id == wanted:
                self.refused = None
                return
            opened = self._open(wanted)
            if opened is not None:
                self._take(opened)
                self.refused = None
                return
            self._refuse(wanted, self._failed[wanted][1])
        if self.searcher is None:
            for version in self._promoted_before():
                opened = None if version == wanted else self._open(version)
                if opened is not None:
                    self._take(opened)
                    return

    def _follow(self) -> None:
        """Bring CURRENT to what the database says; where that fails, say so once and try again a little later."""
        if perf_counter() < self._follow_again:
            return
        try:
            follow(self._versions, self._database)
        except (RiylError, OSError) as error:
            self._follow_again = perf_counter() + FOLLOW_AGAIN_S
            if str(error) != self._followed:
                log.warning("promotions_unknown", extra={"reason": str(error), "serving": self._serving_id()})
            self._followed = str(error)
        else:
            self._followed = ""

    def _open(self, version: str) -> Searcher | None:
        """The version, verified; None where it does not open, or did not and has not changed since."""
        stamp = _stamp(self._versions / version)
        failed, _, again = self._failed.get(version, (None, "", 0.0))
        if failed == stamp and perf_counter() < again:
            return None
        start = perf_counter()
        try:
            opened = Searcher.open(self._versions / version, verify=True)
            if opened.version_id != version:
                raise FormatError(f"{self._versions / version}: found version {opened.version_id}; wanted {version}")
        except Exception as error:
            # whatever is wrong with a version, the service goes on with the one it has
            again = inf if isinstance(error, FormatError) else perf_counter() + TRY_AGAIN_S
            self._failed[version] = (stamp, str(error), again)
            self._metrics.version_refused()
            log.error(
                "version_refused",
                extra={"version": version, "reason": str(error), "serving": self._serving_id()},
                exc_info=None if isinstance(error, RiylError) else error,
            )
            return None
        log.info(
            "version_opened",
            extra={"version": version, "artists": opened.n_artists, "seconds": round(perf_counter() - start, 3)},
        )
        return opened

    def _take(self, opened: Searcher) -> None:
        before = self._serving_id()
        self.searcher = opened
        self._failed.pop(opened.version_id, None)
        manifest = opened.manifest
        self._metrics.version_taken(
            opened.version_id, str(manifest.get("model")), str(manifest.get("snapshot")), opened.n_artists
        )
        log.info("version_taken", extra={"version": opened.version_id, "before": before})

    def _promoted_before(self) -> list[str]:
        """What was promoted, the last first, each once; nothing where the history cannot be read."""
        try:
            entries = history(self._database)
        except (RiylError, OSError) as error:
            log.error("history_unreadable", extra={"reason": str(error)})
            return []
        return list(dict.fromkeys(entry.version for entry in reversed(entries)))

    def _refuse(self, version: str | None, reason: str) -> None:
        found = Refused(version=version, reason=reason)
        if version is None and found != self.refused:
            log.error("current_unreadable", extra={"reason": reason, "serving": self._serving_id()})
        self.refused = found

    def _serving_id(self) -> str | None:
        return None if self.searcher is None else self.searcher.version_id


def _stamp(folder: Path) -> Stamp:
    try:
        found = [(path, path.stat()) for path in sorted(folder.rglob("*"))]
    except (OSError, ValueError):
        return ()
    return tuple((str(path), s.st_ino, s.st_size, s.st_mtime_ns) for path, s in found)
