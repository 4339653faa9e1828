"""Editorial rules (block, never, pin): their kinds, ids and checks."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from riyl.core.errors import InputError
from riyl.core.files import content_id
from riyl.core.types import ArtistId

MAX_ID_LENGTH = 200
"""Maximum length of an artist's id in a rule or a change, in characters."""


class RuleKind(StrEnum):
    """Kind of a rule about X, its artist, and Y, its other artist.

    `block`: X is hidden, as if it did not exist. `never`: neither is shown for the other. `pin`: Y heads X's list.
    A block and a never take precedence over a pin.
    """

    BLOCK = "block"
    NEVER = "never"
    PIN = "pin"


@dataclass(frozen=True)
class Rule:
    """A rule; it names artists by the catalog's ids, whether or not a version has them.

    Attributes:
        number: order of the pins of one artist.
        other: the second artist; None for a block.
    """

    number: int
    kind: RuleKind
    artist: ArtistId
    other: ArtistId | None

    @property
    def meaning(self) -> Hashable:
        """Key that is equal for equivalent rules: the artists of a never are unordered."""
        pair = (self.artist, self.other)
        return self.kind, frozenset(pair) if self.kind is RuleKind.NEVER else pair


@dataclass(frozen=True)
class Rules:
    """The rules in force.

    Attributes:
        revision: number that changes with every change of the rules.
        rules: by number, ascending.
    """

    revision: int
    rules: tuple[Rule, ...]

    @cached_property
    def id(self) -> str:
        """Id of the content: equal for equal rules, whatever their history; empty without rules."""
        if not self.rules:
            return ""
        return content_id("rules", {"rules": [[rule.kind, rule.artist, rule.other] for rule in self.rules]})


NO_RULES = Rules(0, ())


def check_rule(kind: RuleKind, artist: ArtistId, other: ArtistId | None) -> None:
    """Check the artists of a new rule against its kind.

    Raises:
        InputError: an id is empty, too long or contains NUL; or the second artist is missing, superfluous or the first.
    """
    check_id("artist", artist)
    if other is not None:
        check_id("other", other)
    if kind is RuleKind.BLOCK:
        if other is not None:
            raise InputError(f"other: found {other!r}; wanted none: a block names one artist")
    elif other is None:
        raise InputError(f"other: found none; wanted the id of the second artist of a {kind}")
    elif other == artist:
        raise InputError(f"other: found {other!r}, which is the artist itself; wanted another artist")


def check_id(what: str, value: ArtistId) -> None:
    """Check that the id of an artist, known or not, can be stored in the database.

    Raises:
        InputError: the id is empty, too long or contains NUL.
    """
    if not 0 < len(value) <= MAX_ID_LENGTH or "\0" in value:
        actual = f"{value[:MAX_ID_LENGTH]!r}, {len(value)} characters"
        raise InputError(
            f"{what}: found {actual}; wanted an artist's id of 1 to {MAX_ID_LENGTH} characters without NUL"
        )
