"""Stored evaluations: the request, every figure, and the summary that lists show."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, insert, or_, select

from riyl.core.db.session import Database
from riyl.core.db.tables import evaluations
from riyl.core.errors import NotFoundError

SUMMARY = ("queries", "ndcg", "ndcg_low", "ndcg_high", "gini", "coverage")
"""Figures of a condition that lists show."""


@dataclass(frozen=True)
class Outline:
    """Summary of a stored run for lists. Rows of earlier releases, and figures that lack a value, have None.

    Attributes:
        id: of its job, or of the run of the command line.
        by: author of the request.
        truth, truth_name: id and name of the ground truth.
        version, model: id of the reference, the first system, which is a version of the index or a model.
        k: length of a list.
        summary: by condition, the reference's `SUMMARY`; an undefined figure is None.
    """

    id: str
    at: datetime
    by: str | None
    truth: str | None
    truth_name: str | None
    snapshot: str | None
    version: str | None
    model: str | None
    k: int | None
    summary: list[dict[str, Any]]


@dataclass(frozen=True)
class Evaluation:
    """A stored run.

    Attributes:
        figures: the output of `riyl --json evaluate`.
    """

    outline: Outline
    request: dict[str, Any]
    figures: dict[str, Any]

    @property
    def id(self) -> str:
        return self.outline.id

    @property
    def at(self) -> datetime:
        return self.outline.at


def add_evaluation(
    database: Database, identity: str, request: dict[str, Any], figures: dict[str, Any], *, by: str
) -> None:
    """Store a run; a run that is already stored stays."""
    with database.alone() as connection:
        if connection.execute(select(evaluations.c.id).where(evaluations.c.id == identity)).first():
            return
        values = {"id": identity, "request": request, "figures": figures, "at": datetime.now(UTC), "by": by}
        connection.execute(insert(evaluations).values(**values, **_columns(figures)))


def find_evaluation(database: Database, identity: str) -> Evaluation | None:
    """Return the stored run of this id; None if there is none."""
    with database.read() as connection:
        row = connection.execute(select(evaluations).where(evaluations.c.id == identity)).one_or_none()
    return None if row is None else _evaluation(row)


def pick_evaluation(database: Database, begin: str) -> Evaluation:
    """Return the stored run of this id, or the only one whose id begins so.

    Raises:
        NotFoundError: there is none, or there are several, which the message names.
    """
    column = evaluations.c.id
    with database.read() as connection:
        begun = select(column).where(column.startswith(begin, autoescape=True)).order_by(column).limit(10)
        ids = list(connection.execute(begun).scalars())
        matching = [each for each in ids if each == begin] or ids
        if not begin or len(matching) != 1:
            reason = f"is ambiguous: {', '.join(matching)}" if begin and matching else "does not exist"
            raise NotFoundError(f"evaluation {begin!r} {reason}; see riyl evaluations list")
        return _evaluation(connection.execute(select(evaluations).where(column == matching[0])).one())


def list_evaluations(
    database: Database,
    *,
    truth: str | None = None,
    version: str | None = None,
    limit: int = 50,
    before: str | None = None,
) -> list[Outline]:
    """List the stored runs, the newest first; those of the same instant by descending id.

    Args:
        database: the database.
        truth: only on this ground truth, by id or name.
        version: only of this version of the index, by its id or the beginning of it.
        limit: maximum number of runs.
        before: only those after this id in the order.

    Raises:
        NotFoundError: there is no run of the id `before`.
    """
    columns = evaluations.c
    wanted = select(*(column for column in columns if column.name not in ("request", "figures")))
    if truth is not None:
        wanted = wanted.where(or_(columns.truth == truth, columns.truth_name == truth))
    if version is not None:
        wanted = wanted.where(columns.version.startswith(version, autoescape=True))
    with database.read() as connection:
        if before is not None:
            wanted = _after(connection, wanted, before)
        rows = connection.execute(wanted.order_by(columns.at.desc(), columns.id.desc()).limit(limit))
        return [_outline(row) for row in rows]


def _after(connection: Connection, wanted: Select[Any], identity: str) -> Select[Any]:
    columns = evaluations.c
    at = connection.execute(select(columns.at).where(columns.id == identity)).scalar_one_or_none()
    if at is None:
        raise NotFoundError(f"there is no stored evaluation {identity!r} to continue the list after")
    return wanted.where(or_(columns.at < at, and_(columns.at == at, columns.id < identity)))


def _columns(figures: dict[str, Any]) -> dict[str, Any]:
    """Return the figures as the columns of `Outline`."""
    results = figures["results"]  # empty if only groups were requested
    reference = results[0]["system"] if results else None
    return {
        "truth": figures["truth"]["id"],
        "truth_name": figures["truth"]["name"],
        "snapshot": figures["snapshot"],
        "version": figures["version"],
        "model": figures["models"].get(reference, {}).get("id"),
        "k": results[0]["k"] if results else figures.get("k"),
        "summary": [
            {"condition": row["condition"], "system": reference, **{name: row[name] for name in SUMMARY}}
            for row in results
            if row["system"] == reference
        ],
    }


def _evaluation(row: Row[Any]) -> Evaluation:
    return Evaluation(_outline(row), row.request, row.figures)


def _outline(row: Row[Any]) -> Outline:
    return Outline(
        row.id,
        row.at,
        row.by,
        row.truth,
        row.truth_name,
        row.snapshot,
        row.version,
        row.model,
        row.k,
        row.summary or [],
    )
