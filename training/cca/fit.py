"""Generalised canonical correlation analysis from pairwise covariances, in closed form."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from riyl.core.errors import InputError
from riyl.core.storage.snapshot import Snapshot
from riyl.core.types import Progress, silent
from riyl.training.cca.linear import LinearPart
from riyl.training.cca.views import Moment, View, moments, open_view
from riyl.training.config import CcaConfig, only_modality

log = logging.getLogger(__name__)

Moments: TypeAlias = Mapping[tuple[str, str], Moment]
Projections: TypeAlias = dict[str, NDArray[np.float64]]
"""By modality (width, columns) float64: z @ projection is its part."""

_MIN_CORRELATION = 1e-6
"""Mean correlation below which a direction is none."""


def fit_cca(
    config: CcaConfig, snapshot: Snapshot, seed: int, progress: Progress = silent
) -> tuple[dict[str, LinearPart], dict[str, View]]:
    """One linear map a modality into a space where an artist's modalities agree, and the views that they are of.

    Reads the snapshot a chunk of artists at a time; memory is that of the covariances, whatever the catalog's size.

    Args:
        config: see there for what each step does.
        seed: of the Fourier features, where the config wants any, and of the start of the TF-IDF factors, which hardly
            matters.

    Raises:
        ConfigError: the snapshot has fewer than two modalities.
        InputError: no artist has two modalities, or all artists are alike in one.
    """
    names = snapshot.modalities_had
    if len(names) < 2:
        raise only_modality(snapshot.id, names[0], "cca")
    views = {name: open_view(snapshot, name, config, seed) for name in names}
    pair_moments = moments(views, snapshot.n_artists, progress)
    if not any((a, b) in pair_moments for a in names for b in names if a < b):
        raise InputError(f"found no artist that has two of {', '.join(names)}; wanted some to learn from")
    projections = append_modality_columns(
        canonical(pair_moments, names, config), pair_moments, config.modality_specific_weight
    )
    weights = reduce_dim(projections, pair_moments, config.dim)
    return {name: _part(views[name], weights[name]) for name in weights}, views


def canonical(pair_moments: Moments, names: Sequence[str], config: CcaConfig) -> Projections:
    """The shared directions (MAXVAR, Kettenring 1971, here with covariances of whoever has both modalities).

    With C_mm the covariance of modality m plus ridge times its mean variance, and T_ml = C_mm^-1/2 C_ml C_ll^-1/2, the
    eigenvectors v of the block matrix T with T_mm = I, largest eigenvalues first, give projections C_mm^-1/2 v_m. The
    eigenvalue is 1 + (M - 1) r with r the mean canonical correlation; each direction is scaled by r^power, so that
    what modalities agree on counts more. All are then divided by one number, which makes the parts' root mean square
    length 1 on average over the modalities. A pair that nobody has both of counts as uncorrelated.
    """
    roots = {m: _inverse_root(pair_moments[m, m].covariance, config.ridge) for m in names}
    widths = [len(roots[m]) for m in names]
    ends = np.cumsum([0, *widths])
    block = np.eye(ends[-1])
    for i, m in enumerate(names):
        for j in range(i + 1, len(names)):
            if (m, names[j]) in pair_moments:
                cross = roots[m] @ pair_moments[m, names[j]].covariance @ roots[names[j]]
                block[ends[i] : ends[i + 1], ends[j] : ends[j + 1]] = cross
                block[ends[j] : ends[j + 1], ends[i] : ends[i + 1]] = cross.T
    values, vectors = np.linalg.eigh(block)
    correlations = (values[::-1] - 1) / (len(names) - 1)
    correlated = correlations[: config.shared] > _MIN_CORRELATION
    correlations = correlations[: config.shared][correlated]
    if not len(correlations):
        raise InputError(f"found nothing that {', '.join(names)} agree on; wanted modalities that are correlated")
    vectors = vectors[:, ::-1][:, : config.shared][:, correlated]
    vectors *= np.sign(vectors[np.argmax(np.abs(vectors), axis=0), np.arange(vectors.shape[1])])
    scaled = vectors * np.minimum(correlations, 1.0) ** config.correlation_exponent
    projections = {m: roots[m] @ scaled[ends[i] : ends[i + 1]] for i, m in enumerate(names)}
    length = float(np.mean([np.sqrt(_mean_square(projections[m], pair_moments[m, m])) for m in names]))
    log.info("canonical directions=%d first=%.3f last=%.3f", len(correlations), correlations[0], correlations[-1])
    return {m: projection / length for m, projection in projections.items()}


def append_modality_columns(
    shared: Projections, pair_moments: Moments, modality_specific_weight: Mapping[str, float]
) -> Projections:
    """The shared columns and, beside them, the modality itself for those in `modality_specific_weight`, zeros for the
    others.

    Its root mean square length becomes the given weight; 1 is that of the shared part. Modalities that are not there
    are passed over.
    """
    identities = {m: np.eye(len(shared[m])) for m in shared}
    scales = {
        m: w / np.sqrt(_mean_square(identities[m], pair_moments[m, m]))
        for m, w in modality_specific_weight.items()
        if w > 0 and m in shared
    }
    return {
        m: np.hstack(
            [
                shared[m],
                *(
                    identities[m] * scales[p] if p == m else np.zeros((len(identities[m]), len(identities[p])))
                    for p in scales
                ),
            ]
        )
        for m in shared
    }


def reduce_dim(projections: Projections, pair_moments: Moments, dim: int) -> Projections:
    """The same in at most `dim` columns: the principal directions of all artists' parts taken together."""
    columns = next(iter(projections.values())).shape[1]
    if columns <= dim:
        return projections
    scatter = np.zeros((columns, columns))
    for m, projection in projections.items():
        scatter += pair_moments[m, m].n * (projection.T @ pair_moments[m, m].product @ projection)
    _, vectors = np.linalg.eigh(scatter)
    rotation = vectors[:, ::-1][:, :dim]
    rotation *= np.sign(rotation[np.argmax(np.abs(rotation), axis=0), np.arange(dim)])
    return {m: projection @ rotation for m, projection in projections.items()}


def _inverse_root(covariance: NDArray[np.float64], ridge: float) -> NDArray[np.float64]:
    """(covariance + ridge * its mean variance * I)^-1/2, symmetric; ridge above 0."""
    values, vectors = np.linalg.eigh(covariance)
    values = np.maximum(values, 0) + ridge * np.trace(covariance) / len(covariance)
    return np.asarray((vectors / np.sqrt(values)) @ vectors.T)


def _mean_square(projection: NDArray[np.float64], moment: Moment) -> float:
    """Mean square length of the parts of the artists behind a moment of one view."""
    return float(np.sum(projection * (moment.product @ projection)))


def _part(view: View, weights: NDArray[np.float64]) -> LinearPart:
    return LinearPart(
        unit_rows=True,
        mean=view.mean.astype(np.float32),
        weights=np.ascontiguousarray(weights, np.float32),
        norm_shrinkage=view.norm_shrinkage,
        table=view.table,
        max_terms=0 if view.table is None else view.max_terms,
        fourier_features=view.fourier_features,
    )
