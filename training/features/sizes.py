"""Sizes of the tables that a snapshot was made of, to be compared with those of another snapshot."""

from __future__ import annotations

import numpy as np

from riyl.core.storage.modality import Modality
from riyl.training.features.featurize import Source
from riyl.training.features.read import Vectors


def size_of(table: str, source: Source, placed: Modality) -> dict[str, int]:
    """Count the data of a table that belongs to the catalog's artists.

    Args:
        table: name of the table.
        source: content of the table.
        placed: the features made of it.

    Returns:
        rows: rows of artists of the catalog, repeated ones included.
        artists: distinct artists of the catalog.
        listeners: distinct listeners of these rows, for plays only.
        used: tags, listeners or tracks of artists that the featurizer knows and that their features rest on.
    """
    rows = source.counts.rows - source.counts.unknown_artists
    had = source.tracks if isinstance(source, Vectors) else np.diff(source.weights.indptr)
    listeners = {} if isinstance(source, Vectors) or table != "plays" else {"listeners": len(source.terms)}
    return {
        "rows": rows,
        "artists": int(np.count_nonzero(had)),
        **listeners,
        "used": int(placed.evidence.sum(dtype=np.int64)),
    }
