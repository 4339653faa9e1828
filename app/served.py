"""What answers: a version and the rules in force, one value that a request takes once and keeps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from threading import Lock

from core.rules import Rules
from core.settings import Home
from index.cold import ColdEncoder, cold_encoder
from index.retrieve import Retriever
from index.rules import BoundRules
from index.search import Searcher


@dataclass(frozen=True)
class Served:
    """A version under rules; another one of either is another value.

    Attributes:
        rules: bound to the searcher's version.
        retriever: live search of the version.
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
        """The same version under other rules."""
        return replace(self, rules=BoundRules.of(rules, self.searcher))

    @cached_property
    def etag(self) -> str:
        """The entity tag of everything that this answers; the rest of what an answer depends on is in its address.

        The version's id, and where there are rules theirs behind it: the same rules give the same tag.
        """
        return f'"{"-".join(part for part in (self.searcher.version_id, self.rules.rules.id) if part)}"'

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
