"""Fit of the score corrections of a version, from its model and snapshot."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from riyl.core.storage.model import Model
from riyl.core.storage.snapshot import Snapshot
from riyl.core.types import Matrix, Rows
from riyl.index.encoding.embed import Embedding, parts_of
from riyl.index.scoring.calibration import MASKED, calibration
from riyl.index.scoring.factors import Patterns
from riyl.index.scoring.popularity import Popularity
from riyl.index.scoring.score import Scoring


def patterns_of(snapshot: Snapshot) -> tuple[list[tuple[str, ...]], Patterns]:
    """Return the sets of modalities that artists have, sorted, and the index of each artist's set."""
    names = sorted(snapshot.modalities)
    has = np.zeros((snapshot.n_artists, len(names)), bool)
    for column, name in enumerate(names):
        has[snapshot.modalities[name].rows, column] = True
    return patterns_among(names, has)


def patterns_among(names: Sequence[str], has: NDArray[np.bool_]) -> tuple[list[tuple[str, ...]], Patterns]:
    """Return the distinct rows of (n, len(names)) `has` as sets of names, sorted, and the index of each row's set."""
    distinct, patterns = np.unique(has, axis=0, return_inverse=True)
    sets = [tuple(name for name, had in zip(names, row, strict=True) if had) for row in distinct.tolist()]
    return sets, patterns.reshape(-1).astype(np.int32)


def fit_scoring(model: Model, snapshot: Snapshot, embedding: Embedding, *, threads: int = 1) -> Scoring:
    """Fit the scoring that the model's card asks for; without corrections where it asks for none.

    Raises:
        MismatchError: see `riyl.index.encoding.embed.parts_of`.
    """
    sets, patterns = patterns_of(snapshot)
    c = fit_calibration(model, snapshot, sets, threads=threads)
    popularity = Popularity.of(snapshot.listeners)
    return Scoring.fit(embedding.vectors, embedding.covered, patterns, c, model.scoring, popularity, threads=threads)


def fit_calibration(model: Model, snapshot: Snapshot, sets: Sequence[tuple[str, ...]], *, threads: int = 1) -> Matrix:
    """Fit the calibration between P sets of modalities, (P, P) float32; zeros where the model's card asks for none.

    Raises:
        MismatchError: see `riyl.index.encoding.embed.parts_of`.
    """
    if not model.scoring.calibration:
        return np.zeros((len(sets), len(sets)), np.float32)
    return calibration(sampled_parts(model, snapshot, threads=threads), sets, model.scoring, threads=threads)


def sampled_parts(model: Model, snapshot: Snapshot, *, seed: int = 0, threads: int = 1) -> dict[str, Matrix]:
    """Return parts of the artists with the most modalities, drawn at random among equals, for `calibration`.

    Returns:
        By modality (m, dim) float32, zeros where an artist has no such part; m is at most twice `MASKED`.
    """
    names = [name for name in model.parts if name in snapshot.modalities]
    counts = np.zeros(snapshot.n_artists, np.int32)
    for name in names:
        counts[snapshot.modalities[name].rows] += 1
    rows = best_known(counts, seed=seed)
    parts = {}
    for name in names:
        modality_rows = snapshot.modalities[name].rows
        parts[name] = np.zeros((len(rows), model.dim), np.float32)
        has = np.isin(rows, modality_rows)
        at = np.searchsorted(modality_rows, rows[has])
        parts[name][has] = parts_of(model, snapshot, name, at=at, threads=threads)
    return parts


def best_known(counts: NDArray[np.integer], *, seed: int = 0) -> Rows:
    """Return the rows with the highest counts, drawn at random among equals; at most twice `MASKED`."""
    drawn = np.random.default_rng(seed).permutation(len(counts))
    return drawn[np.argsort(-counts[drawn], kind="stable")][: 2 * MASKED].astype(np.int32)
