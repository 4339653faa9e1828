"""One modality of a catalog: its table is read, and its artists are featurized by a fitted modality featurizer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from riyl.core.catalog.notes import Notes
from riyl.core.catalog.tables import Tables
from riyl.core.errors import MismatchError
from riyl.core.storage.modality import Modality
from riyl.core.types import ArtistId, Matrix, Progress
from riyl.training.features.audio import VectorFeaturizer
from riyl.training.features.cf import CfFeaturizer
from riyl.training.features.featurizer import ModalityFeaturizer
from riyl.training.features.read import Incidence, Vectors, read_plays, read_tags, read_vectors
from riyl.training.features.tags import TagFeaturizer, tag_sets

Source: TypeAlias = Incidence | Vectors
"""Content of a modality's table: artists by tags or by listeners, or one vector an artist."""


def read_source(
    tables: Tables, table: str, artist_ids: list[ArtistId], progress: Progress, notes: Notes | None = None
) -> Source:
    """Read a modality's table; see `Tables.batches` for `notes`.

    Raises:
        TableError: the table is invalid.
    """
    if tables.has_vectors(table):
        return read_vectors(tables, table, artist_ids, progress, notes)
    return (read_plays if table == "plays" else read_tags)(tables, artist_ids, progress, notes)


def featurize(
    name: str, table: str, source: Source, modality_featurizer: ModalityFeaturizer, progress: Progress
) -> Modality:
    """Featurize the artists for which the table has data that the modality featurizer knows.

    Raises:
        MismatchError: the modality featurizer was fitted on another kind of table, or on vectors of another width.
    """
    if isinstance(source, Vectors):
        if not isinstance(modality_featurizer, VectorFeaturizer):
            raise MismatchError(f"{name}: found vectors in the tables; the kept featurizer has none for it")
        if source.means.shape[1] != modality_featurizer.width:
            raise MismatchError(
                f"{name}: found vectors of {source.means.shape[1]} numbers in the tables; "
                f"the kept featurizer has {modality_featurizer.width}"
            )
        return _modality(name, source.rows, modality_featurizer.transform(source.means), source.tracks)
    if table == "plays":
        if not isinstance(modality_featurizer, CfFeaturizer):
            raise MismatchError(f"{name}: found plays in the tables; the kept featurizer has vectors")
        return _featurize_plays(name, source, modality_featurizer, progress)
    if not isinstance(modality_featurizer, TagFeaturizer):
        raise MismatchError(f"{name}: found tags with weights in the tables; the kept featurizer has vectors")
    return _featurize_tags(name, source, modality_featurizer)


def _featurize_tags(name: str, tags: Incidence, modality_featurizer: TagFeaturizer) -> Modality:
    weights = _recolumned(tags.weights, modality_featurizer.columns_of(tags.terms), len(modality_featurizer.vocabulary))
    rows, weights = _without_empty(weights)
    modality = _modality(name, rows, modality_featurizer.transform(weights), np.diff(weights.indptr))
    if len(modality.rows) < len(rows):
        weights = weights[np.isin(rows, modality.rows)]
    return replace(modality, sets=tag_sets(weights))


def _featurize_plays(name: str, plays: Incidence, modality_featurizer: CfFeaturizer, progress: Progress) -> Modality:
    rows, counts = _without_empty(
        _recolumned(plays.weights, modality_featurizer.columns_of(plays.terms), len(modality_featurizer.users))
    )
    modality = _modality(name, rows, modality_featurizer.transform(counts, progress), np.diff(counts.indptr))
    if len(modality.rows) < len(rows):
        counts = counts[np.isin(rows, modality.rows)]
    return replace(modality, blocks=modality_featurizer.blocks(counts))


def _modality(name: str, rows: NDArray[Any], vectors: Matrix, evidence: NDArray[Any]) -> Modality:
    """Build a modality without the artists whose vector is zero: such a vector has no direction."""
    nonzero = np.flatnonzero(np.any(vectors != 0, axis=1))
    return Modality(name, rows[nonzero].astype(np.int32), vectors[nonzero], evidence[nonzero].astype(np.int32), None)


def _recolumned(weights: sp.csr_matrix, columns: NDArray[np.int64], width: int) -> sp.csr_matrix:
    """Return the same rows over other columns: column j becomes columns[j], and is dropped where that is -1."""
    coo = weights.tocoo()
    to = columns[coo.col]
    retained = to >= 0
    return sp.csr_matrix((coo.data[retained], (coo.row[retained], to[retained])), shape=(weights.shape[0], width))


def _without_empty(weights: sp.csr_matrix) -> tuple[NDArray[Any], sp.csr_matrix]:
    rows = np.flatnonzero(np.diff(weights.indptr))
    return rows, weights[rows]
