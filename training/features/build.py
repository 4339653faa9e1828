"""Tables to snapshot: fit the basis, or keep one, and place every artist in it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import scipy.sparse as sp
from numpy.typing import NDArray

from core.errors import InputError, MismatchError
from core.files import content_id, published, write_json
from core.snapshot import MANIFEST, Modality, Snapshot, seal_snapshot, write_artists, write_modality
from core.tables import Tables
from core.truth import save_truth
from core.types import ArtistId, Matrix, Progress, silent
from training.features.audio import VectorProjector, fit_vectors
from training.features.basis import Basis, Projector, load_basis, save_basis
from training.features.cf import CfProjector, fit_cf
from training.features.read import Counts, Incidence, read_plays, read_tags, read_vectors
from training.features.recipe import Recipe, VectorRecipe
from training.features.tags import TagProjector, fit_tags, tag_sets

log = logging.getLogger(__name__)

TUNING = "tuning.json"
"""The search by which the recipe was found, where one was made."""


@dataclass(frozen=True)
class Placed:
    """One modality of a snapshot in the making."""

    modality: Modality
    projector: Projector
    counts: Counts


def build_snapshot(
    tables: Tables,
    recipe: Recipe,
    snapshots: Path,
    *,
    keep: Snapshot | None = None,
    tuning: Mapping[str, Any] | None = None,
    progress: Progress = silent,
) -> Snapshot:
    """Make the snapshot of `tables` in the folder `snapshots`, or find it there.

    Args:
        recipe: how to fit the basis; the kept basis has its own.
        keep: a snapshot whose basis is kept: artists are placed in it and nothing is fitted.
        tuning: how the recipe was found, stored beside the features as tuning.json. It is no part of the identity:
            a snapshot that is there already stays as it is.

    Raises:
        InputError: a table is not what it should be, nobody has any modality, or there is too little to fit on.
        MismatchError: the kept basis has not the modalities that the tables have.
    """
    basis = None if keep is None else load_basis(keep.folder / "basis")
    source = {"recipe": recipe.model_dump()} if keep is None else {"basis": keep.basis_id}
    digests = tables.digests()
    identity = content_id("snapshot", {"tables": digests, **source})
    final = snapshots / identity
    if final.exists():
        (final / MANIFEST).touch()
        return Snapshot.open(final)
    artists = tables.artists()
    ids: list[ArtistId] = artists.column("artist_id").to_pylist()
    plays = read_plays(tables, ids, progress) if "plays" in tables.files else None
    placed = _place_all(tables, ids, plays, recipe, basis, progress)
    with published(final) as aside:
        write_artists(aside, artists, *_popularity(artists, plays))
        for item in placed:
            write_modality(aside, item.modality)
        fitted = Basis(recipe if basis is None else basis.recipe, {p.modality.name: p.projector for p in placed})
        basis_id = save_basis(aside / "basis", fitted if basis is None else basis)
        fields = {
            "id": identity,
            "basis": basis_id,
            "artists": len(ids),
            "modalities": {p.modality.name: len(p.modality.rows) for p in placed},
            "tables": digests,
            "recipe": fitted.recipe.model_dump(),
            "counts": {p.modality.name: asdict(p.counts) for p in placed},
        }
        if tuning is not None:
            write_json(aside / TUNING, tuning)
        seal_snapshot(aside, fields)
    for item in placed:
        if item.counts.unknown_artists:
            log.warning("unknown_artists modality=%s rows=%d", item.modality.name, item.counts.unknown_artists)
    return Snapshot.open(final)


def import_similar(tables: Tables, truths: Path) -> None:
    """Keep the catalog's own `similar` table, where it has one, as the undirected truth "similar"."""
    if "similar" in tables.files:
        pairs = pa.Table.from_batches(tables.batches("similar"))
        save_truth(truths, "similar", pairs, directed=False, source=f"table {tables.files['similar'].name}")


