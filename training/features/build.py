"""Tables to snapshot: fit the featurizer, or reuse one, and featurize every artist."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from riyl.core.catalog.mbids import shared_mbids
from riyl.core.catalog.notes import Notes
from riyl.core.catalog.tables import Tables
from riyl.core.changes.fold import FoldedTables
from riyl.core.errors import InputError, MismatchError
from riyl.core.files import content_id, published, write_json
from riyl.core.storage.base_rows import FOLDER as BASE_ROWS
from riyl.core.storage.base_rows import write_base_rows
from riyl.core.storage.ground_truth import save_truth
from riyl.core.storage.modality import Modality, write_modality
from riyl.core.storage.raw_terms import write_raw_terms
from riyl.core.storage.snapshot import (
    FORMAT,
    MANIFEST,
    RAW,
    Snapshot,
    seal_snapshot,
    write_artists,
    write_holdout,
)
from riyl.core.storage.snapshot_source import write_source
from riyl.core.types import ArtistId, Mask, Progress, silent
from riyl.training.features.featurize import Source, featurize, read_source
from riyl.training.features.featurizer import Featurizer, ModalityFeaturizer, load_featurizer, save_featurizer
from riyl.training.features.fit import fit_modality_featurizer
from riyl.training.features.holdout import holdout_artists
from riyl.training.features.read import Counts, Incidence, read_plays
from riyl.training.features.recipe import Recipe
from riyl.training.features.rows import Account, account, account_of
from riyl.training.features.sizes import size_of

log = logging.getLogger(__name__)

TUNING = "tuning.json"
"""Name of the file with the search that found the recipe, if there was one."""


@dataclass(frozen=True)
class FeaturizedModality:
    """One modality of a snapshot in the making; `raw` holds its weighted terms by table, and is empty for vectors."""

    modality: Modality
    modality_featurizer: ModalityFeaturizer
    counts: Counts
    table: str
    size: dict[str, int]
    raw: Mapping[str, Incidence]


def build_snapshot(
    tables: Tables,
    recipe: Recipe,
    snapshots: Path,
    *,
    keep: Snapshot | None = None,
    pass_over: Collection[str] = (),
    required: Collection[str] = (),
    tuning: Mapping[str, Any] | None = None,
    source: Path | None = None,
    progress: Progress = silent,
) -> Snapshot:
    """Make the snapshot of `tables` in the folder `snapshots`, or return it if it exists.

    A kept featurizer may have modalities that the tables lack: the snapshot lacks them too. If it knows nothing of a
    modality's data (other listeners, other tags), the modality is there without artists, and a warning is logged.

    Args:
        tables: with or without changes; the id covers the effective changes, and the manifest's last_change names the
            last of them at the time of the snapshot.
        snapshots: folder of all snapshots.
        recipe: how to fit the featurizer; a kept featurizer has its own recipe.
        keep: snapshot whose featurizer is reused; nothing is fitted.
        pass_over: modalities of the tables to leave out because the kept featurizer lacks them.
        required: modalities that at least one artist must have.
        tuning: search that found the recipe, stored beside the features as tuning.json. It is no part of the identity:
            an existing snapshot is not changed.
        source: folder that the tables were copied from, recorded for later reads; by default the tables' own folder.
        progress: called with the step, the units done and their total.

    Raises:
        InputError: a table is invalid, no artist has any modality, or too few artists that are not held out to fit on.
        MismatchError: the kept featurizer lacks a modality that is not passed over, or a required one has no artists.
    """
    featurizer = None if keep is None else load_featurizer(keep)
    modalities = _chosen(tables, featurizer, pass_over)
    fitted = {"recipe": recipe.model_dump()} if keep is None else {"featurizer": keep.featurizer_id}
    digests = tables.digests()
    identity = content_id("snapshot", {"format": FORMAT, "tables": digests, **fitted})
    final = snapshots / identity
    if final.exists():
        existing = Snapshot.open(final)
        _check_required(tables, existing.manifest["modalities"], required)
        (final / MANIFEST).touch()
        if source is not None or existing.source is None:
            write_source(final, source or tables.folder)
        return existing
    notes = Notes()
    artists = tables.artists(notes)
    ids: list[ArtistId] = artists.column("artist_id").to_pylist()
    plays = read_plays(tables, ids, progress, notes) if "plays" in tables.files else None
    holdout = _holdout(ids, recipe, featurizer)
    placed = _featurize_all(tables, modalities, ids, plays, recipe, featurizer, holdout, progress, notes)
    had = {p.modality.name: len(p.modality.rows) for p in placed}
    _check_required(tables, had, required)
    if featurizer is None:
        by_modality = {p.modality.name: p.modality_featurizer for p in placed}
        featurizer = Featurizer(recipe, by_modality, tuple(itertools.compress(ids, holdout.tolist())))
    with published(final) as aside:
        write_artists(aside, artists, *_popularity(artists, plays))
        write_holdout(aside, holdout)
        for item in placed:
            write_modality(aside, item.modality)
        for table, read in (_raw(placed) | ({} if plays is None else {"plays": plays})).items():
            csr = read.weights
            write_raw_terms(aside / RAW / table, csr.indptr, csr.indices, csr.data, read.terms)
        if isinstance(tables, FoldedTables):
            table_names = ["artists", *modalities.values()]
            write_base_rows(aside / BASE_ROWS, tables.base, table_names, tables.effective, progress)
        featurizer_id = save_featurizer(aside / "featurizer", featurizer)
        fields = {
            "id": identity,
            "featurizer": featurizer_id,
            "artists": len(ids),
            "modalities": had,
            "tables": digests,
            "recipe": featurizer.recipe.model_dump(),
            "counts": {p.modality.name: asdict(p.counts) for p in placed},
            "sizes": {"artists": {"rows": len(ids)}, **{p.table: p.size for p in placed}},
            "rows": _accounts(len(ids), modalities, placed, notes),
            "notes": {what: {"count": n, "examples": notes.examples.get(what, ())} for what, n in notes.counts.items()},
            "columns_not_read": notes.columns,
        }
        if isinstance(tables, FoldedTables):
            fields["last_change"] = tables.last_change
        if holdout.any():
            fields["holdout"] = int(holdout.sum())
        if tuning is not None:
            write_json(aside / TUNING, tuning)
        seal_snapshot(aside, fields)
        write_source(aside, source or tables.folder)
    for mbid, sharing in shared_mbids(artists).items():
        log.warning("shared_mbid mbid=%s artists=%s", mbid, ",".join(sharing))
    for item in placed:
        if item.counts.unknown_artists:
            log.warning("unknown_artists modality=%s rows=%d", item.modality.name, item.counts.unknown_artists)
    return Snapshot.open(final)


def import_similar(tables: Tables, truths: Path) -> dict[str, Account]:
    """Save the catalog's own `similar` table, if it has one, as the undirected ground truth "similar".

    Returns:
        Its account, by its name; empty if there is none.
    """
    if "similar" not in tables.files:
        return {}
    pairs = pa.Table.from_batches(tables.batches("similar"))
    truth = save_truth(truths, "similar", pairs, directed=False, source=f"table {tables.files['similar'].name}")
    again = pairs.num_rows - truth.pairs.num_rows
    return {"similar": account(pairs.num_rows, {"of an artist with itself, or of a pair given before": again})}


def _accounts(
    artists: int, modalities: Mapping[str, str], placed: list[FeaturizedModality], notes: Notes
) -> dict[str, Account]:
    """Return the account of each table."""
    by_modality = {p.modality.name: p for p in placed}
    return {"artists": account(artists, {})} | {
        table: account_of(table, by_modality[name].counts, by_modality[name].modality, notes)
        for name, table in modalities.items()
    }


def _chosen(tables: Tables, featurizer: Featurizer | None, pass_over: Collection[str]) -> dict[str, str]:
    """Choose the modalities to featurize, with their tables."""
    if not tables.modalities:
        raise InputError(f"{tables.folder}: found no tags, plays, audio or other modality; wanted at least one")
    if featurizer is None and pass_over:
        raise InputError(
            f"pass over {', '.join(pass_over)}: found no kept featurizer; wanted one that lacks these modalities"
        )
    if featurizer is None:
        return tables.modalities
    new = [name for name in tables.modalities if name not in featurizer.modalities]
    if wrong := [name for name in pass_over if name not in new]:
        raise InputError(
            f"pass over: found {', '.join(wrong)}; wanted modalities that the tables have and the kept featurizer "
            f"lacks: {', '.join(new) or 'none'}"
        )
    if left := [name for name in new if name not in pass_over]:
        raise MismatchError(
            f"the kept featurizer has {', '.join(sorted(featurizer.modalities))}; the tables also have "
            f"{', '.join(left)}: fit a new featurizer (without --featurizer-from), or use --pass-over {','.join(left)}"
        )
    return {name: table for name, table in tables.modalities.items() if name not in new}


def _check_required(tables: Tables, had: Mapping[str, int], required: Collection[str]) -> None:
    if missing := [name for name in required if not had.get(name)]:
        raise MismatchError(
            f"{tables.folder}: no artist has {', '.join(missing)} that the kept featurizer can use; "
            f"wanted at least one artist with each of {', '.join(sorted(required))}"
        )


def _featurize_all(
    tables: Tables,
    modalities: Mapping[str, str],
    ids: list[ArtistId],
    plays: Incidence | None,
    recipe: Recipe,
    featurizer: Featurizer | None,
    holdout: Mask,
    progress: Progress,
    notes: Notes,
) -> list[FeaturizedModality]:
    placed = []
    for name, table in modalities.items():
        read = plays if table == "plays" and plays is not None else read_source(tables, table, ids, progress, notes)
        modality_featurizer = (
            _fit(tables, name, read, recipe, holdout, progress) if featurizer is None else featurizer.modalities[name]
        )
        modality = featurize(name, table, read, modality_featurizer, progress)
        if not len(modality.rows):
            if featurizer is None:
                raise _nothing_usable(tables, table)
            log.warning("nothing_usable modality=%s rows=%d", name, read.counts.rows)
        raw = {table: read} if isinstance(read, Incidence) else {}
        placed.append(
            FeaturizedModality(modality, modality_featurizer, read.counts, table, size_of(table, read, modality), raw)
        )
    if not any(len(item.modality.rows) for item in placed):
        raise InputError(
            f"{tables.folder}: found nothing in {', '.join(modalities) or 'any modality'} that the kept featurizer can "
            "use; wanted at least one artist with tags, listeners or vectors that it was fitted on"
        )
    return placed


def _fit(
    tables: Tables, name: str, read: Source, recipe: Recipe, holdout: Mask, progress: Progress
) -> ModalityFeaturizer:
    table = tables.modalities[name]
    if read.counts.rows == read.counts.unknown_artists:
        raise _nothing_usable(tables, table)
    try:
        return fit_modality_featurizer(name, table, read.among(~holdout), recipe, progress)
    except InputError as error:
        if not holdout.any():
            raise
        raise InputError(f"{error}; {holdout.sum()} of {len(holdout)} artists are held out") from error


def _nothing_usable(tables: Tables, table: str) -> InputError:
    return InputError(f"{tables.files[table]}: found no usable row of any artist of the catalog; wanted at least one")


def _holdout(ids: list[ArtistId], recipe: Recipe, featurizer: Featurizer | None) -> Mask:
    """Mark the artists that the featurizer is, or was, fitted without; an artist unknown to it is not held out."""
    if featurizer is None:
        return holdout_artists(ids, recipe.holdout, recipe.seed)
    holdout_ids = set(featurizer.holdout)
    return np.array([artist_id in holdout_ids for artist_id in ids], bool)


def _raw(placed: Collection[FeaturizedModality]) -> dict[str, Incidence]:
    return {table: read for item in placed for table, read in item.raw.items()}


def _popularity(artists: pa.Table, plays: Incidence | None) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return listeners and plays of each artist: from the plays table, else from attributes of these names, else 0."""
    if plays is not None:
        return np.diff(plays.weights.indptr).astype(np.int64), np.asarray(plays.weights.sum(axis=1)).ravel()
    columns: Mapping[str, NDArray[np.float64]] = {
        name: pc.fill_null(artists.column(name).cast(pa.float64()), 0.0).to_numpy()
        if name in artists.column_names and not pa.types.is_string(artists.schema.field(name).type)
        else np.zeros(artists.num_rows)
        for name in ("listeners", "plays")
    }
    return columns["listeners"].astype(np.int64), columns["plays"].astype(np.float64)
