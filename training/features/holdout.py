"""Held-out artists: featurizer, encoders and baselines are fitted without them, and featurize them like new artists."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np

from riyl.core.errors import InputError
from riyl.core.storage.snapshot import Snapshot
from riyl.core.types import ArtistId, Mask, Rows

HOLDOUT_DRAW = "held out"
"""Prefix of the hashed text that decides which artists are held out. Frozen: every figure depends on it."""


def holdout_artists(artist_ids: list[ArtistId], share: float, seed: int, *, draw: str = HOLDOUT_DRAW) -> Mask:
    """Choose held-out artists: those whose hash of seed and id is in the lowest `share` of all values of the hash.

    Each artist is chosen by itself, independently of the other artists of the catalog, and a larger share holds out the
    same artists and more. The number of held-out artists among n is binomial: n draws of probability `share`.

    Args:
        artist_ids: the n artists to choose among.
        share: share of all values of the hash.
        seed: seed of the hash.
        draw: prefix of the hashed text; draws with different prefixes are independent.

    Returns:
        (n,) bool, true for held-out artists.
    """
    below = round(share * 2**64)
    digests = (blake2b(f"{draw}:{seed}:{artist_id}".encode(), digest_size=8).digest() for artist_id in artist_ids)
    return np.array([int.from_bytes(digest, "big") < below for digest in digests], bool)


def artists_to_fit_on(snapshot: Snapshot, modalities: list[str], *, at_least: int) -> Rows:
    """Return the rows of the artists that have all the modalities and are not held out.

    Raises:
        InputError: there are fewer than `at_least`.
    """
    full, holdout = snapshot.having(modalities), snapshot.holdout
    rows = np.flatnonzero(full & ~holdout).astype(np.int32)
    if len(rows) < at_least:
        besides = f", and {np.count_nonzero(full & holdout)} more that are held out" if holdout.any() else ""
        raise InputError(
            f"found {len(rows)} artists that have all of {', '.join(modalities)}{besides}; "
            f"wanted at least {at_least} to fit on"
        )
    return rows
