"""How much of each table a snapshot was made of, to be compared with what another one was made of."""

from __future__ import annotations

import numpy as np

from riyl.core.storage.snapshot import Modality
from riyl.training.features.featurize import Source
from riyl.training.features.read import Vectors


def size_of(table: str, source: Source, placed: Modality) -> dict[str, int]:
    """What a table has of the catalog's artists.

    Args:
        table: its name.
        source: what was read of it.
        placed: what came of it.

    Returns:
        rows: of artists of the catalog, double ones too.
        artists: distinct ones of the catalog.
        listeners: distinct ones of these rows, of plays alone.
        used: tags, listeners or tracks of artists that the featurizer knows: those that artists are placed by.
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
