"""What answers: a version, the changes on it and the rules in force, one value that a request takes once and keeps."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from threading import Lock

from core.errors import FormatError, NotFoundError
from core.rules import Rules
from core.settings import Home
from index.apply import Changing
from index.cold import ColdEncoder, cold_encoder
from index.live import Live
from index.put import Placer
from index.retrieve import Retriever
from index.rules import BoundRules
from index.search import Searcher

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Served:
    """A version and the changes on it, under rules; another one of any is another value.

    Attributes:
        rules: bound to the searcher's rows.
        retriever: live search of the same.
        encoder: opens what encodes artists who are not in the catalog; NotFoundError where that is not in the home.
    """

    searcher: Searcher
    rules: BoundRules
    retriever: Retriever
    encoder: Callable[[], ColdEncoder]

    @staticmethod
    def of(searcher: Searcher, rules: Rules, home: Home) -> Served:
        opened = partial(cold_encoder, home.models, home.snapshots, searcher.version)
        return Served(searcher, BoundRules.of(rules, searcher), Retriever(searcher.version), _once(opened))

    def under(self, rules: Rules) -> Served:
        """The same artists under other rules."""
        return replace(self, rules=BoundRules.of(rules, self.searcher))

    def with_changes(self, live: Live) -> Served:
        """The same version with these changes on it, under the same rules."""
        searcher = self.searcher.under(live)
        return Served(searcher, BoundRules.of(self.rules.rules, searcher), self.retriever.under(live), self.encoder)

    def changing(self) -> Changing:
        """What puts changes onto the version; where its model and basis are not whole in this home, those that need
        neither."""
        searcher = self.searcher
        try:
            encoder = self.encoder()
        except (NotFoundError, FormatError) as error:
            log.error("changes_not_encoded version=%s: %s", searcher.version_id, error)
            encoder = None
        return Changing(searcher.version, Placer(searcher.version, encoder), searcher.row_of_own, searcher.own_names)

    @cached_property
    def etag(self) -> str:
        """The entity tag of everything that this answers; the rest of what an answer depends on is in its address.

        The version's id, behind it where there are rules theirs, as the same rules give the same tag, and where
        anything is other than in the version the number of the last change.
        """
        live = self.searcher.live
        changed = f"c{live.number}" if live else ""
        return f'"{"-".join(part for part in (self.searcher.version_id, self.rules.rules.id, changed) if part)}"'

    def not_modified(self, if_none_match: str) -> bool:
        """Whether a client that sends this If-None-Match has the answer already."""
        tags = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
        return "*" in tags or self.etag in tags


def _once(open_: Callable[[], ColdEncoder]) -> Callable[[], ColdEncoder]:
    """Opens at the first call, and gives the same from then on; a call that fails is tried again."""
    guard, opened = Lock(), list[ColdEncoder]()

    def found() -> ColdEncoder:
        with guard:
            if not opened:
                opened.append(open_())
            return opened[0]

    return found
