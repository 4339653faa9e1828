"""Baselines: linear maps of the modalities, with the same interface as the encoders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from riyl.core.errors import ConfigError
from riyl.core.storage.snapshot import Snapshot
from riyl.core.types import Matrix, Rows, Vector
from riyl.training.cca.blocks import TINY, UnitBlock
from riyl.training.cca.linear import LinearPart
from riyl.training.config import PcaConfig, ProjectionConfig, SingleConfig
from riyl.training.features.holdout import artists_to_fit_on

FILLED_DIM = 200
"""Width of that projection, as in the paper."""


@dataclass(frozen=True)
class FilledProjection:
    """A projection of completed rows, as a part for each modality.

    Attributes:
        parts: by modality (n, d) float32, the projections of its unit rows; zeros where an artist lacks it.
        missing: by modality (d,) float32, the projection of its mean, for artists that lack it.
    """

    parts: Mapping[str, Matrix]
    missing: Mapping[str, Vector]


def fit_filled_projection(snapshot: Snapshot, seed: int) -> FilledProjection:
    """Fit scikit-learn's Gaussian random projection on the concatenated modalities, as the paper describes it.

    Ferraro et al. 2023, footnote 5, name scikit-learn's projection, which does not centre, and fill a missing modality
    with the mean of the artists that have all. Unlike in `fit_baseline`, such a mean is not zero: it is the same part
    of every artist that lacks the modality.

    Raises:
        InputError: fewer than two artists have all modalities and are not held out.
    """
    names = snapshot.modalities_had
    full = artists_to_fit_on(snapshot, names, at_least=2)
    blocks = [_rows(snapshot, name, full, True) for name in names]
    joined = np.concatenate(blocks, axis=1)
    weights = _random(joined, ProjectionConfig(method="random-projection", dim=FILLED_DIM), seed)
    parts: dict[str, Matrix] = {}
    missing: dict[str, Vector] = {}
    split = np.split(weights, np.cumsum([block.shape[1] for block in blocks])[:-1])
    for name, block, of_modality in zip(names, blocks, split, strict=True):
        rows = snapshot.modalities[name].rows
        parts[name] = np.zeros((snapshot.n_artists, weights.shape[1]), np.float32)
        parts[name][rows] = _rows(snapshot, name, rows, True) @ of_modality
        missing[name] = block.mean(axis=0, dtype=np.float64).astype(np.float32) @ of_modality
    return FilledProjection(parts, missing)


def fit_baseline(
    config: PcaConfig | ProjectionConfig | SingleConfig, snapshot: Snapshot, seed: int
) -> dict[str, LinearPart]:
    """Fit a baseline.

    PCA and the random projection work on the concatenation of the modalities that at least one artist has. They are
    fitted on the artists that have all of these and are not held out; the mean of these artists replaces a modality
    that an artist lacks. Both work on centred data here, so the replacement adds nothing: the projection of the
    completed row is the sum of the parts of the modalities that the artist has, and, scaled to unit length, their mean.

    Raises:
        ConfigError: `single` names a modality that the snapshot lacks.
        InputError: fewer than two artists have all modalities and are not held out.
    """
    if isinstance(config, SingleConfig):
        if config.modality not in snapshot.modalities:
            raise ConfigError(f"found no modality {config.modality!r}; wanted one of {', '.join(snapshot.modalities)}")
        width = snapshot.modalities[config.modality].width
        block = UnitBlock(np.arange(width), np.zeros(width, np.float32))
        return {config.modality: LinearPart(width, (block,), np.eye(width, dtype=np.float32))}
    names = snapshot.modalities_had
    full = artists_to_fit_on(snapshot, names, at_least=2)
    blocks = [_rows(snapshot, name, full, config.unit_rows) for name in names]
    joined = np.concatenate(blocks, axis=1)
    mean = joined.mean(axis=0, dtype=np.float64).astype(np.float32)
    weights = _principal(joined, config, seed) if isinstance(config, PcaConfig) else _random(joined, config, seed)
    ends = np.cumsum([b.shape[1] for b in blocks])[:-1]
    split = zip(names, np.split(mean, ends), np.split(weights, ends), strict=True)
    return {name: _part(m, np.ascontiguousarray(w), unit_rows=config.unit_rows) for name, m, w in split}


def _part(mean: Vector, weights: Matrix, *, unit_rows: bool) -> LinearPart:
    return LinearPart(len(mean), (UnitBlock(np.arange(len(mean)), mean, unit_rows=unit_rows),), weights)


def _rows(snapshot: Snapshot, name: str, artists: Rows, unit_rows: bool) -> Matrix:
    modality = snapshot.modalities[name]
    vectors: Matrix = np.array(modality.vectors[np.searchsorted(modality.rows, artists)])
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), TINY) if unit_rows else vectors


def _principal(joined: Matrix, config: PcaConfig, seed: int) -> Matrix:
    # imported here: reading configs must not need scikit-learn
    from sklearn.decomposition import PCA

    pca = PCA(min(config.dim, *joined.shape), random_state=seed).fit(joined)
    return np.asarray(pca.components_.T, np.float32)


def _random(joined: Matrix, config: ProjectionConfig, seed: int) -> Matrix:
    from sklearn.random_projection import GaussianRandomProjection

    projection = GaussianRandomProjection(min(config.dim, *joined.shape), random_state=seed).fit(joined)
    return np.asarray(projection.components_.T, np.float32)
