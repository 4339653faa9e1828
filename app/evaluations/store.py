"""Storage of evaluations: files in the home are written first, then the row in the database that names them."""

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
    """Store an evaluation under its id; existing files are kept, and the row takes its figures from them.

    `identity` is the id of the job, or of the run on the command line; `request` the parameters of the evaluation, as
    JSON values; `by` its author. For `figures`, `queries`, `expected` and `report` see
    `riyl.core.storage.evaluations.save_evaluation`.

    Raises:
        DatabaseDownError: the database cannot be reached; the files stay, and storing again finds them.
    """
    files = save_evaluation(home.evaluations, identity, figures, queries, expected, report)
    add_evaluation(database, identity, request, files.figures(), by=by)


def stored(database: Database, identity: str) -> Evaluation:
    """Return the stored evaluation with this id.

    Raises:
        NotFoundError: there is no such evaluation.
    """
    evaluation = find_evaluation(database, identity)
    if evaluation is None:
        raise NotFoundError(f"there is no stored evaluation {identity!r}")
    return evaluation


def has_files(home: Home, identity: str) -> bool:
    """Return whether the files of an evaluation are in this home."""
    return (home.evaluations / identity).is_dir()


def files_of(home: Home, identity: str) -> EvaluationFiles:
    """Open the files of an evaluation.

    Raises:
        NotFoundError: the files are not in this home.
        FormatError: a file is damaged.
    """
    if not has_files(home, identity):
        raise NotFoundError(
            f"evaluation {identity!r} has only figures here: found no folder evaluations/{identity} in this home; "
            "it was stored by an earlier release, or in another home"
        )
    return EvaluationFiles.open(home.evaluations / identity)


def systems_in(figures: dict[str, Any]) -> dict[str, list[str]]:
    """Return the measured systems by condition; both in the order of the figures, the reference first."""
    systems: dict[str, list[str]] = {}
    for row in figures.get("results", []):
        systems.setdefault(row["condition"], []).append(row["system"])
    return systems
