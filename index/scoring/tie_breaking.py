"""Who comes first among equal scores: by a seeded hash of the id, so that no order of the catalog tells."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from riyl.core.types import ArtistId, Rows

TIE_SEED = 0
"""Of the order in lists of similar artists; the evaluation's own default."""


def tie_break_rank(artist_ids: list[ArtistId], seed: int) -> NDArray[np.int32]:
    """Rank of each artist under a seeded hash of its id: who comes first among equals.

    It depends on the ids and the seed alone: permute the artists and the ranks are permuted with them.

    Returns:
        (n,) int32, a permutation of 0..n-1 where the ids are distinct, as they are in a snapshot.
    """
    digests = [_digest(artist_id, seed) for artist_id in artist_ids]
    ranked = sorted(range(len(artist_ids)), key=lambda i: (digests[i], artist_ids[i]))
    order = np.empty(len(ranked), np.int32)
    order[ranked] = np.arange(len(ranked), dtype=np.int32)
    return order


def tie_keys(artist_ids: Iterable[ArtistId], seed: int = TIE_SEED) -> NDArray[np.uint64]:
    """(n,) uint64 numbers that sort artists as `tie_break_rank` does, whoever else is sorted with them.

    They are the first half of the hash: of 10 million artists two are equal with a chance of 3 in a million.
    """
    return np.array([int.from_bytes(_digest(artist_id, seed)[:8], "big") for artist_id in artist_ids], np.uint64)


def _digest(artist_id: ArtistId, seed: int) -> bytes:
    return blake2b(f"{seed}:{artist_id}".encode(), digest_size=16).digest()


def ordered(
    rows: Rows, scores: NDArray[np.float32], ids_of: Callable[[Rows], list[ArtistId]]
) -> tuple[Rows, NDArray[np.float32]]:
    """Artists and their scores, best first.

    Args:
        rows: (m,) int32.
        scores: (m,) float32.
        ids_of: the ids of some rows; asked where scores are equal.
    """
    order = np.argsort(-scores, kind="stable")
    rows, scores = rows[order], scores[order]
    if np.any(scores[1:] == scores[:-1]):
        order = np.lexsort((tie_break_rank(ids_of(rows), TIE_SEED), -scores))
        rows, scores = rows[order], scores[order]
    return rows, scores
