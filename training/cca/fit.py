"""Generalised canonical correlation analysis from pairwise covariances, in closed form."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from riyl.core.errors import InputError
from riyl.core.storage.part import NAME
from riyl.core.storage.snapshot import Snapshot
from riyl.core.types import Progress, silent
from riyl.training.cca.linear import LinearPart
from riyl.training.cca.name_view import open_name_view
from riyl.training.cca.views import Moment, View, moments, open_view
from riyl.training.config import CcaConfig, only_modality

log = logging.getLogger(__name__)

Moments: TypeAlias = Mapping[tuple[str, str], Moment]
Projections: TypeAlias = dict[str, NDArray[np.float64]]
"""Projections by modality, each (width, columns) float64: z @ projection is the modality's part."""

_MIN_CORRELATION = 1e-6
"""Minimum mean correlation of a direction; those below are dropped."""


def fit_cca(
    config: CcaConfig, snapshot: Snapshot, seed: int, progress: Progress = silent
) -> tuple[dict[str, LinearPart], dict[str, View]]:
    """Fit one linear map a modality into a space where an artist's modalities agree; return maps and views.

    With `config.name`, the artist's name is one more view, `riyl.core.storage.part.NAME`. The maps of modalities are
    those without it; the map of the name predicts their parts, see `regression`.

    The snapshot is read a chunk of artists at a time; memory use is that of the covariances, whatever the catalog's
    size.

    Args:
        config: settings; its fields document the steps.
        snapshot: features to fit on.
        seed: seed of the Fourier features, if the config has any, and of the start of the TF-IDF factors, which hardly
            depend on it.
        progress: called with the step, the artists done and their total.

    Raises:
        ConfigError: the snapshot has fewer than two modalities, or one called `name` beside the view of that name.
        InputError: no artist has two modalities, or all artists are equal in one.
    """
    names = snapshot.modalities_had
    if len(names) < 2:
        raise only_modality(snapshot.id, names[0], "cca")
    views = {name: open_view(snapshot, name, config, seed) for name in names}
    if config.name:
        views[NAME] = open_name_view(snapshot, seed)
    pair_moments = moments(views, snapshot.n_artists, progress)
    if not any((a, b) in pair_moments for a in names for b in names if a < b):
        raise InputError(f"found no artist with two of {', '.join(names)}; wanted at least one to learn from")
    projections = append_modality_columns(
        canonical(pair_moments, names, config), pair_moments, config.modality_specific_weight
    )
    weights = reduce_dim(projections, pair_moments, config.dim)
    if config.name:
        weights[NAME] = regression(NAME, weights, pair_moments, config.ridge)
    return {name: _part(views[name], weights[name]) for name in weights}, views


def canonical(pair_moments: Moments, names: Sequence[str], config: CcaConfig) -> Projections:
    """Compute the shared directions by MAXVAR (Kettenring 1971), with covariances over artists that have both views.

    With C_mm the covariance of modality m plus ridge times its mean variance, and T_ml = C_mm^-1/2 C_ml C_ll^-1/2, the
    eigenvectors v of the block matrix T with T_mm = I, largest eigenvalues first, give projections C_mm^-1/2 v_m. The
    eigenvalue is 1 + (M - 1) r with r the mean canonical correlation; each direction is scaled by
    r^correlation_exponent, so that directions on which modalities agree count more. All projections are then divided by
    one number, which makes the parts' root mean square length 1 on average over the modalities. A pair of modalities
    that no artist has counts as uncorrelated.
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
        raise InputError(f"found no direction that {', '.join(names)} share; wanted correlated modalities")
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
    """Append a modality's own columns to the shared ones, for each modality in `modality_specific_weight`.

    In these columns the other modalities have zeros. The root mean square length of the modality's own columns is the
    given weight; 1 is that of the shared part. Modalities that are not in `shared` are ignored.
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
    """Reduce projections to at most `dim` columns: the principal directions of all artists' parts taken together."""
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


def regression(name: str, weights: Projections, pair_moments: Moments, ridge: float) -> NDArray[np.float64]:
    """Compute the map of a view that predicts the sum of an artist's parts, by ridge regression, (width, columns).

    With C the covariance of the view plus ridge times its mean variance, and C_m that with modality m over the n_m of n
    artists that have both, it is C^-1 times the sum over m of n_m / n C_m times the modality's weights. A view that
    tells little of the parts has short parts.

    Args:
        name: name of the view.
        weights: projections of the modalities.
        pair_moments: moments of the view with itself, and with each modality that an artist of the view has.
        ridge: see `CcaConfig.ridge`.
    """
    of_name = pair_moments[name, name]
    covariance = of_name.covariance
    width = len(covariance)
    sums = np.zeros((width, next(iter(weights.values())).shape[1]))
    for modality, projection in weights.items():
        first, second = sorted((name, modality))
        if (first, second) in pair_moments:
            moment = pair_moments[first, second]
            cross = moment.covariance if first == name else moment.covariance.T
            sums += moment.n / of_name.n * cross @ projection
    return np.linalg.solve(covariance + ridge * np.trace(covariance) / width * np.eye(width), sums)


def _inverse_root(covariance: NDArray[np.float64], ridge: float) -> NDArray[np.float64]:
    """Return (covariance + ridge * its mean variance * I)^-1/2, symmetric; ridge is above 0."""
    values, vectors = np.linalg.eigh(covariance)
    values = np.maximum(values, 0) + ridge * np.trace(covariance) / len(covariance)
    return np.asarray((vectors / np.sqrt(values)) @ vectors.T)


def _mean_square(projection: NDArray[np.float64], moment: Moment) -> float:
    """Return the mean square length of the parts of the artists behind a moment of one view."""
    return float(np.sum(projection * (moment.product @ projection)))


def _part(view: View, weights: NDArray[np.float64]) -> LinearPart:
    reader = view.reader
    return LinearPart(
        width=reader.width,
        blocks=view.blocks,
        weights=np.ascontiguousarray(weights, np.float32),
        extra=reader.extra,
        table=reader.table,
        max_terms=reader.max_terms,
        terms=reader.terms,
    )
