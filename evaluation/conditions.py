"""Conditions: the artists that are queries and candidates of an evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from riyl.core.errors import MismatchError
from riyl.core.storage.ground_truth import Relevance
from riyl.core.storage.snapshot import Snapshot
from riyl.core.types import Rows
from riyl.evaluation.catalogs import JoinedCatalog, having_all, having_any
from riyl.index.artifact.version import Version


@dataclass(frozen=True)
class Condition:
    """The artists that are queries and candidates, as rows of the snapshot, ascending.

    Attributes:
        name: its name in tables.
        rows: the candidates.
        queries: the artists that lists are made for; None where they are the candidates. A query need not be a
            candidate.
        is_full: whether every candidate and query has all modalities, in every catalog of the study.
    """

    name: str
    rows: Rows
    queries: Rows | None = None
    is_full: bool = False

    @property
    def query_rows(self) -> Rows:
        """Rows of the queries."""
        return self.rows if self.queries is None else self.queries


def conditions_of(catalog: Snapshot | Version, others: Sequence[JoinedCatalog] = ()) -> list[Condition]:
    """Return the conditions raw (artists with any modality) and fmc (full modality coverage: artists with all).

    A version gives the same conditions as the snapshot that it was made of.

    Args:
        catalog: the catalog whose artists are those of the study.
        others: other catalogs of the study: raw is then any modality in any catalog, fmc all modalities in every one.
    """
    return [
        Condition("raw", np.flatnonzero(having_any(catalog, others)).astype(np.int32)),
        Condition("fmc", np.flatnonzero(having_all(catalog, others)).astype(np.int32), is_full=True),
    ]


def limited(condition: Condition, queries: Rows | None, candidates: Rows | None) -> Condition:
    """Reduce a condition to given queries and candidates; None leaves either as it is.

    Args:
        condition: queries and candidates.
        queries: rows of the snapshot, ascending; those outside of the condition are left out.
        candidates: likewise.
    """
    rows = condition.rows if candidates is None else np.intersect1d(condition.rows, candidates)
    query_rows = condition.query_rows if queries is None else np.intersect1d(condition.query_rows, queries)
    if queries is None and candidates is None:
        return condition
    return replace(condition, rows=rows.astype(np.int32), queries=query_rows.astype(np.int32))


def judged_only(condition: Condition, relevance: Relevance) -> Condition:
    """Reduce a condition to the artists that the ground truth judges; its name gets the suffix "-judged".

    An artist without a pair in the ground truth cannot be correct for any query: in a list it counts as wrong, although
    the ground truth says nothing about it. For test artists whose pairs are kept secret this is known to be false.
    Figures among judged candidates, beside those among all candidates, show how much of a system's error is of this
    kind.

    Args:
        condition: queries and candidates.
        relevance: the ground truth over the artists of the snapshot. An artist is judged if it has a pair with another
            artist of the snapshot, in either direction, also with one outside of the condition.

    Raises:
        MismatchError: condition and ground truth are not over the same artists.
    """
    n = len(relevance.indptr) - 1
    if len(condition.rows) and condition.rows.max() >= n:
        raise MismatchError(
            f"condition {condition.name!r}: found row {condition.rows.max()}; the truth is over {n} artists"
        )
    judged = np.diff(relevance.indptr) > 0
    judged[relevance.columns] = True
    queries = None if condition.queries is None else condition.queries[judged[condition.queries]]
    return replace(
        condition, name=f"{condition.name}-judged", rows=condition.rows[judged[condition.rows]], queries=queries
    )
