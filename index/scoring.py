"""The score: how well y answers x, `<e_x, e_y> - h(y) + c(pattern of x, pattern of y)`; nothing else knows it.

h is hubness: an artist that scores high for everybody comes up everywhere. With s the score without it,

    h(y) = b mean of s(x, y) over the k artists x that y scores highest for - w p(y)

The mean is the candidate's side of CSLS (Conneau et al., ICLR 2018), b = 1/2 there; the query's side moves no ranks. p
is the rank by distinct listeners (`index.query.popularity_of`): of two that are near equally many, the one that many
listen to is so for a reason. Where what is known of artists is masked on purpose, so are their listeners: w is 0 there.

c is calibration: artists known by the same modalities look more alike than they are, and those known by few have
scores of another spread. Let t(p, q) be what the best share of candidates reaches on average where the query is known
by the modalities p and the candidates by q, the same artists on all sides, masked on purpose:

    c(p, q) = g (mean over q' of t(p, q') - t(p, q))

As the artists are the same, c takes out what masking alone does to scores, and not that artists of whom much is known
differ from the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from core.model import NO_SCORING, ScoringSettings
from core.types import Mask, Matrix, Rows, Scores

Patterns: TypeAlias = NDArray[np.int32]
"""(n,) int32, which of a version's availability patterns (sets of modalities) each artist has."""

QUERIES = 20_000
"""Artists whose lists h is measured in, drawn at random where there are more: linear work, whatever the catalog."""

MASKED = 1000
"""Artists that are masked on purpose for each two patterns."""

BESIDE = 0.1
"""Scale of popularity and pattern in `Scoring.stored`, whose inverse they are asked with. Without it they would tell
artists further apart than the embedding does, and those who answer one question would not be near each other."""

_CELLS = 1 << 23
_FEWEST_MASKED = 32
_FEWEST_NEAREST = 10


