"""Stored evaluations: the files in the home first, then the row in the database that names them."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from riyl.core.db.evaluations import Evaluation, add_evaluation, find_evaluation
from riyl.core.db.session import Database
from riyl.core.errors import NotFoundError
from riyl.core.settings import Home
from riyl.core.storage.evaluations import EvaluationFiles, save_evaluation


def store(
    home: Home,
    database: Database,
    identity: str,
    request: dict[str, Any],
    *,
    by: str,
    figures: dict[str, Any],
    queries: pa.Table,
    expected: pa.Table,
    report: bytes,
) -> None:
    """Keep a run under its id; one that is there already stays, and a row says what its files say.

    Args:
        identity: of the job, or of the run of the command line.
        request: what the run was asked for with, as JSON knows it.
        by: who asked.
        figures, queries, expected, report: see `riyl.core.storage.evaluations.save_evaluation`.

    Raises:
        DatabaseDownError: the database cannot be reached; the files stay, and storing again finds them.
    """
    files = save_evaluation(home.evaluations, identity, figures, queries, expected, report)
    add_evaluation(database, identity, request, files.figures(), by=by)


def stored(database: Database, identity: str) -> Evaluation:
    """The run of this id.

    Raises:
        NotFoundError: there is none.
    """
    evaluation = find_evaluation(database, identity)
    if evaluation is None:
        raise NotFoundError(f"there is no stored evaluation {identity!r}")
    return evaluation


def has_files(home: Home, identity: str) -> bool:
    """Whether the files of a run are in this home."""
    return (home.evaluations / identity).is_dir()


def files_of(home: Home, identity: str) -> EvaluationFiles:
    """The files of a run.

    Raises:
        NotFoundError: they are not in this home.
        FormatError: they are damaged.
    """
    if not has_files(home, identity):
        raise NotFoundError(
            f"of evaluation {identity!r} only the figures are here: found no folder evaluations/{identity} in this "
            "home; it was stored by an earlier release, or in another home"
        )
    return EvaluationFiles.open(home.evaluations / identity)


def systems_in(figures: dict[str, Any]) -> dict[str, list[str]]:
    """By condition, the systems that were measured in it; both in order, the reference first."""
    systems: dict[str, list[str]] = {}
    for row in figures.get("results", []):
        systems.setdefault(row["condition"], []).append(row["system"])
    return systems
