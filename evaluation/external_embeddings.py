"""Alignment of embeddings that another program computed with the artists of a catalog."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from riyl.core.errors import MismatchError
from riyl.core.external.ids import examples_of
from riyl.core.storage.embeddings import ExternalEmbeddings
from riyl.core.types import ArtistId, Mask, Matrix
from riyl.evaluation.systems import fuse

UNIT_TOLERANCE = 1e-6
"""Maximum distance of a row's length from 1 with which the row counts as a unit row and keeps its bits."""

_ROWS_AT_ONCE = 1 << 15


@dataclass(frozen=True)
class EmbeddingCounts:
    """Overlap of external embeddings with a catalog, in artists.

    Attributes:
        in_file: rows of the file.
        matched: artists of the catalog with a row.
        missing: artists of the catalog without a row.
        extra: rows of artists that the catalog lacks; they are not used.
        zero_rows: matched artists whose vector is zeros: they are not covered.
    """

    in_file: int
    matched: int
    missing: int
    extra: int
    zero_rows: int

    @property
    def summary(self) -> str:
        """Return the counts as a phrase for people."""
        return (
            f"{self.in_file} rows: {self.matched} of the catalog's {self.matched + self.missing} artists "
            f"({self.missing} without a row, {self.zero_rows} with a row of zeros), {self.extra} of other artists"
        )


@dataclass(frozen=True)
class AlignedEmbeddings:
    """External embeddings over the artists of a catalog; row i is artist i of the catalog.

    Attributes:
        vectors: (n, d) float32 unit rows, zeros where not covered.
        covered: (n,) bool, true for artists with a vector.
        parts: by modality (n, d) float32 as given, zeros where an artist lacks the modality; None for a single matrix,
            which has no modalities.
        counts: what was matched.
    """

    vectors: Matrix
    covered: Mask
    parts: Mapping[str, Matrix] | None
    counts: EmbeddingCounts


def align_embeddings(external: ExternalEmbeddings, artist_ids: Sequence[ArtistId]) -> AlignedEmbeddings:
    """Bring external embeddings into the order of a catalog.

    Rows are scaled to unit length, except those whose length is within `UNIT_TOLERANCE` of 1: a division by 0.9999999
    would change bits, and with them the order of nearly equal scores. So the embeddings of a model, written to a file
    and read again, are the same bits. Without vectors for whole artists, `riyl.evaluation.systems.fuse` computes them
    from the parts, as for models.

    Args:
        external: the embeddings.
        artist_ids: ids of the catalog's artists, in its order.

    Raises:
        InputError: there are neither vectors nor parts.
        MismatchError: the catalog has none of the artists; the message has ids of both. Or parts differ in shape.
    """
    rows = positions(external.ids, artist_ids)  # (n,) row of the file of each artist of the catalog, or -1
    matched = int(np.count_nonzero(rows >= 0))
    if not matched:
        raise MismatchError(
            f"embeddings: found {len(external.ids)} artists, none of the catalog ({examples_of(external.ids)}); "
            f"wanted the catalog's ids ({examples_of(artist_ids)})"
        )
    parts = None if external.parts is None else {name: _taken(part, rows) for name, part in external.parts.items()}
    if external.vectors is None:
        vectors, covered = fuse(parts or {})
    else:
        vectors = _taken(external.vectors, rows)
        covered = _scale_to_unit(vectors)
    counts = EmbeddingCounts(
        in_file=len(external.ids),
        matched=matched,
        missing=len(rows) - matched,
        extra=len(external.ids) - matched,
        zero_rows=matched - int(np.count_nonzero(covered)),
    )
    return AlignedEmbeddings(vectors, covered, parts, counts)


def positions(ids: Sequence[ArtistId], wanted: Sequence[ArtistId]) -> NDArray[np.int64]:
    """Return the position in `ids` of each wanted id, (len(wanted),) int64; -1 where `ids` lacks it."""
    at = pc.index_in(pa.array(wanted, pa.string()), pa.array(ids, pa.string()))
    rows: NDArray[np.int64] = pc.fill_null(at, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    return rows


def _taken(matrix: Matrix, rows: NDArray[np.int64]) -> Matrix:
    """Return these rows of a matrix, zeros for -1."""
    taken = np.zeros((len(rows), matrix.shape[1]), np.float32)
    has_row = np.flatnonzero(rows >= 0)
    for start in range(0, len(has_row), _ROWS_AT_ONCE):
        block = has_row[start : start + _ROWS_AT_ONCE]
        taken[block] = matrix[rows[block]]
    return taken


def _scale_to_unit(vectors: Matrix) -> Mask:
    """Scale rows to unit length in place, and return which have a length; rows without one become zeros."""
    covered = np.zeros(len(vectors), bool)
    for start in range(0, len(vectors), _ROWS_AT_ONCE):
        block = slice(start, start + _ROWS_AT_ONCE)
        lengths = np.linalg.norm(vectors[block].astype(np.float64), axis=1)
        covered[block] = lengths > np.finfo(np.float32).tiny  # as riyl.index.encoding.embed.unit_means
        factors = np.where(covered[block], lengths, np.inf)
        scaled = np.flatnonzero(np.abs(lengths - 1.0) > UNIT_TOLERANCE)
        vectors[start + scaled] = vectors[start + scaled] / factors[scaled, None]
    return covered
