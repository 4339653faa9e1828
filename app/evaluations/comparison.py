"""Comparison of two stored evaluations, over the queries that both have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from riyl.app.evaluations.store import systems_in
from riyl.core.db.evaluations import Evaluation
from riyl.core.errors import MismatchError, NotFoundError
from riyl.core.ranking_metrics import mean_of
from riyl.core.storage.evaluations import EvaluationFiles
from riyl.core.types import ArtistId, Scores

ROUNDS = 1000
MAX_QUERIES_SHOWN = 10
"""Maximum number of queries listed as gained, and as lost."""


@dataclass(frozen=True)
class Side:
    """One side of a comparison: a system of an evaluation."""

    run: Evaluation
    files: EvaluationFiles
    system: str


@dataclass(frozen=True)
class Change:
    """nDCG of one query on both sides."""

    artist_id: ArtistId
    a: float
    b: float

    @property
    def difference(self) -> float:
        return self.a - self.b


@dataclass(frozen=True)
class Compared:
    """Comparison of two systems in one condition. Figures are NaN if there are no queries.

    Attributes:
        common, only_a, only_b: number of queries on both sides, and on one side only.
        ndcg_a, ndcg_b: mean nDCG over the common queries.
        difference, low, high, p: of a - b over the common queries, see `riyl.evaluation.bootstrap.paired`.
        gini_a, gini_b: Gini over all lists of a side, from its figures; None if the figures lack it.
        gained, lost: queries on which a is most above b, and most below it, the greatest difference first and equal
            ones by artist_id; at most 10 of each.
    """

    condition: str
    common: int
    only_a: int
    only_b: int
    ndcg_a: float
    ndcg_b: float
    difference: float
    low: float
    high: float
    p: float
    gini_a: float | None
    gini_b: float | None
    gained: list[Change]
    lost: list[Change]


def side(run: Evaluation, files: EvaluationFiles, system: str | None) -> Side:
    """Return a side of a comparison; the system defaults to the reference of the evaluation.

    Raises:
        NotFoundError: the evaluation has no such system.
        MismatchError: the evaluation has no systems.
    """
    measured = list(dict.fromkeys(name for names in systems_in(run.figures).values() for name in names))
    if not measured:
        raise MismatchError(f"evaluation {run.id!r}: found no figures of a system; wanted a system to compare")
    if system is not None and system not in measured:
        raise NotFoundError(f"evaluation {run.id!r}: found no system {system!r}; wanted one of {', '.join(measured)}")
    return Side(run, files, system or measured[0])


def compare(a: Side, b: Side) -> list[Compared]:
    """Compare a to b in each condition of both, by paired bootstrap (seed 0, 1,000 rounds).

    Raises:
        MismatchError: the ground truths or k differ, or no condition is in both; the message names the values.
        FormatError: a file is damaged; the message names it.
    """
    left, right = a.run.outline, b.run.outline
    for what, left_value, right_value in (("truth", left.truth, right.truth), ("k", left.k, right.k)):
        if left_value != right_value:
            raise MismatchError(
                f"{left.id!r} and {right.id!r}: found {what} {left_value} and {right_value}; wanted the same"
            )
    figures_a, figures_b = _figures(a), _figures(b)
    both = [condition for condition in figures_a if condition in figures_b]
    if not both:
        raise MismatchError(
            f"found {a.system!r} in {', '.join(figures_a) or 'no condition'} and {b.system!r} in "
            f"{', '.join(figures_b) or 'no condition'}; wanted a condition in both"
        )
    return [_compared(condition, a, b, figures_a[condition], figures_b[condition]) for condition in both]


def _figures(side: Side) -> dict[str, dict[str, Any]]:
    """Return the side's rows of figures, by condition."""
    return {row["condition"]: row for row in side.run.figures["results"] if row["system"] == side.system}


def _compared(condition: str, a: Side, b: Side, figures_a: dict[str, Any], figures_b: dict[str, Any]) -> Compared:
    # imported here, because loading SciPy would delay the start of the service
    from riyl.evaluation.bootstrap import paired

    left, right = a.files.ndcg(condition, a.system), b.files.ndcg(condition, b.system)
    joined = left.join(right, "artist_id", right_suffix="_b", join_type="inner", use_threads=False).sort_by("artist_id")
    scores_a, scores_b = _scores(joined, "ndcg"), _scores(joined, "ndcg_b")
    estimate = paired(scores_a, scores_b, ROUNDS, seed=0)
    return Compared(
        condition,
        joined.num_rows,
        left.num_rows - joined.num_rows,
        right.num_rows - joined.num_rows,
        mean_of(scores_a),
        mean_of(scores_b),
        estimate.difference,
        estimate.interval.low,
        estimate.interval.high,
        estimate.p,
        figures_a.get("gini"),
        figures_b.get("gini"),
        _most(joined, scores_a - scores_b),
        _most(joined, scores_b - scores_a),
    )


def _most(joined: pa.Table, gains: Scores) -> list[Change]:
    """Return the queries with the greatest gains above 0; equal gains keep the order of `joined`, by artist_id."""
    rows = np.argsort(-gains, kind="stable")[:MAX_QUERIES_SHOWN]
    top_rows = joined.take(pa.array(rows[gains[rows] > 0])).to_pylist()
    return [Change(row["artist_id"], row["ndcg"], row["ndcg_b"]) for row in top_rows]


def _scores(table: pa.Table, column: str) -> Scores:
    values: Scores = table[column].to_numpy()
    return values
