"""Attacks by name: each is a coroutine that is given its target, and gives the answers that it got."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

Answers = Counter[str]
"""How often an attack was answered with each status, or with no answer: see `tests.hostile.connections`."""

Size = TypeVar("Size")


@dataclass(frozen=True)
class Target:
    """The service under attack.

    Attributes:
        pid: process id of the service.
        write_key, admin_key: keys of these roles; an attack that stands for a stranger uses neither.
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
        """The size of this run."""
        return small if self.small else full


Attack = Callable[[Target], Coroutine[Any, Any, Answers]]

ATTACKS: dict[str, Attack] = {}
"""Every attack by its name, in the order of the table."""


def attack(run: Attack) -> Attack:
    """Register an attack under the name of its function, with spaces."""
    ATTACKS[run.__name__.replace("_", " ")] = run
    return run
