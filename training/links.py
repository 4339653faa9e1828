"""Links between artists that are known to be similar, as a snapshot's artists have them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from core.errors import InputError
from core.snapshot import Snapshot
from core.truth import Truth
from core.types import ArtistId, Rows
from training.config import LinksConfig
from training.features.heldout import held_out_artists

_FEWEST = 20
"""Artists to learn from."""

KEPT_BACK = "kept back of links"
"""What the artists are drawn for."""


@dataclass(frozen=True)
class Links:
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


def read_links(truth: Truth, snapshot: Snapshot, config: LinksConfig, seed: int) -> Links:
    """The pairs of a truth among the artists of a snapshot that are known and not held out.

    Directed pairs count both ways: being similar is learnt as a symmetric thing.

    Args:
        config: says how many are kept back.
        seed: of who that is; the same artists whatever else is in the catalog.

    Raises:
        InputError: fewer than 20 artists are left to learn from, or none that is kept back.
    """
    known = truth.relevance(snapshot.artist_ids)
    n = snapshot.n_artists
    graph = sp.csr_matrix((np.ones(len(known.columns), np.float32), known.columns, known.indptr), shape=(n, n))
    graph = graph.maximum(graph.T).tocsr()
    usable = np.flatnonzero(snapshot.having() & ~snapshot.held_out)
    linked = usable[np.diff(graph[usable][:, usable].indptr) > 0]
    ids = [snapshot.artist_ids[row] for row in linked.tolist()]
    among = graph[linked][:, linked].tocsr()
    back = held_out_artists(ids, config.held_back, seed, what=KEPT_BACK)
    found = {"artists": len(ids), "kept_back": int(back.sum()), "pairs": among.nnz // 2}
    counts = {**found, "unknown_pairs": known.unknown_pairs}
    if found["artists"] - found["kept_back"] < _FEWEST or not found["kept_back"]:
        raise InputError(
            f"links {truth.name}: found {found['pairs']} pairs among {found['artists']} artists that snapshot "
            f"{snapshot.id} knows something of, {found['kept_back']} of them kept back, and {known.unknown_pairs} "
            f"pairs with others; wanted {_FEWEST} artists to learn from and one kept back: are the ids its own?"
        )
    return Links(ids, linked.astype(np.int32), among, back, counts)
