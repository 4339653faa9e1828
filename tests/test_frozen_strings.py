"""Strings and orders that are hashed or seed a generator: they decide which artists are drawn, and every figure.

The expected values were computed by hand from the definitions, with hashlib alone.
"""

from __future__ import annotations

import hashlib

from riyl.index.scoring.tie_breaking import TIE_SEED, tie_break_rank
from riyl.training.cca.supervision import VALIDATION_DRAW
from riyl.training.features.holdout import HOLDOUT_DRAW, holdout_artists

IDS = [f"artist-{i}" for i in range(12)]


def share_of(text: str) -> float:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") / 2**64


def test_the_names_of_the_draws_are_what_they_were() -> None:
    assert (HOLDOUT_DRAW, VALIDATION_DRAW, TIE_SEED) == ("held out", "kept back of links", 0)


def test_the_artists_held_out_are_those_of_the_hash() -> None:
    expected = [share_of(f"held out:7:{artist}") < 0.5 for artist in IDS]
    assert holdout_artists(IDS, 0.5, 7).tolist() == expected
    expected = [share_of(f"kept back of links:7:{artist}") < 0.5 for artist in IDS]
    assert holdout_artists(IDS, 0.5, 7, draw=VALIDATION_DRAW).tolist() == expected


def test_equal_scores_stand_in_the_order_of_the_hash() -> None:
    digests = {artist: hashlib.blake2b(f"3:{artist}".encode(), digest_size=16).digest() for artist in IDS}
    order = sorted(IDS, key=lambda artist: digests[artist])
    assert tie_break_rank(IDS, 3).tolist() == [order.index(artist) for artist in IDS]
