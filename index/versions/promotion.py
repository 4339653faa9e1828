"""Promotion by the promotion policy, with its verdict written down: over HTTP, by the command line and by jobs."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from riyl.core.db.promotions import Promotion, add_verdict
from riyl.core.db.session import Database
from riyl.core.errors import FormatError, NotFoundError
from riyl.index.artifact.version import Version
from riyl.index.versions.lifecycle import find_version, promote
from riyl.index.versions.promotion_policy import Limits, judge
from riyl.index.versions.report import Report

log = logging.getLogger(__name__)


def promote_checked(
    folder: Path,
    database: Database,
    name: str,
    limits: Limits,
    *,
    by: str,
    why: str,
    force: bool = False,
    ndcg: Callable[[Version], float] | None = None,
) -> Promotion:
    """Hold a version against the current one, write down what was found, and make it current if that lets it through.

    Args:
        folder: of versions.
        name: the version, or how its id begins.
        limits: what is let through.
        force: promote against the verdict; that is written down too.
        ndcg: mean nDCG@200 of a version on the configured truth; without it nothing is evaluated.

    Raises:
        NotFoundError: there is no such version.
        FormatError: it is damaged.
        QualityCheckError: the verdict is against it; it has the checks.
        DatabaseDownError: the database cannot be reached; nothing has changed.
    """
    report = judged(folder, database, name, limits, ndcg=ndcg)
    return promote(folder, database, name, by=by, why=why, verdict=report, force=force)


def judged(
    folder: Path,
    database: Database,
    name: str,
    limits: Limits,
    *,
    ndcg: Callable[[Version], float] | None = None,
    job: str | None = None,
) -> Report:
    """What the promotion policy says of a version beside the current one, written down.

    Args:
        job: whose verdict it is; a job says it once.

    Raises: as `promote_checked`, but for GateError.
    """
    version, last = Version.open(find_version(folder, name)), _current(folder)
    report = judge(version, last, limits, ndcg=ndcg)
    compared_to = None if last is None else last.id
    add_verdict(database, version.id, compared_to, report.passed, report.as_dict()["checks"], job=job)
    return report


def _current(folder: Path) -> Version | None:
    """What a version is held against; nothing where there is none yet, or where it is what has to be replaced."""
    try:
        return Version.open(find_version(folder, None))
    except NotFoundError:
        return None
    except FormatError as error:
        log.warning("current_damaged", extra={"reason": str(error)})
        return None
