"""Links between artists that are known to be similar, as a snapshot's artists have them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from riyl.core.errors import InputError
from riyl.core.storage.ground_truth import Truth
from riyl.core.storage.snapshot import Snapshot
from riyl.core.types import ArtistId, Rows
from riyl.training.config import FineTuneConfig
from riyl.training.features.holdout import holdout_artists

_MIN_ARTISTS = 20
"""Artists to learn from."""

VALIDATION_DRAW = "kept back of links"
"""What the artists are drawn for."""


@dataclass(frozen=True)
class SimilarityPairs:
    """Who is linked to whom in a snapshot, and who is kept back to tell when to stop.

    Attributes:
        ids: (m,) ids of the artists that links are known of.
        rows: (m,) their rows in the snapshot.
        graph: (m, m) symmetric, 1 where there is a link.
        back: (m,) bool, kept back: nothing is learnt from links that touch them.
        counts: for the model's card.
    """

    ids: list[ArtistId]
    rows: Rows
    graph: sp.csr_matrix
    back: NDArray[np.bool_]
    counts: dict[str, int]


def read_similarity_pairs(truth: Truth, snapshot: Snapshot, config: FineTuneConfig, seed: int) -> SimilarityPairs:
    """The pairs of a truth among the artists of a snapshot that are known and not held out.

    Directed pairs count both ways: being similar is learnt as a symmetric thing.

    Args:
        config: says how many are kept back.
        seed: of who that is; the same artists whatever else is in the catalog.

    Raises:
        InputError: fewer than 20 artists are left to learn from, or none that is kept back.
    """
    relevance = truth.relevance(snapshot.artist_ids)
    n = snapshot.n_artists
    graph = sp.csr_matrix(
        (np.ones(len(relevance.columns), np.float32), relevance.columns, relevance.indptr), shape=(n, n)
    )
    graph = graph.maximum(graph.T).tocsr()
    usable = np.flatnonzero(snapshot.having() & ~snapshot.holdout)
    linked = usable[np.diff(graph[usable][:, usable].indptr) > 0]
    ids = [snapshot.artist_ids[row] for row in linked.tolist()]
    among = graph[linked][:, linked].tocsr()
    back = holdout_artists(ids, config.validation, seed, draw=VALIDATION_DRAW)
    sizes = {"artists": len(ids), "validation": int(back.sum()), "pairs": among.nnz // 2}
    counts = {**sizes, "unknown_pairs": relevance.unknown_pairs}
    if sizes["artists"] - sizes["validation"] < _MIN_ARTISTS or not sizes["validation"]:
        raise InputError(
            f"links {truth.name}: found {sizes['pairs']} pairs among {sizes['artists']} artists that snapshot "
            f"{snapshot.id} knows something of, {sizes['validation']} of them kept back, and {relevance.unknown_pairs} "
            f"pairs with others; wanted {_MIN_ARTISTS} artists to learn from and one kept back: are the ids its own?"
        )
    return SimilarityPairs(ids, linked.astype(np.int32), among, back, counts)
