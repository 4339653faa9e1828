"""Editorial rules: who is never shown, who never beside whom, and who stands first; and a home's copy of them."""

from __future__ import annotations

import json
from collections.abc import Hashable
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any

from core.errors import FormatError, InputError
from core.files import content_id, write_json
from core.stamps import Stamp
from core.types import ArtistId

LONGEST_ID = 200
"""Characters of an artist's id in a rule or a change."""

KIND = "riyl-rules"
FORMAT = 2
"""Of a home's copy; those of format 1 do not say which database they were taken from."""


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
    if not 0 < len(value) <= LONGEST_ID or "\0" in value:
        found = f"{value[:LONGEST_ID]!r}, {len(value)} characters"
        raise InputError(f"{what}: found {found}; wanted an artist's id of 1 to {LONGEST_ID} characters, none NUL")


def write_copy(path: Path, rules: Rules, stamp: Stamp) -> None:
    """Replace a home's copy of the rules at once."""
    value = {"revision": rules.revision, "rules": [asdict(rule) for rule in rules.rules]}
    write_json(path, {"kind": KIND, "format": FORMAT, **value, "database": stamp.database, "mark": stamp.mark})


def read_copy(path: Path) -> Rules | None:
    """The rules as a home's copy has them; None where it has none.

    Raises:
        FormatError: it is damaged, of another kind or of a newer format; the message names found and wanted.
    """
    found = read_stamped(path)
    return None if found is None else found[0]


def read_stamped(path: Path) -> tuple[Rules, Stamp] | None:
    """The same, with the state of the database that it was taken from. Raises as `read_copy`."""
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise FormatError(f"{path}: damaged, it is not JSON ({error})") from error
    if not isinstance(found, dict) or found.get("kind") != KIND or found.get("format") not in range(1, FORMAT + 1):
        stated = {name: found.get(name) for name in ("kind", "format")} if isinstance(found, dict) else found
        raise FormatError(f"{path}: found {stated!r:.100}; wanted kind {KIND!r}, format {FORMAT}")
    try:
        rules = Rules(int(found["revision"]), tuple(_rule(entry) for entry in found["rules"]))
        told = {"database": None, "mark": None} if found["format"] == 1 else found
        return rules, Stamp.of({**told, "number": rules.revision})
    except (KeyError, TypeError, ValueError, InputError) as error:
        raise FormatError(f"{path}: damaged, found {error!r}; wanted a revision and a list of rules") from error


def _rule(entry: dict[str, Any]) -> Rule:
    rule = Rule(int(entry["number"]), RuleKind(entry["kind"]), entry["artist"], entry["other"])
    check_rule(rule.kind, rule.artist, rule.other)
    return rule