@dataclass(frozen=True)
class Scoring:
    """The corrections of a version.

    Attributes:
        h: (n,) float32, hubness: what an artist's scores are lowered by for being near everybody.
        c: (P, P) float32, calibration: what is added where x has pattern i and y pattern j.
        settings: how they were fitted.
        popularity: (n,) float32 -1 to 1, that h was fitted with; None where it was without.
    """

    h: NDArray[np.float32]
    c: Matrix
    settings: ScoringSettings = NO_SCORING
    popularity: NDArray[np.float32] | None = None

    @staticmethod
    def none(n: int, patterns: int) -> Scoring:
        """No correction, as in the paper: the score is the cosine."""
        return Scoring(np.zeros(n, np.float32), np.zeros((patterns, patterns), np.float32))

    @staticmethod
    def fit(
        vectors: Matrix,
        known: Mask,
        patterns: Patterns,
        c: Matrix,
        settings: ScoringSettings,
        popularity: NDArray[np.float32] | None = None,
        *,
        threads: int = 0,
    ) -> Scoring:
        """The scoring of a catalog.

        Args:
            vectors: (n, d) float32 unit rows, zeros where not known.
            known: (n,) bool.
            patterns: (n,) int32.
            c: (P, P), see `calibration`.
            popularity: (n,) -1 to 1; None where it is not known.
            threads: of the matrix products; 0 takes every core.
        """
        rows = np.flatnonzero(known)
        popular = None if popularity is None else popularity[rows]
        h = hubness(vectors[rows], patterns[rows], c, settings, popular, threads=threads)
        spread = np.full(len(known), h.min(initial=np.inf) if len(h) else 0, np.float32)
        spread[rows] = h
        return Scoring(spread, c, settings, popularity)

    def save(self, folder: Path) -> None:
        np.save(folder / "h.npy", self.h)
        np.save(folder / "c.npy", self.c)

    @staticmethod
    def load(folder: Path, settings: ScoringSettings, popularity: NDArray[np.float32]) -> Scoring:
        h, c = (np.load(folder / f"{name}.npy", allow_pickle=False) for name in ("h", "c"))
        return Scoring(h, c, settings, popularity)

    @property
    def corrects(self) -> bool:
        """Whether scores differ from cosines at all."""
        return bool(self.h.any() or self.c.any())

    def factors(self, vectors: Matrix, patterns: Patterns) -> tuple[Matrix, Matrix]:
        """Two matrices whose inner products are the scores, for exact search.

        Args:
            vectors: (n, d) float32 unit rows.
            patterns: (n,) int32.

        Returns:
            Queries and candidates, (n, d + 1 + P) float32; without corrections `vectors` itself, twice.
        """
        return _factors(vectors, patterns, self.h, self.c) if self.corrects else (vectors, vectors)

    def among(
        self, vectors: Matrix, known: Mask, patterns: Patterns, rows: Rows, *, threads: int = 0
    ) -> tuple[Matrix, Matrix]:
        """`factors` of some artists, known ones, that alone ask and can be found: h is measured among them anew.

        Who comes up everywhere depends on who is there. Where `rows` are all known artists, h stays as it is.
        """
        if len(rows) == np.count_nonzero(known) or not self.corrects:
            queries, candidates = self.factors(vectors, patterns)
            asked = queries[rows]
            return asked, asked if candidates is queries else candidates[rows]
        popular = None if self.popularity is None else self.popularity[rows]
        h = hubness(vectors[rows], patterns[rows], self.c, self.settings, popular, threads=threads)
        return _factors(vectors[rows], patterns[rows], h, self.c)

    def stored(self, vectors: Matrix, patterns: Patterns, popularity: NDArray[np.float32]) -> Matrix:
        """(n, d + 3 + P) float32 [e_y, sqrt(2 (h_y - min h)), b p_y, b sqrt(1 - p_y^2), b at y's pattern], b `BESIDE`.

        By L2 to `asked` they stand in order of score with any weight of popularity p_y in it:

            |asked - stored(y)|^2 = |asked|^2 + 1 + 2 b^2 - 2 min h - 2 (<q, e_y> - h_y + c + w p_y)

        for unit vectors: a true metric, so graphs and cells work too. Without c, (n, d + 3) and one b^2: the patterns
        are left out.

        Args:
            popularity: (n,) -1 to 1.
        """
        hub = np.sqrt(2 * (self.h - self.h.min(initial=np.inf)))
        beside = np.stack([hub, BESIDE * popularity, BESIDE * np.sqrt(1 - popularity**2)], axis=1).astype(np.float32)
        return np.hstack([vectors, beside, *([np.float32(BESIDE) * _has(patterns, self.c)] if self.c.any() else [])])

    def asked(self, vectors: Matrix, calibrations: Matrix, popularity: float = 0.0) -> Matrix:
        """(q, d + 3 + P) float32 [q, 0, w / b, 0, c / b], b `BESIDE`: what `stored` is asked with.

        Args:
            calibrations: (q, P) what is added by the candidate's pattern: rows of `c`, or means of them.
            popularity: w, what p_y weighs.
        """
        beside = np.tile(np.array([0, popularity / BESIDE, 0], np.float32), (len(vectors), 1))
        return np.hstack([vectors, beside, *([calibrations / np.float32(BESIDE)] if self.c.any() else [])])


def scored(cosines: Scores, c: NDArray[np.float32], h: NDArray[np.float32] | np.float32) -> NDArray[np.float32]:
    """(m,) float32 scores of m pairs, from their cosines in float64, c of their patterns and h of who answers."""
    return np.asarray(cosines + (c.astype(np.float64) - h), np.float32)


