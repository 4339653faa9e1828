"""Evaluations that ran as jobs: what was asked and every figure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import insert, select

from core.db.session import Database
from core.db.tables import evaluations


@dataclass(frozen=True)
class Evaluation:
    """A stored run; its id is the id of its job.

    Attributes:
        figures: what `riyl --json evaluate` prints.
    """

    id: str
    asked: dict[str, Any]
    figures: dict[str, Any]
    at: datetime


def add_evaluation(database: Database, identity: str, asked: dict[str, Any], figures: dict[str, Any]) -> None:
    """Store a run; one that is stored already stays."""
    with database.write() as connection:
        if connection.execute(select(evaluations.c.id).where(evaluations.c.id == identity)).first():
            return
        values = {"id": identity, "asked": asked, "figures": figures, "at": datetime.now(UTC)}
        connection.execute(insert(evaluations).values(**values))


def find_evaluation(database: Database, identity: str) -> Evaluation | None:
    """The stored run of this id; None where there is none."""
    with database.read() as connection:
        row = connection.execute(select(evaluations).where(evaluations.c.id == identity)).one_or_none()
    return None if row is None else Evaluation(row.id, row.asked, row.figures, row.at)
