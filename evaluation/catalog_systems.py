"""Models of another catalog as systems of a study: they embed the artists of the study from that catalog's data."""

from __future__ import annotations

import numpy as np

from riyl.core.storage.model import Model
from riyl.core.types import Matrix, Progress, silent
from riyl.evaluation.catalogs import JoinedCatalog
from riyl.evaluation.retrieval import System
from riyl.evaluation.systems import Parts, fuse, scored_system
from riyl.index.build.fit_scoring import fit_calibration, patterns_of
from riyl.index.encoding.embed import parts_of
from riyl.index.encoding.name_part import name_parts
from riyl.index.scoring.popularity import Popularity, popularity_of
from riyl.index.scoring.score import Scoring


def joined_parts(model: Model, catalog: JoinedCatalog, *, threads: int = 1, progress: Progress = silent) -> Parts:
    """Compute the parts of the study's n artists from another catalog's data, as `riyl.evaluation.systems.model_parts`.

    Only artists with a counterpart are embedded; the others have no part.

    Raises:
        MismatchError: see `riyl.index.encoding.embed.parts_of`.
    """
    snapshot = catalog.snapshot
    model.check_fits(snapshot)
    parts: dict[str, Matrix] = {}
    for name in model.parts:
        parts[name] = np.zeros((len(catalog.rows), model.dim), np.float32)
        if name in snapshot.modalities and len(rows := snapshot.modalities[name].rows):
            at = np.searchsorted(rows, catalog.rows).clip(max=len(rows) - 1)  # (n,) index into the modality's rows
            has_part = np.flatnonzero(rows[at] == catalog.rows)
            parts[name][has_part] = parts_of(
                model, snapshot, name, at=at[has_part].astype(np.int64), threads=threads, progress=progress
            )
    return parts


def joined_system(
    name: str, model: Model, catalog: JoinedCatalog, parts: Parts, *, raw: bool = False, threads: int = 1
) -> System:
    """Build the system of a model of another catalog, with the corrections of its card.

    Calibration and popularity are those of the whole of its catalog, as in a version made of it. Hubness is measured
    among the artists of the study, since the catalog's other artists are never candidates; a smaller condition
    measures it anew, as for every system. An artist that the catalog lacks is not covered.

    Args:
        name: name of the system in tables.
        model: the model.
        catalog: the catalog.
        parts: result of `joined_parts` for the two.
        raw: whether to leave the corrections out.
        threads: threads of the fit of the corrections.

    Raises:
        MismatchError: see `riyl.index.encoding.embed.parts_of`.
    """
    snapshot = catalog.snapshot
    vectors, covered = fuse(parts, name=_joined_names(model, catalog, threads))
    if raw:
        return System(name, vectors, vectors, covered, vectors=vectors)
    sets, own_patterns = patterns_of(snapshot)
    c = fit_calibration(model, snapshot, sets, threads=threads)
    patterns = catalog.gathered(own_patterns, 0)  # not covered where it is missing
    ranks = catalog.gathered(popularity_of(snapshot.listeners), 0)
    popularity = Popularity(ranks, catalog.gathered(snapshot.listeners, 0))
    scoring = Scoring.fit(vectors, covered, patterns, c, model.scoring, popularity, threads=threads)
    return scored_system(name, vectors, covered, patterns, scoring)


def _joined_names(model: Model, catalog: JoinedCatalog, threads: int) -> Matrix | None:
    """Return the parts of the names in another catalog, (n, dim), zeros without counterpart; None without names."""
    has_row = catalog.rows >= 0
    parts = name_parts(model, catalog.snapshot, catalog.rows[has_row], threads=threads)
    if parts is None:
        return None
    of_study = np.zeros((len(has_row), model.dim), np.float32)
    of_study[has_row] = parts
    return of_study
