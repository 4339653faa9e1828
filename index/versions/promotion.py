"""Promotion under the promotion policy, with its verdict recorded: over HTTP, by the command line and by jobs."""

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
    """Compare a version to the current one, record the verdict, and make it current if it passes.

    Args:
        folder: folder of versions.
        database: the database of promotions.
        name: the version's id, or the beginning of it.
        limits: limits of the promotion policy.
        by: author of the promotion.
        why: reason of the promotion.
        force: promote against the verdict; this is recorded too.
        ndcg: computes the mean nDCG@200 of a version on the configured ground truth; None evaluates nothing.

    Raises:
        NotFoundError: there is no such version.
        FormatError: it is damaged.
        QualityCheckError: the verdict is against it; the error carries the checks.
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
    """Compare a version to the current one under the promotion policy, and record the verdict.

    `job` is the job that asks; it records its verdict once. Parameters and errors are otherwise those of
    `promote_checked`, except QualityCheckError.
    """
    version, last = Version.open(find_version(folder, name)), _current(folder)
    report = judge(version, last, limits, ndcg=ndcg)
    compared_to = None if last is None else last.id
    add_verdict(database, version.id, compared_to, report.passed, report.as_dict()["checks"], job=job)
    return report


def _current(folder: Path) -> Version | None:
    """Open the current version; None where there is none yet, or where it is damaged and must be replaced."""
    try:
        return Version.open(find_version(folder, None))
    except NotFoundError:
        return None
    except FormatError as error:
        log.warning("current_damaged", extra={"reason": str(error)})
        return None