def _place_all(
    tables: Tables,
    ids: list[ArtistId],
    plays: Incidence | None,
    recipe: Recipe,
    basis: Basis | None,
    progress: Progress,
) -> list[Placed]:
    if not tables.modalities:
        raise InputError(f"{tables.folder}: found no tags, plays, audio or other modality; wanted at least one")
    if basis is not None and sorted(basis.projectors) != sorted(tables.modalities):
        raise MismatchError(
            f"the kept basis has {', '.join(sorted(basis.projectors))}; the tables have {', '.join(tables.modalities)}"
        )
    placed = []
    for name, table in tables.modalities.items():
        kept = None if basis is None else basis.projectors[name]
        if table == "plays" and plays is not None:
            item = _place_plays(name, plays, recipe, kept, progress)
        elif tables.has_vectors(table):
            item = _place_vectors(tables, name, ids, recipe, kept, progress)
        else:
            item = _place_tags(name, read_tags(tables, ids, progress), recipe, kept)
        if not len(item.modality.rows):
            raise InputError(f"{tables.files[table]}: found nothing usable for any artist of the catalog; wanted some")
        placed.append(item)
    return placed


def _place_tags(name: str, tags: Incidence, recipe: Recipe, kept: Projector | None) -> Placed:
    projector = fit_tags(tags.weights, tags.terms, recipe.tags, recipe.seed) if kept is None else kept
    if not isinstance(projector, TagProjector):
        raise MismatchError(f"the kept basis has vectors for {name}; the tables have tags with weights")
    weights = _recolumned(tags.weights, projector.columns_of(tags.terms), len(projector.vocabulary))
    rows, weights = _without_empty(weights)
    modality = _modality(name, rows, projector.transform(weights), np.diff(weights.indptr))
    if len(modality.rows) < len(rows):
        weights = weights[np.isin(rows, modality.rows)]
    return Placed(Modality(**{**vars(modality), "sets": tag_sets(weights)}), projector, tags.counts)


def _place_plays(name: str, plays: Incidence, recipe: Recipe, kept: Projector | None, progress: Progress) -> Placed:
    projector = fit_cf(plays.weights, plays.terms, recipe.cf, recipe.seed, progress) if kept is None else kept
    if not isinstance(projector, CfProjector):
        raise MismatchError(f"the kept basis has vectors for {name}; the tables have plays")
    at = {user: i for i, user in enumerate(projector.users)}
    columns = np.array([at.get(user, -1) for user in plays.terms], np.int64)
    rows, counts = _without_empty(_recolumned(plays.weights, columns, len(projector.users)))
    return Placed(
        _modality(name, rows, projector.transform(counts, progress), np.diff(counts.indptr)), projector, plays.counts
    )


def _place_vectors(
    tables: Tables, name: str, ids: list[ArtistId], recipe: Recipe, kept: Projector | None, progress: Progress
) -> Placed:
    read = read_vectors(tables, tables.modalities[name], ids, progress)
    projector = fit_vectors(read.means, recipe.vectors.get(name, VectorRecipe())) if kept is None else kept
    if not isinstance(projector, VectorProjector):
        raise MismatchError(f"the kept basis has no vectors for {name}; the tables have")
    return Placed(_modality(name, read.rows, projector.transform(read.means), read.tracks), projector, read.counts)


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


def _popularity(artists: pa.Table, plays: Incidence | None) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Listeners and plays of each artist: from the plays table, else from attributes of these names, else 0."""
    if plays is not None:
        return np.diff(plays.weights.indptr).astype(np.int64), np.asarray(plays.weights.sum(axis=1)).ravel()
    columns: Mapping[str, NDArray[np.float64]] = {
        name: pc.fill_null(artists.column(name).cast(pa.float64()), 0.0).to_numpy()
        if name in artists.column_names and not pa.types.is_string(artists.schema.field(name).type)
        else np.zeros(artists.num_rows)
        for name in ("listeners", "plays")
    }
    return columns["listeners"].astype(np.int64), columns["plays"].astype(np.float64)
