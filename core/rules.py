"""Editorial rules: who is never shown, who never beside whom, and who stands first; and a home's copy of them."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from riyl.core.errors import InputError
from riyl.core.files import content_id
from riyl.core.types import ArtistId

MAX_ID_LENGTH = 200
"""Characters of an artist's id in a rule or a change."""


class RuleKind(StrEnum):
    """What a rule says of X, its artist, and Y, its other.

    `block`: X is as if it were not there. `never`: neither is shown for the other. `pin`: Y stands at the head of X's
    list. A block and a never win over a pin.
    """

    BLOCK = "block"
    NEVER = "never"
    PIN = "pin"


@dataclass(frozen=True)
class Rule:
    """One rule; its artists are named by the catalog's ids, whether or not a version has them.

    Attributes:
        number: several pins of one artist stand in the order of these.
        other: None of a block alone.
    """

    number: int
    kind: RuleKind
    artist: ArtistId
    other: ArtistId | None

    @property
    def meaning(self) -> Hashable:
        """Equal for rules that say the same: a never of a pair is one, whichever of them comes first."""
        pair = (self.artist, self.other)
        return self.kind, frozenset(pair) if self.kind is RuleKind.NEVER else pair


@dataclass(frozen=True)
class Rules:
    """The rules in force.

    Attributes:
        revision: changes with every act on them.
        rules: by number, ascending.
    """

    revision: int
    rules: tuple[Rule, ...]

    @cached_property
    def id(self) -> str:
        """The same for the same rules, whatever became of others before; empty where there are none."""
        if not self.rules:
            return ""
        return content_id("rules", {"rules": [[rule.kind, rule.artist, rule.other] for rule in self.rules]})


NO_RULES = Rules(0, ())


def check_rule(kind: RuleKind, artist: ArtistId, other: ArtistId | None) -> None:
    """Hold a rule that is to be made to what its kind wants.

    Raises:
        InputError: an id is empty, too long or has a NUL, the second artist is missing, one too many, or the first.
    """
    check_id("artist", artist)
    if other is not None:
        check_id("other", other)
    if kind is RuleKind.BLOCK:
        if other is not None:
            raise InputError(f"other: found {other!r}; wanted none, a block names one artist")
    elif other is None:
        raise InputError(f"other: found none; wanted the id of the second artist of a {kind}")
    elif other == artist:
        raise InputError(f"other: found {other!r}, which is the artist itself; wanted another one")


def check_id(what: str, value: ArtistId) -> None:
    """Hold the id of an artist, whom nobody need know yet, to what a database keeps.

    Raises:
        InputError: it is empty, too long or has a NUL.
    """
    if not 0 < len(value) <= MAX_ID_LENGTH or "\0" in value:
        actual = f"{value[:MAX_ID_LENGTH]!r}, {len(value)} characters"
        raise InputError(f"{what}: found {actual}; wanted an artist's id of 1 to {MAX_ID_LENGTH} characters, none NUL")
