"""Feed of the rules in force: from the database, or from the home's copies if the database is not believed."""

from __future__ import annotations

import logging
from math import inf
from time import perf_counter

from riyl.app.serving.metrics import ServingMetrics
from riyl.core.db.hidden import hidden_by_copies, hidden_by_either
from riyl.core.db.revisions import newest_stamp
from riyl.core.db.rules import all_rules, copy_rules
from riyl.core.db.session import Database
from riyl.core.errors import DatabaseDamagedError, RiylError, SchemaError, StaleDatabaseError
from riyl.core.rules import Rules
from riyl.core.settings import Home
from riyl.core.storage.rules_copy import read_copy
from riyl.core.storage.stamps import Stamp, Stream

log = logging.getLogger(__name__)

POLL_AGAIN_S = 10.0
"""Interval between readings of the artists hidden by a database that is not believed, in seconds."""


class RuleFeed:
    """Follower of the rules; one thread at a time.

    Attributes:
        rules: the rules in force; None until they are known.
        unbelieved: why the database is not believed, or that it is damaged; None where it is believed, or unreachable.
    """

    def __init__(self, home: Home, metrics: ServingMetrics) -> None:
        self.rules: Rules | None = None
        self.unbelieved: str | None = None
        self._home = home
        self._metrics = metrics
        self._stamp: Stamp | None = None
        self._not_copied = ""
        self._look_again = -inf

    def reload(self, database: Database) -> bool:
        """Load the rules of the database, and copy them into the home, if they changed.

        Returns:
            Whether the database has another history than before, so that everything else must be read again.

        Raises:
            DatabaseDownError: the database cannot be reached; the rules stay as they were.
            StaleDatabaseError: it lacks records that this home has seen; artists that either hides are hidden.
            SchemaError: it has no tables, or those of another release; hidden as above.
            DatabaseDamagedError: it is damaged; hidden as above.
        """
        try:
            with database.read_whole() as connection:
                database.check(connection)
                stamp = newest_stamp(connection, Stream.RULES)
                rules = None if stamp == self._stamp else all_rules(connection)
        except (StaleDatabaseError, SchemaError, DatabaseDamagedError) as error:
            self._disbelieve(database, error)
            raise
        before, again = self._stamp, self.unbelieved is not None
        if again:
            log.warning("database_believed", extra={"database": stamp.database})
        self.unbelieved = None
        self._metrics.database_believed(True)
        if rules is not None:
            self._take(rules)
            self._copy(database, stamp)
        return again or (before is not None and before.database != stamp.database)

    def load_copies(self) -> None:
        """Load the home's copy of the rules, where the rules are known from nowhere else.

        Raises:
            FormatError: the copy is damaged.
            OSError: it cannot be read.
        """
        if read_copy(self._home.rules) is None:
            log.warning(
                "rules_unknown", extra={"reason": f"there is no {self._home.rules}: no rule was ever seen here"}
            )
        self._take(hidden_by_copies(self._home).rules)

    def _copy(self, database: Database, stamp: Stamp) -> None:
        try:
            copy_rules(database, self._home.rules)
        except (RiylError, OSError) as error:  # the rules are in force anyway; a later poll copies them
            if str(error) != self._not_copied:
                log.error("rules_not_copied", extra={"reason": str(error)})
            self._not_copied, self._stamp = str(error), None
        else:
            self._not_copied, self._stamp = "", stamp

    def _disbelieve(self, database: Database, error: RiylError) -> None:
        self._stamp = None
        self._metrics.database_believed(False)
        event, reason = "database_not_believed", str(error)
        if isinstance(error, DatabaseDamagedError):
            event, reason = "database_damaged", error.public
        if reason != self.unbelieved:
            log.error(event, extra={"reason": str(error)})
        elif perf_counter() < self._look_again:
            return
        self.unbelieved, self._look_again = reason, perf_counter() + POLL_AGAIN_S
        try:
            self._take(hidden_by_either(database, self._home).as_rules())
        except (RiylError, OSError) as unreadable:  # the rules in force stay; at the start no version is served
            log.error("copies_unreadable", extra={"reason": str(unreadable)})

    def _take(self, rules: Rules) -> None:
        before, self.rules = self.rules, rules
        if before is None or before.revision != rules.revision:
            log.info("rules_taken", extra={"revision": rules.revision, "rules": len(rules.rules)})