def hubness(
    vectors: Matrix,
    patterns: Patterns,
    c: Matrix,
    settings: ScoringSettings,
    popularity: NDArray[np.float32] | None = None,
    *,
    seed: int = 0,
    threads: int = 0,
) -> NDArray[np.float32]:
    """(m,) float32 h of m artists among themselves; without b, -w p alone, and zeros where there is nobody else.

    Measured in the lists of all of them, or of `QUERIES` drawn at random, and then over as many fewer of the best.
    """
    m = len(vectors)
    if m < 2:
        return np.zeros(m, np.float32)
    relief = settings.popularity * (np.zeros(m) if popularity is None else popularity.astype(np.float64))
    if not settings.hubness:
        return (-relief).astype(np.float32)
    drawn, k = measured_in(m, settings, seed=seed)
    k = min(k, len(drawn) - 1)
    queries, candidates = _factors(vectors, patterns, np.zeros(m, np.float32), c)
    means = np.empty(m, np.float64)
    step = max(1, _CELLS // len(drawn))
    with threadpool_limits(limits=threads or None):
        for start in range(0, m, step):
            scores = candidates[start : start + step] @ queries[drawn].T  # (a, len(drawn))
            own, column = np.nonzero(drawn == np.arange(start, start + len(scores))[:, None])
            scores[own, column] = -np.inf
            best = np.partition(scores, len(drawn) - k, axis=1)[:, len(drawn) - k :]
            means[start : start + step] = np.sort(best, axis=1).mean(axis=1, dtype=np.float64)
    return (settings.hubness * means - relief).astype(np.float32)


def measured_in(m: int, settings: ScoringSettings, *, seed: int = 0) -> tuple[NDArray[np.int64], int]:
    """Whose lists the hubness of m artists is measured in, ascending, and over how many of the best scores there."""
    drawn = np.sort(np.random.default_rng(seed).permutation(m)[:QUERIES])
    nearest = round(settings.neighbours * len(drawn) / m) if len(drawn) < m else settings.neighbours
    return drawn, max(nearest, _FEWEST_NEAREST)


def calibration(
    parts: Mapping[str, Matrix], subsets: Sequence[tuple[str, ...]], settings: ScoringSettings, *, threads: int = 0
) -> Matrix:
    """(P, P) float32 c between the patterns `subsets`.

    Args:
        parts: by modality (m, d) float32 of some artists, zeros where one has no such part.
        subsets: the sets of modalities; those that a model has no parts of are passed over.
        threads: of the matrix products; 0 takes every core.

    Returns:
        0 for two patterns of which fewer than 32 of the artists have all modalities: nothing tells.
    """
    tails = np.full((len(subsets), len(subsets)), np.nan)
    if settings.calibration:
        has = {name: np.any(part != 0, axis=1) for name, part in parts.items()}
        with threadpool_limits(limits=threads or None):
            for i, p in enumerate(subsets):
                for j, q in enumerate(subsets[: i + 1]):
                    tails[i, j], tails[j, i] = _tails(parts, has, p, q, settings.tail)
    told = ~np.isnan(tails)
    means = np.where(told, tails, 0).sum(axis=1) / np.maximum(told.sum(axis=1), 1)
    return np.where(told, settings.calibration * (means[:, None] - tails), 0).astype(np.float32)


def _tails(
    parts: Mapping[str, Matrix], has: Mapping[str, Mask], p: tuple[str, ...], q: tuple[str, ...], tail: float
) -> tuple[float, float]:
    """t(p, q) and t(q, p); NaN where too few artists tell."""
    first, second = [m for m in p if m in parts], [m for m in q if m in parts]
    if not first or not second:
        return np.nan, np.nan
    rows = np.flatnonzero(np.all([has[m] for m in {*first, *second}], axis=0))[:MASKED]
    if len(rows) < _FEWEST_MASKED:
        return np.nan, np.nan
    scores = _fused(parts, first, rows) @ _fused(parts, second, rows).T
    np.fill_diagonal(scores, -np.inf)
    place = max(1, round(tail * len(rows))) - 1
    there, back = (float(np.mean(-np.partition(-s, place, axis=1)[:, place])) for s in (scores, scores.T))
    return there, back


def _fused(parts: Mapping[str, Matrix], names: Sequence[str], rows: NDArray[np.int64]) -> Matrix:
    sums = np.sum([parts[name][rows] for name in names], axis=0, dtype=np.float32)
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    return np.asarray(sums / np.maximum(lengths, np.finfo(np.float32).tiny), np.float32)


def _factors(vectors: Matrix, patterns: Patterns, h: NDArray[np.float32], c: Matrix) -> tuple[Matrix, Matrix]:
    ones = np.ones((len(vectors), 1), np.float32)
    return np.hstack([vectors, ones, c[patterns]]), np.hstack([vectors, -h[:, None], _has(patterns, c)])


def _has(patterns: Patterns, c: Matrix) -> Matrix:
    """(n, P) 1 at each artist's pattern."""
    return np.eye(len(c), dtype=np.float32)[patterns]
