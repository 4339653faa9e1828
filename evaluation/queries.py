"""Tables of single queries: expected and retrieved artists, for inspection."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from riyl.core.storage.evaluations import NDCG_AT_DEPTHS
from riyl.core.storage.ground_truth import Relevance
from riyl.core.types import ArtistId, Lists
from riyl.evaluation.conditions import Condition
from riyl.evaluation.protocol import Result

FIRST = 10
"""Number of relevant artists that are stored of each query."""


def query_table(results: Sequence[Result], artist_ids: Sequence[ArtistId]) -> pa.Table:
    """Tabulate the result of every system for every query.

    Returns:
        One row for each condition, system and query, in the order of the results: condition, system, artist_id, each
        of `riyl.core.ranking_metrics.LIST_METRICS`, nDCG of the first ranks by
        `riyl.core.storage.evaluations.NDCG_AT_DEPTHS` (null where the result has none), retrieved (ids of the list,
        best first; empty if the system cannot embed the artist).
    """
    ids, texts = np.array(artist_ids, object), pa.array(artist_ids, pa.string())
    parts = [
        pa.table(
            {
                "condition": _repeated(r.condition, r.n_queries),
                "system": _repeated(r.system, r.n_queries),
                "artist_id": pa.array(ids[r.query_rows], pa.string()),
                **{name: pa.array(figure.scores, pa.float64()) for name, figure in r.lists.items()},
                **_at_depths(r),
                "retrieved": _lists(r.retrieved, texts),
            }
        )
        for r in results
    ]
    return pa.concat_tables(parts)


def _at_depths(result: Result) -> dict[str, pa.Array]:
    scores = {at.depth: at.ndcg for at in result.depths}
    return {
        name: pa.array(scores[depth], pa.float64()) if depth in scores else pa.nulls(result.n_queries, pa.float64())
        for depth, name in NDCG_AT_DEPTHS.items()
    }


def expected_table(
    results: Sequence[Result],
    conditions: Sequence[Condition],
    relevance: Relevance,
    popularity: NDArray[np.number],
    artist_ids: Sequence[ArtistId],
) -> pa.Table:
    """Tabulate the result of a perfect system.

    Args:
        results: results of any system, in each of the conditions.
        conditions: the conditions.
        relevance: the ground truth over the artists of the snapshot.
        popularity: (n,) plays of the snapshot's artists.
        artist_ids: the n ids.

    Returns:
        One row for each condition and query: condition, artist_id, n_relevant, expected (ids of ten relevant
        candidates, the most played first, equally played ones by row).
    """
    ids, texts = np.array(artist_ids, object), pa.array(artist_ids, pa.string())
    rank = np.empty(len(ids), np.int64)
    rank[np.argsort(-popularity, kind="stable")] = np.arange(len(ids))
    result_of = {r.condition: r for r in results}
    parts = []
    for condition in conditions:
        r = result_of[condition.name]
        inside = np.zeros(len(ids), bool)
        inside[condition.rows] = True
        first = np.full((r.n_queries, FIRST), -1, np.int32)
        for i, row in enumerate(r.query_rows):
            relevant = relevance.columns[relevance.indptr[row] : relevance.indptr[row + 1]]
            relevant = relevant[inside[relevant]]
            best = relevant[np.argsort(rank[relevant])][:FIRST]
            first[i, : len(best)] = best
        parts.append(
            pa.table(
                {
                    "condition": _repeated(condition.name, r.n_queries),
                    "artist_id": pa.array(ids[r.query_rows], pa.string()),
                    "n_relevant": pa.array(r.n_relevant, pa.int32()),
                    "expected": _lists(first, texts),
                }
            )
        )
    return pa.concat_tables(parts)


def _repeated(value: str, n: int) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(n, np.int32)), pa.array([value]))


def _lists(rows: Lists, ids: pa.StringArray) -> pa.ListArray:
    """Return lists of ids, which are stored once: (q, k) rows of 200 artists for each query would take gigabytes."""
    inside = rows >= 0
    offsets = np.concatenate([[0], np.cumsum(inside.sum(axis=1))]).astype(np.int32)
    values = pa.DictionaryArray.from_arrays(pa.array(rows[inside]), ids)
    return pa.ListArray.from_arrays(pa.array(offsets), values)
