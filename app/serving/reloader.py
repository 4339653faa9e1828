"""Reloader of the serving state: the promoted version, or the last good one, with all changes, under the rules."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from functools import partial
from math import inf
from pathlib import Path
from threading import Lock
from time import perf_counter

from riyl.app.serving.change_feed import ChangeFeed
from riyl.app.serving.metrics import ServingMetrics
from riyl.app.serving.rule_feed import RuleFeed
from riyl.app.serving.state import RefusedVersion, ServingState
from riyl.core.db.session import Database
from riyl.core.errors import DatabaseError, FormatError, RiylError
from riyl.core.rules import NO_RULES
from riyl.core.settings import Home
from riyl.index.search.searcher import Searcher
from riyl.index.versions.lifecycle import current, follow, history

log = logging.getLogger(__name__)

POLL_S = 0.5
"""Interval between polls, in seconds. A rule made elsewhere takes effect after it, plus the time to read the rules."""

APART_S = 0.1
"""Minimum time between polls, in seconds: changes that arrive meanwhile are applied together."""

FOLLOW_RETRY_S = 1.0
"""Retry interval after the database failed, in seconds."""

OPEN_RETRY_S = 10.0
"""Retry interval of a version that failed but is not damaged, in seconds: a full disk, too many open files."""

Stamp = tuple[tuple[str, int, int, int], ...]
"""Name, inode, size and modification time of every file of a folder; equal stamps mean an unchanged folder."""


class VersionReloader:
    """Holder of the serving state. A request reads it once; a promotion, a change or a rule replaces the one reference.

    Args:
        home: its folder of versions, with CURRENT in it, and its copy of the rules.
        database: determines CURRENT and the rules. While it is unreachable, or lacks records that the home has seen,
            CURRENT and the rules stay as they are; at the start the home's copies are used.
        metrics: receives loaded and refused versions.
    """

    def __init__(self, home: Home, database: Database, metrics: ServingMetrics) -> None:
        self.state: ServingState | None = None
        self.refused: RefusedVersion | None = None
        self._home = home
        self._versions = home.versions
        self._database = database
        self._rule_feed = RuleFeed(home, metrics)
        self._ended = False
        self._change_feed = ChangeFeed(database, home, metrics)
        self._waking: Callable[[], object] | None = None
        self._followed = ""
        self._follow_again = 0.0
        self._guard = Lock()
        self._metrics = metrics
        self._failed: dict[str, tuple[Stamp, str, float]] = {}

    @property
    def searcher(self) -> Searcher | None:
        """Version that answers."""
        return None if self.state is None else self.state.searcher

    @property
    def unbelieved(self) -> str | None:
        """Reason why the database is not believed, with the command to run; None if it is believed, or unreachable."""
        return self._rule_feed.unbelieved

    def poll(self) -> None:
        """Load the rules, and the promoted version if it is not the serving one.

        Blocks while the version is verified; never raises.

        A damaged version stays refused until its files change or another one is promoted; a version that failed for
        another reason is retried after a while. While no version serves yet, earlier promoted ones are tried, the
        newest first.
        """
        with self._guard:
            if self._ended:
                return
            self._drop_damaged()
            self._poll()
            if self.state is not None:
                self.state = self._change_feed.next(self.state)

    def end(self) -> None:
        """Stop polling; waits until a running poll has ended."""
        with self._guard:
            self._ended = True

    def reload_rules(self) -> None:
        """Load the rules as they are in the database now, so that every response from here on applies them.

        Raises:
            DatabaseDownError: the database cannot be reached.
            StaleDatabaseError: it lacks records that this home has seen.
        """
        with self._guard:
            self._reload_rules()

    def copy_tombstones(self) -> None:
        """Copy the deleted and merged artists into the home, so that the record outlasts the database."""
        self._change_feed.copy_tombstones()

    def seconds_until(self, number: int) -> float:
        """Estimate the time until responses show the change with a given number, in seconds."""
        return self._change_feed.seconds_until(number)

    def wake(self) -> None:
        """Start the next poll now; from any thread."""
        if self._waking is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self._waking()

    async def run(self, poll_s: float = POLL_S) -> None:
        """Poll repeatedly, in a thread, until cancelled."""
        woken = asyncio.Event()
        self._waking = partial(asyncio.get_running_loop().call_soon_threadsafe, woken.set)
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0 if self._change_feed.behind else poll_s):
                    await woken.wait()
            woken.clear()
            await asyncio.to_thread(self.poll)
            if not self._change_feed.behind:
                await asyncio.sleep(min(APART_S, poll_s))

    def _drop_damaged(self) -> None:
        """Stop serving a version if a mapped file was truncated or overwritten: reading it would crash the process."""
        if self.state is None or (damage := self.state.file_changed()) is None:
            return
        version = self.state.searcher.version_id
        log.error("version_damaged", extra={"version": version, "reason": damage})
        self._metrics.version_refused()
        self.refused = RefusedVersion(version=version, reason=damage)
        self.state = None

    def _poll(self) -> None:
        self._follow()
        if self._rule_feed.rules is None:  # the blocked artists are unknown, so no artist may be shown
            return
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
        """Load the rules and CURRENT from the database; on failure log it once and retry later."""
        if perf_counter() < self._follow_again:
            return
        try:
            self._reload_rules()
        except (RiylError, OSError) as error:
            self._follow_again = perf_counter() + FOLLOW_RETRY_S
            self._say_unknown(error)
            if self._rule_feed.rules is None:
                self._load_rule_copies()
            return
        try:
            follow(self._versions, self._database)
        except (RiylError, OSError) as error:
            if isinstance(error, DatabaseError):
                self._follow_again = perf_counter() + FOLLOW_RETRY_S
            self._say_unknown(error)
        else:
            self._followed = ""

    def _say_unknown(self, error: Exception) -> None:
        if str(error) != self._followed:
            log.warning("promotions_unknown", extra={"reason": str(error), "serving": self._serving_id()})
        self._followed = str(error)

    def _reload_rules(self) -> None:
        """Load the rules that are in force now."""
        before = self._rule_feed.rules
        try:
            if self._rule_feed.reload(self._database):
                self._change_feed.start_anew()
        finally:
            rules = self._rule_feed.rules
            if self.state is not None and rules is not None and (before is None or before.rules != rules.rules):
                self.state = self.state.under(rules)

    def _load_rule_copies(self) -> None:
        try:
            self._rule_feed.load_copies()
        except (RiylError, OSError) as error:
            reason = f"the rules cannot be read, and the database that has them cannot be reached: {error}"
            if self.refused is None or self.refused.reason != reason:
                log.error("rules_unreadable", extra={"reason": str(error)})
            self.refused = RefusedVersion(version=None, reason=reason)

    def _open(self, version: str) -> Searcher | None:
        """Open and verify a version; None where it fails, or failed before and has not changed since."""
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
            # on any fault of a version, the service continues with the one that serves
            again = inf if isinstance(error, FormatError) else perf_counter() + OPEN_RETRY_S
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
        self.state = self._change_feed.onto(ServingState.of(opened, self._rule_feed.rules or NO_RULES, self._home))
        self._failed.pop(opened.version_id, None)
        manifest = opened.manifest
        self._metrics.version_taken(
            opened.version_id, str(manifest.get("model")), str(manifest.get("snapshot")), self.state.searcher.n_artists
        )
        log.info("version_taken", extra={"version": opened.version_id, "before": before})

    def _promoted_before(self) -> list[str]:
        """Return the promoted versions, the last first, each once; none where the history cannot be read."""
        try:
            entries = history(self._database)
        except (RiylError, OSError) as error:
            log.error("history_unreadable", extra={"reason": str(error)})
            return []
        return list(dict.fromkeys(entry.version for entry in reversed(entries)))

    def _refuse(self, version: str | None, reason: str) -> None:
        refused = RefusedVersion(version=version, reason=reason)
        if version is None and refused != self.refused:
            log.error("current_unreadable", extra={"reason": reason, "serving": self._serving_id()})
        self.refused = refused

    def _serving_id(self) -> str | None:
        return None if self.searcher is None else self.searcher.version_id


def _stamp(folder: Path) -> Stamp:
    try:
        entries = [(path, path.stat()) for path in sorted(folder.rglob("*"))]
    except (OSError, ValueError):
        return ()
    return tuple((str(path), s.st_ino, s.st_size, s.st_mtime_ns) for path, s in entries)
