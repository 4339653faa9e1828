"""Attacks by name: each is a coroutine that takes its target and returns the responses that it got."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

Answers = Counter[str]
"""Number of responses by status, or by the way in which there was none: see `tests.hostile.connections`."""

Size = TypeVar("Size")


@dataclass(frozen=True)
class Target:
    """The service under attack.

    Attributes:
        pid: process id of the service.
        write_key, admin_key: keys of these roles; an attack of a stranger uses neither.
        ids: ids of artists that the version has.
        tags: words that the model knows.
        small: whether the attack is to be short.
    """

    host: str
    port: int
    pid: int
    write_key: str
    admin_key: str
    ids: list[str]
    tags: list[str]
    small: bool

    def sized(self, full: Size, small: Size) -> Size:
        """Return the size for this run."""
        return small if self.small else full


Attack = Callable[[Target], Coroutine[Any, Any, Answers]]

ATTACKS: dict[str, Attack] = {}
"""Every attack by its name, in the order of the table."""


def attack(run: Attack) -> Attack:
    """Register an attack under the name of its function, with spaces."""
    ATTACKS[run.__name__.replace("_", " ")] = run
    return run
