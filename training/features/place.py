"""One modality of a catalog: what its table says, and the artists placed by a fitted projector."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from core.errors import MismatchError
from core.notes import Notes
from core.snapshot import Modality
from core.tables import Tables
from core.types import ArtistId, Matrix, Progress
from training.features.audio import VectorProjector
from training.features.basis import Projector
from training.features.cf import CfProjector
from training.features.read import Incidence, Vectors, read_plays, read_tags, read_vectors
from training.features.tags import TagProjector, tag_sets

Source: TypeAlias = Incidence | Vectors
"""What a modality's table says: artists by tags or by listeners, or a vector an artist."""


def read_source(
    tables: Tables, table: str, artist_ids: list[ArtistId], progress: Progress, notes: Notes | None = None
) -> Source:
    """Read a modality's table; see `Tables.batches` for `notes`.

    Raises:
        TableError: it is not what it should be.
    """
    if tables.has_vectors(table):
        return read_vectors(tables, table, artist_ids, progress, notes)
    return (read_plays if table == "plays" else read_tags)(tables, artist_ids, progress, notes)


def place(name: str, table: str, source: Source, projector: Projector, progress: Progress) -> Modality:
    """The artists that have something the projector knows, placed by it.

    Raises:
        MismatchError: the projector is of another kind of table, or of vectors of another width.
    """
    if isinstance(source, Vectors):
        if not isinstance(projector, VectorProjector):
            raise MismatchError(f"the kept basis has no vectors for {name}; the tables have")
        if source.means.shape[1] != projector.width:
            raise MismatchError(
                f"the kept basis has {name} of {projector.width} numbers; the tables have {source.means.shape[1]}"
            )
        return _modality(name, source.rows, projector.transform(source.means), source.tracks)
    if table == "plays":
        if not isinstance(projector, CfProjector):
            raise MismatchError(f"the kept basis has vectors for {name}; the tables have plays")
        return _place_plays(name, source, projector, progress)
    if not isinstance(projector, TagProjector):
        raise MismatchError(f"the kept basis has vectors for {name}; the tables have tags with weights")
    return _place_tags(name, source, projector)


def _place_tags(name: str, tags: Incidence, projector: TagProjector) -> Modality:
    weights = _recolumned(tags.weights, projector.columns_of(tags.terms), len(projector.vocabulary))
    rows, weights = _without_empty(weights)
    modality = _modality(name, rows, projector.transform(weights), np.diff(weights.indptr))
    if len(modality.rows) < len(rows):
        weights = weights[np.isin(rows, modality.rows)]
    return Modality(**{**vars(modality), "sets": tag_sets(weights)})


def _place_plays(name: str, plays: Incidence, projector: CfProjector, progress: Progress) -> Modality:
    rows, counts = _without_empty(_recolumned(plays.weights, projector.columns_of(plays.terms), len(projector.users)))
    return _modality(name, rows, projector.transform(counts, progress), np.diff(counts.indptr))


def _modality(name: str, rows: NDArray[Any], vectors: Matrix, evidence: NDArray[Any]) -> Modality:
    """A modality without the artists whose vector is zero: a vector without direction says nothing."""
    some = np.flatnonzero(np.any(vectors != 0, axis=1))
    return Modality(name, rows[some].astype(np.int32), vectors[some], evidence[some].astype(np.int32), None)


def _recolumned(weights: sp.csr_matrix, columns: NDArray[np.int64], width: int) -> sp.csr_matrix:
    """The same rows over other columns: column j becomes columns[j], and is left out where that is -1."""
    coo = weights.tocoo()
    to = columns[coo.col]
    kept = to >= 0
    return sp.csr_matrix((coo.data[kept], (coo.row[kept], to[kept])), shape=(weights.shape[0], width))


def _without_empty(weights: sp.csr_matrix) -> tuple[NDArray[Any], sp.csr_matrix]:
    rows = np.flatnonzero(np.diff(weights.indptr))
    return rows, weights[rows]
