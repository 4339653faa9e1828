"""Similarity pairs: pairs of artists that are known to be similar, by the artists of a snapshot."""

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
"""Minimum number of artists to learn from."""

VALIDATION_DRAW = "kept back of links"
"""Prefix of the hashed text that decides which artists are validation artists. Frozen."""


@dataclass(frozen=True)
class SimilarityPairs:
    """Similarity pairs among the artists of a snapshot, and the validation artists that tell when to stop.

    Attributes:
        ids: (m,) ids of the artists that have pairs.
        rows: (m,) their rows in the snapshot.
        graph: (m, m) symmetric, 1 where there is a pair.
        back: (m,) bool, true for validation artists; training ignores all pairs that contain one.
        counts: numbers of artists and pairs for the model's card.
    """

    ids: list[ArtistId]
    rows: Rows
    graph: sp.csr_matrix
    back: NDArray[np.bool_]
    counts: dict[str, int]


def read_similarity_pairs(truth: Truth, snapshot: Snapshot, config: FineTuneConfig, seed: int) -> SimilarityPairs:
    """Read the pairs of a ground truth among the artists of a snapshot that have a modality and are not held out.

    A directed pair counts in both directions: similarity is learnt as symmetric.

    Args:
        truth: ground truth with the pairs.
        snapshot: the artists.
        config: its `validation` is the share of validation artists.
        seed: seed of their choice, which does not depend on the other artists of the catalog.

    Raises:
        InputError: fewer than 20 artists are left to learn from, or there is no validation artist.
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
            f"pairs {truth.name}: found {sizes['pairs']} pairs among {sizes['artists']} artists that have a modality "
            f"in snapshot {snapshot.id}, {sizes['validation']} artists for validation, and {relevance.unknown_pairs} "
            f"pairs with other artists; wanted at least {_MIN_ARTISTS} artists to learn from and 1 for validation: "
            f"do the pairs use the catalog's ids?"
        )
    return SimilarityPairs(ids, linked.astype(np.int32), among, back, counts)
