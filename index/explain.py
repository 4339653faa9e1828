"""Why an artist answers a query: its score in shares that add up, and the terms that it has in common with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.types import Vector
from index.artists import Terms
from index.live import Live
from index.query import Query

COMMON = 10
"""Terms in common that are named."""


@dataclass(frozen=True)
class Share:
    """What one modality of what was asked with and one of the artist add to the score."""

    asked: str
    found: str
    share: float


@dataclass(frozen=True)
class Common:
    """A term that both have, with its weight: of those asked with the mean, by their shares."""

    term: str
    asked: float
    found: float


@dataclass(frozen=True)
class Reasons:
    """Why an artist scores as it does: pairs, hubness, calibration and popularity add up to the score.

    Attributes:
        pairs: by two modalities, the largest first; the seeds' shares add up to the same.
        hubness: -h of the artist.
        calibration: c.
        popularity: what was asked to be added for it.
        seeds: of each term of the query, those to be avoided behind the others.
        common: by modality that is made of terms, those that both have, the weightiest first.
    """

    pairs: tuple[Share, ...]
    hubness: float
    calibration: float
    popularity: float
    seeds: tuple[float, ...]
    common: Mapping[str, tuple[Common, ...]]


def explain(live: Live, query: Query, rows: NDArray[np.integer]) -> list[Reasons]:
    """The reasons of some artists with an embedding, in their order.

    Args:
        query: whose terms have their parts.

    Raises:
        OutdatedError: the version is of format 1, which holds no parts.
    """
    terms = [*query.terms, *query.against]
    asked: dict[str, NDArray[np.float64]] = {}
    for share, term in zip(query.shares, terms, strict=True):
        for name, part in term.parts.items():
            asked[name] = asked.get(name, 0) + share * part.astype(np.float64)
    sets = _asked_sets(live, query)
    found = []
    for row in rows.tolist():
        own = parts_of_artist(live, row)
        pairs = [
            Share(name, other, float(vector @ part.astype(np.float64)))
            for name, vector in asked.items()
            for other, part in own.items()
        ]
        embedding = live.embeddings.at(row).astype(np.float64)
        found.append(
            Reasons(
                tuple(sorted(pairs, key=lambda pair: -pair.share)),
                0.0 if query.raw else -float(live.h.at(row)),
                0.0 if query.raw else float(query.calibration[live.patterns_of.at(row)]),
                query.popularity * float(live.popularity.at(row)),
                tuple(share * float(term.vector @ embedding) for share, term in zip(query.shares, terms, strict=True)),
                {name: _common(live, name, weights, row) for name, weights in sets.items()},
            )
        )
    return found


def parts_of_artist(live: Live, row: int) -> Mapping[str, Vector]:
    """By modality (d,), adding up to the artist's embedding.

    Raises:
        OutdatedError: the version is of format 1, which holds no parts; so does `terms_of_artist`.
    """
    parts = live.version.parts
    if row >= live.first:
        return live.artist(row).parts
    found = {name: own.of(row) for name, own in parts.items()}
    return {name: part for name, part in found.items() if part is not None}


def evidence_of(live: Live, row: int) -> Mapping[str, int]:
    """By modality that the artist has, how many tags, listeners or tracks it rests on.

    Raises:
        OutdatedError: the version is of format 1, which does not hold it.
    """
    evidence = live.version.evidence
    if row >= live.first:
        return live.artist(row).evidence
    return {name: int(counts[row]) for name, counts in evidence.items() if counts[row]}


def terms_of_artist(live: Live, row: int) -> Mapping[str, Terms]:
    """By modality that is made of terms, those of the artist; empty where it has none."""
    sets = live.version.sets
    if row >= live.first:
        return live.artist(row).sets
    return {
        name: (own.terms[own.indptr[row] : own.indptr[row + 1]], own.weights[own.indptr[row] : own.indptr[row + 1]])
        for name, own in sets.items()
    }


def _asked_sets(live: Live, query: Query) -> dict[str, dict[int, float]]:
    """By modality, the weights of the terms of what is asked with, by their place in the vocabulary."""
    found: dict[str, dict[int, float]] = {}
    whole = sum(term.weight for term in query.terms)
    for name in live.version.sets:
        weights = found.setdefault(name, {})
        places: Mapping[str, int] | None = None
        for term in query.terms:
            given: Iterable[tuple[int, float]] = ()
            if term.row is not None:
                given = _pairs(terms_of_artist(live, term.row).get(name))
            elif words := term.terms.get(name):
                places = places or {word: i for i, word in enumerate(live.version.terms(name).to_pylist())}
                given = [(places[word], weight) for word, weight in words.items() if word in places]
            for place, weight in given:
                weights[place] = weights.get(place, 0.0) + term.weight / whole * weight
    return found


def _common(live: Live, name: str, asked: Mapping[int, float], row: int) -> tuple[Common, ...]:
    own = _pairs(terms_of_artist(live, row).get(name))
    both = [(place, asked[place], weight) for place, weight in own if place in asked]
    both.sort(key=lambda b: (-np.log1p(b[1]) * np.log1p(b[2]), b[0]))
    words = live.version.terms(name)
    return tuple(Common(words[place].as_py(), a, w) for place, a, w in both[:COMMON])


def _pairs(terms: Terms | None) -> Iterable[tuple[int, float]]:
    return () if terms is None else zip(terms[0].tolist(), terms[1].tolist(), strict=True)
