"""Similarity pairs: the merged pairs of one or several relations, by the artists of a snapshot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from riyl.core.errors import InputError
from riyl.core.storage.relations import Relation
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
    """Weighted similarity pairs among the artists of a snapshot, and the validation artists that tell when to stop.

    Attributes:
        ids: (m,) ids of the artists that have pairs.
        rows: (m,) their rows in the snapshot.
        graph: (m, m) symmetric float32, the sum of the weights of the relations that have the pair; without entries
            where there is no pair.
        back: (m,) bool, true for validation artists; training ignores all pairs that contain one.
        card: numbers of artists, validation artists and pairs, and under "relations" for each relation its id, name,
            weight and numbers of pairs, for the model's card.
    """

    ids: list[ArtistId]
    rows: Rows
    graph: sp.csr_matrix
    back: NDArray[np.bool_]
    card: dict[str, Any]


def read_similarity_pairs(
    relations: Sequence[Relation], snapshot: Snapshot, config: FineTuneConfig, seed: int
) -> SimilarityPairs:
    """Merge the pairs of relations among the artists of a snapshot that have a modality and are not held out.

    A directed pair counts in both directions: similarity is learnt as symmetric. The order of the relations does not
    matter.

    Args:
        relations: at least one relation, each with other pairs.
        snapshot: the artists.
        config: its `validation` is the share of validation artists.
        seed: seed of their choice, which does not depend on the other artists of the catalog.

    Raises:
        InputError: a relation has no pair among these artists, fewer than 20 artists are left to learn from, or there
            is no validation artist.
    """
    usable = np.flatnonzero(snapshot.having() & ~snapshot.holdout)
    merged, described = sp.csr_matrix((len(usable), len(usable)), dtype=np.float32), list[dict[str, Any]]()
    for relation in sorted(relations, key=lambda relation: relation.truth.id):
        graph, unknown = _graph(relation, snapshot, usable)
        merged = merged + graph
        truth, sizes = relation.truth, {"pairs": graph.nnz // 2, "unknown_pairs": unknown}
        described.append({"id": truth.id, "name": truth.name, "weight": relation.weight, **sizes})
    linked = np.flatnonzero(np.diff(merged.indptr))
    rows = usable[linked]
    ids = [snapshot.artist_ids[row] for row in rows.tolist()]
    among = merged[linked][:, linked].tocsr()
    back = holdout_artists(ids, config.validation, seed, draw=VALIDATION_DRAW)
    sizes = {"artists": len(ids), "validation": int(back.sum()), "pairs": among.nnz // 2}
    _check(described, sizes, snapshot.id)
    return SimilarityPairs(ids, rows.astype(np.int32), among, back, {**sizes, "relations": described})


def _graph(relation: Relation, snapshot: Snapshot, usable: NDArray[np.int64]) -> tuple[sp.csr_matrix, int]:
    """Return the symmetric graph of a relation among the rows `usable`, and its number of pairs of unknown artists."""
    relevance, n = relation.truth.relevance(snapshot.artist_ids), snapshot.n_artists
    weights = np.full(len(relevance.columns), relation.weight, np.float32)
    graph = sp.csr_matrix((weights, relevance.columns, relevance.indptr), shape=(n, n))
    return graph.maximum(graph.T).tocsr()[usable][:, usable].tocsr(), relevance.unknown_pairs


def _check(relations: Sequence[dict[str, Any]], sizes: dict[str, int], snapshot: str) -> None:
    """Check that every relation has pairs, and that there are artists to learn from and for validation.

    Raises:
        InputError: one has none, or there are too few artists.
    """
    for relation in relations:
        if not relation["pairs"]:
            raise InputError(
                f"pairs {relation['name']}: found 0 pairs among the artists that have a modality in snapshot "
                f"{snapshot}, and {relation['unknown_pairs']} pairs with other artists; wanted at least one: do the "
                f"pairs use the catalog's ids?"
            )
    if sizes["artists"] - sizes["validation"] < _MIN_ARTISTS or not sizes["validation"]:
        raise InputError(
            f"pairs {', '.join(relation['name'] for relation in relations)}: found {sizes['pairs']} pairs among "
            f"{sizes['artists']} artists that have a modality in snapshot {snapshot}, {sizes['validation']} artists "
            f"for validation; wanted at least {_MIN_ARTISTS} artists to learn from and 1 for validation: do the pairs "
            f"use the catalog's ids?"
        )
