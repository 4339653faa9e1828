"""Baselines: linear maps of the modalities, with the same interface as the encoders."""

from __future__ import annotations

import numpy as np

from riyl.core.errors import ConfigError
from riyl.core.storage.snapshot import Snapshot
from riyl.core.types import Matrix, Rows
from riyl.training.cca.linear import TINY, LinearPart
from riyl.training.config import PcaConfig, ProjectionConfig, SingleConfig
from riyl.training.features.holdout import artists_to_fit_on


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
        return {config.modality: LinearPart(True, np.zeros(width, np.float32), np.eye(width, dtype=np.float32))}
    names = snapshot.modalities_had
    full = artists_to_fit_on(snapshot, names, at_least=2)
    blocks = [_rows(snapshot, name, full, config.unit_rows) for name in names]
    joined = np.concatenate(blocks, axis=1)
    mean = joined.mean(axis=0, dtype=np.float64).astype(np.float32)
    weights = _principal(joined, config, seed) if isinstance(config, PcaConfig) else _random(joined, config, seed)
    ends = np.cumsum([b.shape[1] for b in blocks])[:-1]
    split = zip(names, np.split(mean, ends), np.split(weights, ends), strict=True)
    return {name: LinearPart(config.unit_rows, m, np.ascontiguousarray(w)) for name, m, w in split}


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
