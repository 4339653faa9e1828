"""Artists held out of a fit: featurizer, encoders and baselines never see them, and they are placed like any new
artist."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np

from riyl.core.errors import InputError
from riyl.core.storage.snapshot import Snapshot
from riyl.core.types import ArtistId, Mask, Rows

HOLDOUT_DRAW = "held out"
"""Prefix of the hashed text that decides which artists are held out. Frozen: every figure depends on it."""


def holdout_artists(artist_ids: list[ArtistId], share: float, seed: int, *, draw: str = HOLDOUT_DRAW) -> Mask:
    """Who is held out: an artist whose hash of seed and id is in the lowest `share` of all values of the hash.

    Each is judged by itself, so who else is in the catalog changes nothing for it, and a larger share holds out the
    same artists and more. How many of n it is varies as n coins of chance `share` do.

    Args:
        artist_ids: (n,) whom it is asked of.
        share: of all values of the hash.
        seed: of the hash.
        draw: prefix of the hashed text; draws with different prefixes are independent.

    Returns:
        (n,) bool.
    """
    below = round(share * 2**64)
    digests = (blake2b(f"{draw}:{seed}:{artist_id}".encode(), digest_size=8).digest() for artist_id in artist_ids)
    return np.array([int.from_bytes(digest, "big") < below for digest in digests], bool)


def artists_to_fit_on(snapshot: Snapshot, modalities: list[str], *, at_least: int) -> Rows:
    """The artists that have all the modalities and are not held out.

    Raises:
        InputError: they are fewer than `at_least`.
    """
    full, holdout = snapshot.having(modalities), snapshot.holdout
    rows = np.flatnonzero(full & ~holdout).astype(np.int32)
    if len(rows) < at_least:
        besides = f", besides {np.count_nonzero(full & holdout)} that are held out" if holdout.any() else ""
        raise InputError(
            f"found {len(rows)} artists that have {', '.join(modalities)} all{besides}; "
            f"wanted at least {at_least} to fit on"
        )
    return rows
