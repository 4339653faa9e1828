"""Tie-breaking among equal scores by a seeded hash of the artist id, independent of the order of the catalog."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from riyl.core.types import ArtistId, Rows

TIE_SEED = 0
"""Seed of the tie-break rank in lists of similar artists; also the default of evaluations."""


def tie_break_rank(artist_ids: list[ArtistId], seed: int) -> NDArray[np.int32]:
    """Return the rank of each artist by a seeded hash of its id; of equal scores, the lowest rank comes first.

    The ranks depend only on ids and seed: a permutation of the artists permutes the ranks with them.

    Returns:
        (n,) int32, a permutation of 0..n-1 where the ids are distinct, as they are in a snapshot.
    """
    digests = [_digest(artist_id, seed) for artist_id in artist_ids]
    ranked = sorted(range(len(artist_ids)), key=lambda i: (digests[i], artist_ids[i]))
    order = np.empty(len(ranked), np.int32)
    order[ranked] = np.arange(len(ranked), dtype=np.int32)
    return order


def tie_keys(artist_ids: Iterable[ArtistId], seed: int = TIE_SEED) -> NDArray[np.uint64]:
    """Return keys that sort artists as `tie_break_rank` does, independent of the other artists, (n,) uint64.

    A key is the first half of the hash: among 10 million artists, two are equal with a probability of 3 in a million.
    """
    return np.array([int.from_bytes(_digest(artist_id, seed)[:8], "big") for artist_id in artist_ids], np.uint64)


def _digest(artist_id: ArtistId, seed: int) -> bytes:
    return blake2b(f"{seed}:{artist_id}".encode(), digest_size=16).digest()


def ordered(
    rows: Rows, scores: NDArray[np.float32], ids_of: Callable[[Rows], list[ArtistId]]
) -> tuple[Rows, NDArray[np.float32]]:
    """Sort artists and their scores, best first.

    Args:
        rows: (m,) int32.
        scores: (m,) float32.
        ids_of: returns the ids of rows; called only where scores are equal.
    """
    order = np.argsort(-scores, kind="stable")
    rows, scores = rows[order], scores[order]
    if np.any(scores[1:] == scores[:-1]):
        order = np.lexsort((tie_break_rank(ids_of(rows), TIE_SEED), -scores))
        rows, scores = rows[order], scores[order]
    return rows, scores
