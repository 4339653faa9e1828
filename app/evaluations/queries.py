"""Results of the queries of a stored evaluation: expected and retrieved artists, worst or best queries first."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from pathlib import Path

from riyl.core.storage.evaluations import EvaluationFiles, Expected
from riyl.core.storage.ground_truth import relevant_to
from riyl.core.types import ArtistId


@dataclass(frozen=True)
class Query:
    """Query and its result.

    Attributes:
        n_relevant: number of relevant artists in the condition.
        expected: up to 10 relevant artists, the most played first, each with its rank in the first 10 of the list, or
            None if it is not among them.
        retrieved: first 10 of the list, each with whether it is relevant, or None if unknown: the ground truth is not
            in this home, and more artists are relevant than are stored.
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
    """Return the number of queries, and a page of them by nDCG, the worst first; equal ones by artist_id.

    The folder `truth` need not exist. With `best`, the best queries come first. The page has at most `limit` queries,
    after the first `offset`.

    Raises:
        FormatError: a file is damaged; the message names it.
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
