"""Explanation of a result: its score in shares that add up, and the terms that it has in common with the query."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riyl.index.overlay.artist_parts import parts_of_artist, terms_of_artist
from riyl.index.overlay.artists import Terms
from riyl.index.overlay.overlay import VersionOverlay
from riyl.index.search.query import Query

COMMON = 10
"""Maximum number of common terms in an explanation, per modality."""


@dataclass(frozen=True)
class Share:
    """Share of the score from one modality of the query (`asked`) and one of the artist (`found`)."""

    asked: str
    found: str
    share: float


@dataclass(frozen=True)
class Common:
    """A term that query and artist have in common, with its weights: for the query, the mean weighted by seed."""

    term: str
    asked: float
    found: float


@dataclass(frozen=True)
class Reasons:
    """Terms of an artist's score: pairs, hubness, calibration and popularity add up to the score.

    Attributes:
        pairs: shares by pair of modalities, the largest first; they add up to the same sum as `seeds`.
        hubness: -h of the artist; 0 for an uncorrected query.
        calibration: c.
        popularity: addition for popularity that the query asks for.
        seeds: share of each seed of the query, followed by those of the seeds to avoid.
        common: by modality that is made of terms, the common terms, the weightiest first.
    """

    pairs: tuple[Share, ...]
    hubness: float
    calibration: float
    popularity: float
    seeds: tuple[float, ...]
    common: Mapping[str, tuple[Common, ...]]


def explain(overlay: VersionOverlay, query: Query, rows: NDArray[np.integer]) -> list[Reasons]:
    """Explain the scores of artists with an embedding, in the order of `rows`; the query's terms need their parts."""
    terms = [*query.terms, *query.avoid]
    query_parts: dict[str, NDArray[np.float64]] = {}
    for share, term in zip(query.shares, terms, strict=True):
        for name, part in term.parts.items():
            query_parts[name] = query_parts.get(name, 0) + share * part.astype(np.float64)
    sets = _asked_sets(overlay, query)
    reasons = []
    corrections = np.broadcast_arrays(rows, *query.corrections(overlay, rows))
    for row, c, h, _ in zip(*(values.tolist() for values in corrections), strict=True):
        artist_parts = parts_of_artist(overlay, row)
        pairs = [
            Share(name, other, float(vector @ part.astype(np.float64)))
            for name, vector in query_parts.items()
            for other, part in artist_parts.items()
        ]
        embedding = overlay.embeddings.at(row).astype(np.float64)
        reasons.append(
            Reasons(
                tuple(sorted(pairs, key=lambda pair: -pair.share)),
                0.0 if query.uncorrected else -h,
                c,
                query.popularity * float(overlay.popularity.at(row)),
                tuple(share * float(term.vector @ embedding) for share, term in zip(query.shares, terms, strict=True)),
                {name: _common(overlay, name, weights, row) for name, weights in sets.items()},
            )
        )
    return reasons


def _asked_sets(overlay: VersionOverlay, query: Query) -> dict[str, dict[int, float]]:
    """Return the weights of the seeds' terms by modality and by position in the vocabulary."""
    sets: dict[str, dict[int, float]] = {}
    total_weight = sum(term.weight for term in query.terms)
    for name in overlay.version.sets:
        weights = sets.setdefault(name, {})
        places: Mapping[str, int] | None = None
        for term in query.terms:
            term_weights: Iterable[tuple[int, float]] = ()
            if term.row is not None:
                term_weights = _pairs(terms_of_artist(overlay, term.row).get(name))
            elif words := term.terms.get(name):
                places = places or {word: i for i, word in enumerate(overlay.version.terms(name).to_pylist())}
                term_weights = [(places[word], weight) for word, weight in words.items() if word in places]
            for position, weight in term_weights:
                weights[position] = weights.get(position, 0.0) + term.weight / total_weight * weight
    return sets


def _common(overlay: VersionOverlay, name: str, query_weights: Mapping[int, float], row: int) -> tuple[Common, ...]:
    artist_weights = _pairs(terms_of_artist(overlay, row).get(name))
    both = [
        (position, query_weights[position], weight) for position, weight in artist_weights if position in query_weights
    ]
    both.sort(key=lambda b: (-np.log1p(b[1]) * np.log1p(b[2]), b[0]))
    words = overlay.version.terms(name)
    return tuple(Common(words[position].as_py(), a, w) for position, a, w in both[:COMMON])


def _pairs(terms: Terms | None) -> Iterable[tuple[int, float]]:
    return () if terms is None else zip(terms[0].tolist(), terms[1].tolist(), strict=True)
