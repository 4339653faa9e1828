"""History of promotions, and the verdicts of the promotion policy."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import Connection, Row, insert, select

from riyl.core.db.revisions import raise_revision
from riyl.core.db.session import Database
from riyl.core.db.tables import promotions, verdicts
from riyl.core.storage.stamps import Stream

PromotionAction = Literal["promote", "rollback"]


@dataclass(frozen=True)
class Promotion:
    """One promotion; `number` orders promotions as they took effect.

    Attributes:
        version: id of the version that became current.
        act: "promote", or "rollback" to the previously current version.
        at: time, in UTC.
        forced: whether against the promotion policy.
        job: the job that promoted; None if no job did.
    """

    number: int
    version: str
    act: PromotionAction
    by: str
    why: str
    at: datetime
    forced: bool
    job: str | None


@dataclass(frozen=True)
class Verdict:
    """Verdict of the promotion policy on a version.

    Attributes:
        compared_to: the version that was current at that time.
        checks: name, found, wanted and passed of each check.
    """

    version: str
    compared_to: str | None
    passed: bool
    checks: list[dict[str, Any]]
    at: datetime
    job: str | None


def add_promotion(
    connection: Connection,
    version: str,
    act: PromotionAction,
    *,
    by: str,
    why: str,
    forced: bool = False,
    job: str | None = None,
    at: datetime | None = None,
) -> Promotion:
    """Store a promotion, with the present time or `at`; a second promotion of one job returns the first.

    The transaction must be the only one that promotes: `Database.alone`.
    """
    if job is not None:
        done = connection.execute(select(promotions).where(promotions.c.job == job)).one_or_none()
        if done is not None:
            return _promotion(done)
    values = {"version": version, "act": act, "by": by, "why": why, "forced": forced, "job": job}
    insertion = insert(promotions).values(**values, at=at or datetime.now(UTC)).returning(promotions)
    added = _promotion(connection.execute(insertion).one())
    raise_revision(connection, Stream.PROMOTIONS, added.number)
    return added


def all_promotions(connection: Connection) -> list[Promotion]:
    """Return every promotion, the latest last."""
    return [_promotion(row) for row in connection.execute(select(promotions).order_by(promotions.c.number))]


def last_promotion(connection: Connection) -> Promotion | None:
    """Return the promotion in effect."""
    row = connection.execute(select(promotions).order_by(promotions.c.number.desc()).limit(1)).one_or_none()
    return None if row is None else _promotion(row)


def add_verdict(
    database: Database,
    version: str,
    compared_to: str | None,
    passed: bool,
    checks: list[dict[str, Any]],
    *,
    job: str | None = None,
) -> None:
    """Store the verdict of the promotion policy; only the first of each job is stored.

    Raises:
        DatabaseDownError: the database cannot be reached.
        StaleDatabaseError: it lacks what this home has seen.
    """
    with database.write() as connection:
        database.check(connection)
        if job is not None and connection.execute(select(verdicts.c.number).where(verdicts.c.job == job)).first():
            return
        values = {"version": version, "compared_to": compared_to, "passed": passed, "checks": checks, "job": job}
        connection.execute(insert(verdicts).values(**values, at=datetime.now(UTC)))


def last_verdicts(connection: Connection) -> dict[str, Verdict]:
    """Return the latest verdict by version."""
    rows = connection.execute(select(verdicts).order_by(verdicts.c.number))
    return {
        row.version: Verdict(row.version, row.compared_to, row.passed, list(row.checks), row.at, row.job)
        for row in rows
    }


def _promotion(row: Row[Any]) -> Promotion:
    return Promotion(row.number, row.version, row.act, row.by, row.why, row.at, row.forced, row.job)
