"""What answers: a version and the rules in force, one value that a request takes once and keeps."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from core.rules import Rules
from index.rules import BoundRules
from index.search import Searcher


@dataclass(frozen=True)
class Served:
    """A version under rules; another one of either is another value.

    Attributes:
        rules: bound to the searcher's version.
    """

    searcher: Searcher
    rules: BoundRules

    @staticmethod
    def of(searcher: Searcher, rules: Rules) -> Served:
        return Served(searcher, BoundRules.of(rules, searcher))

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
