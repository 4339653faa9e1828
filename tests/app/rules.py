"""What tests of rules share: how they are made, and the lists that they change."""

from __future__ import annotations

from typing import Any

import httpx
from pydantic import SecretStr

from riyl.core.db.rules import add_rule
from riyl.core.rules import RuleKind
from riyl.core.settings import Home
from riyl.index.artifact.version import Version
from tests.app.conftest import database

BLOCK, NEVER, PIN = RuleKind
AWAY = SecretStr("postgresql://riyl@127.0.0.1:1/riyl")


def ids(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [each["id"] for each in answer.json()["similar"]]


def order(version: Version, row: int) -> list[str]:
    """Return the whole list without rules."""
    return [version.artist_ids[other] for other in version.neighbours[row].tolist() if other >= 0]


def rule(kind: RuleKind, artist: str, other: str | None = None, **options: Any) -> dict[str, Any]:
    return {"kind": kind.value, "artist": artist, **({} if other is None else {"other": other}), **options}


def make(home: Home, *rules: tuple[RuleKind, str, str | None]) -> None:
    opened = database(home)
    for kind, artist, other in rules:
        add_rule(opened, kind, artist, other, by="test", why="")
    opened.close()
