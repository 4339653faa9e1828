"""Which queries of a stored evaluation fail most: what was expected of them, and what came."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from pathlib import Path

from riyl.core.storage.evaluations import EvaluationFiles, Expected
from riyl.core.storage.ground_truth import relevant_to
from riyl.core.types import ArtistId


@dataclass(frozen=True)
class Query:
    """A query and what came of it.

    Attributes:
        n_relevant: artists of the condition that are relevant.
        expected: up to 10 of these, the most played first, each with its rank in the first 10 of the list; None where
            it is not among them.
        retrieved: the first 10 of the list, each with whether it is relevant; None where that cannot be told: the truth
            is not in this home, and more artists are relevant than are stored.
    """

    artist_id: ArtistId
    ndcg: float
    n_relevant: int
    expected: list[tuple[ArtistId, int | None]]
    retrieved: list[tuple[ArtistId, bool | None]]


def query_results(
    files: EvaluationFiles,
    truth: Path,
    condition: str,
    system: str,
    *,
    best: bool = False,
    limit: int = 20,
    offset: int = 0,
) -> tuple[int, list[Query]]:
    """How many queries there are, and some of them by nDCG, the worst first; equal ones by artist_id.

    Args:
        truth: folder of the truth; it need not be there.
        best: the best first.
        limit, offset: how many, after how many.

    Raises:
        FormatError: a file is damaged; names it.
    """
    every = files.ndcg(condition, system)
    order = every.sort_by([("ndcg", "descending" if best else "ascending"), ("artist_id", "ascending")])
    page = order.slice(offset, limit).to_pydict()
    ids = page["artist_id"]
    retrieved, expected = files.retrieved(condition, system, ids), files.expected(condition, ids)
    relevant = relevant_to(truth, ids) if truth.is_dir() else {}
    queries = [
        _query(artist_id, ndcg, retrieved[artist_id], expected[artist_id], relevant)
        for artist_id, ndcg in zip(ids, page["ndcg"], strict=True)
    ]
    return every.num_rows, queries


def _query(
    artist_id: ArtistId,
    ndcg: float,
    retrieved: list[ArtistId],
    expected: Expected,
    relevant: Mapping[ArtistId, Set[ArtistId]],
) -> Query:
    rank = {other: number for number, other in enumerate(retrieved, 1)}
    relevant_ids = relevant.get(artist_id)
    if relevant_ids is None and expected.n_relevant == len(expected.first):
        relevant_ids = set(expected.first)

    def right(other: ArtistId) -> bool | None:
        if relevant_ids is not None:
            return other in relevant_ids
        return True if other in expected.first else None

    return Query(
        artist_id,
        ndcg,
        expected.n_relevant,
        [(other, rank.get(other)) for other in expected.first],
        [(other, right(other)) for other in retrieved],
    )
