"""Why an artist answers a query: its score in shares that add up, and the terms that it has in common with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.types import Vector
from index.artifact import Version
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


def explain(
    version: Version, query: Query, rows: NDArray[np.integer], popularity: NDArray[np.float32]
) -> list[Reasons]:
    """The reasons of some artists with an embedding, in their order.

    Args:
        query: whose terms have their parts.
        popularity: (n,) -1 to 1, see `index.query.popularity_of`.

    Raises:
        OutdatedError: the version is of format 1, which holds no parts.
    """
    terms = [*query.terms, *query.against]
    asked: dict[str, NDArray[np.float64]] = {}
    for share, term in zip(query.shares, terms, strict=True):
        for name, part in term.parts.items():
            asked[name] = asked.get(name, 0) + share * part.astype(np.float64)
    sets = _asked_sets(version, query)
    found = []
    for row in rows.tolist():
        own = parts_of_artist(version, row)
        pairs = [
            Share(name, other, float(vector @ part.astype(np.float64)))
            for name, vector in asked.items()
            for other, part in own.items()
        ]
        embedding = version.embeddings[row].astype(np.float64)
        found.append(
            Reasons(
                tuple(sorted(pairs, key=lambda pair: -pair.share)),
                0.0 if query.raw else -float(version.scoring.h[row]),
                0.0 if query.raw else float(query.calibration[version.patterns[row]]),
                query.popularity * float(popularity[row]),
                tuple(share * float(term.vector @ embedding) for share, term in zip(query.shares, terms, strict=True)),
                {name: _common(version, name, weights, row) for name, weights in sets.items()},
            )
        )
    return found


def parts_of_artist(version: Version, row: int) -> dict[str, Vector]:
    """By modality (d,), adding up to the artist's embedding.

    Raises:
        OutdatedError: the version is of format 1, which holds no parts.
    """
    found = {name: parts.of(row) for name, parts in version.parts.items()}
    return {name: part for name, part in found.items() if part is not None}


def evidence_of(version: Version, row: int) -> dict[str, int]:
    """By modality that the artist has, how many tags, listeners or tracks it rests on.

    Raises:
        OutdatedError: the version is of format 1, which does not hold it.
    """
    return {name: int(counts[row]) for name, counts in version.evidence.items() if counts[row]}


def _asked_sets(version: Version, query: Query) -> dict[str, dict[int, float]]:
    """By modality, the weights of the terms of what is asked with, by their place in the vocabulary."""
    found: dict[str, dict[int, float]] = {}
    whole = sum(term.weight for term in query.terms)
    for name, sets in version.sets.items():
        weights = found.setdefault(name, {})
        places: Mapping[str, int] | None = None
        for term in query.terms:
            if term.row is not None:
                entry = slice(sets.indptr[term.row], sets.indptr[term.row + 1])
                given: Sequence[tuple[int, float]] = list(
                    zip(sets.terms[entry].tolist(), sets.weights[entry].tolist(), strict=True)
                )
            elif words := term.terms.get(name):
                places = places or {word: i for i, word in enumerate(version.terms(name).to_pylist())}
                given = [(places[word], weight) for word, weight in words.items() if word in places]
            else:
                given = []
            for place, weight in given:
                weights[place] = weights.get(place, 0.0) + term.weight / whole * weight
    return found


def _common(version: Version, name: str, asked: Mapping[int, float], row: int) -> tuple[Common, ...]:
    sets = version.sets[name]
    entry = slice(sets.indptr[row], sets.indptr[row + 1])
    both = [
        (place, asked[place], weight)
        for place, weight in zip(sets.terms[entry].tolist(), sets.weights[entry].tolist(), strict=True)
        if place in asked
    ]
    both.sort(key=lambda b: (-np.log1p(b[1]) * np.log1p(b[2]), b[0]))
    words = version.terms(name)
    return tuple(Common(words[place].as_py(), a, w) for place, a, w in both[:COMMON])
