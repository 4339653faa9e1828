"""Tables to snapshot: fit the basis, or keep one, and place every artist in it."""

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

from core.beneath import FOLDER as BENEATH
from core.beneath import write_beneath
from core.errors import InputError, MismatchError
from core.files import content_id, published, write_json
from core.folding import FoldedTables
from core.mbids import shared_mbids
from core.notes import Notes
from core.snapshot import (
    MANIFEST,
    RAW,
    Modality,
    Snapshot,
    seal_snapshot,
    write_artists,
    write_held_out,
    write_modality,
)
from core.snapshot_source import write_source
from core.tables import Tables
from core.terms import write_raw_terms
from core.truth import save_truth
from core.types import ArtistId, Mask, Progress, silent
from training.features.basis import Basis, Projector, load_basis, save_basis
from training.features.fit import fit_projector
from training.features.heldout import held_out_artists
from training.features.place import Source, place, read_source
from training.features.read import Counts, Incidence, read_plays
from training.features.recipe import Recipe
from training.features.rows import Account, account, account_of
from training.features.sizes import size_of

log = logging.getLogger(__name__)

TUNING = "tuning.json"
"""The search by which the recipe was found, where one was made."""


@dataclass(frozen=True)
class Placed:
    """One modality of a snapshot in the making.

    Attributes:
        raw: by table, the weighted terms that it was placed from; empty where these were vectors.
    """

    modality: Modality
    projector: Projector
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
    """Make the snapshot of `tables` in the folder `snapshots`, or find it there.

    A kept basis may have modalities that the tables lack: the snapshot lacks them too. One of which it knows nothing
    that the tables say (other listeners, other tags) is there and nobody has it; that is logged as a warning.

    Args:
        tables: with changes or without; the id covers what stands of them, and the manifest's last_change says up to
            which one, as it was when the snapshot was made.
        recipe: how to fit the basis; the kept basis has its own.
        keep: a snapshot whose basis is kept: artists are placed in it and nothing is fitted.
        pass_over: modalities of the tables that the kept basis lacks, and that are to be left out.
        required: modalities that somebody must have.
        tuning: how the recipe was found, stored beside the features as tuning.json. It is no part of the identity:
            a snapshot that is there already stays as it is.
        source: folder that the tables were copied from, for whoever is to read them again; left out, their own.

    Raises:
        InputError: a table is not what it should be, nobody has any modality, or there is too little to fit on
            (of the artists that are not held out).
        MismatchError: the kept basis lacks a modality that is not passed over, or nobody has one that is required.
    """
    basis = None if keep is None else load_basis(keep.folder / "basis")
    modalities = _chosen(tables, basis, pass_over)
    fitted = {"recipe": recipe.model_dump()} if keep is None else {"basis": keep.basis_id}
    digests = tables.digests()
    identity = content_id("snapshot", {"tables": digests, **fitted})
    final = snapshots / identity
    if final.exists():
        found = Snapshot.open(final)
        _check_required(tables, found.manifest["modalities"], required)
        (final / MANIFEST).touch()
        if source is not None or found.source is None:
            write_source(final, source or tables.folder)
        return found
    notes = Notes()
    artists = tables.artists(notes)
    ids: list[ArtistId] = artists.column("artist_id").to_pylist()
    plays = read_plays(tables, ids, progress, notes) if "plays" in tables.files else None
    held_out = _held_out(ids, recipe, basis)
    placed = _place_all(tables, modalities, ids, plays, recipe, basis, held_out, progress, notes)
    had = {p.modality.name: len(p.modality.rows) for p in placed}
    _check_required(tables, had, required)
    if basis is None:
        projectors = {p.modality.name: p.projector for p in placed}
        basis = Basis(recipe, projectors, tuple(itertools.compress(ids, held_out.tolist())))
    with published(final) as aside:
        write_artists(aside, artists, *_popularity(artists, plays))
        write_held_out(aside, held_out)
        for item in placed:
            write_modality(aside, item.modality)
        for table, read in (_raw(placed) | ({} if plays is None else {"plays": plays})).items():
            csr = read.weights
            write_raw_terms(aside / RAW / table, csr.indptr, csr.indices, csr.data, read.terms)
        if isinstance(tables, FoldedTables):
            kept = ["artists", *modalities.values()]
            write_beneath(aside / BENEATH, tables.base, kept, tables.standing, progress)
        basis_id = save_basis(aside / "basis", basis)
        fields = {
            "id": identity,
            "basis": basis_id,
            "artists": len(ids),
            "modalities": had,
            "tables": digests,
            "recipe": basis.recipe.model_dump(),
            "counts": {p.modality.name: asdict(p.counts) for p in placed},
            "sizes": {"artists": {"rows": len(ids)}, **{p.table: p.size for p in placed}},
            "rows": _accounts(len(ids), modalities, placed, notes),
            "notes": {what: {"count": n, "examples": notes.examples.get(what, ())} for what, n in notes.counts.items()},
            "columns_not_read": notes.columns,
        }
        if isinstance(tables, FoldedTables):
            fields["last_change"] = tables.last_change
        if held_out.any():
            fields["held_out"] = int(held_out.sum())
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
    """Keep the catalog's own `similar` table, where it has one, as the undirected truth "similar".

    Returns:
        Its account, by its name; nothing where there is none.
    """
    if "similar" not in tables.files:
        return {}
    pairs = pa.Table.from_batches(tables.batches("similar"))
    truth = save_truth(truths, "similar", pairs, directed=False, source=f"table {tables.files['similar'].name}")
    again = pairs.num_rows - truth.pairs.num_rows
    return {"similar": account(pairs.num_rows, {"of an artist with itself, or of a pair given before": again})}


def _accounts(artists: int, modalities: Mapping[str, str], placed: list[Placed], notes: Notes) -> dict[str, Account]:
    """By table, what became of its rows."""
    made = {p.modality.name: p for p in placed}
    return {"artists": account(artists, {})} | {
        table: account_of(table, made[name].counts, made[name].modality, notes) for name, table in modalities.items()
    }


def _chosen(tables: Tables, basis: Basis | None, pass_over: Collection[str]) -> dict[str, str]:
    """The modalities to place, and their tables."""
    if not tables.modalities:
        raise InputError(f"{tables.folder}: found no tags, plays, audio or other modality; wanted at least one")
    if basis is None and pass_over:
        raise InputError(
            f"pass over {', '.join(pass_over)}: found no kept basis; wanted one that lacks what is left out"
        )
    if basis is None:
        return tables.modalities
    new = [name for name in tables.modalities if name not in basis.projectors]
    if wrong := [name for name in pass_over if name not in new]:
        raise InputError(
            f"pass over: found {', '.join(wrong)}; wanted some of what the tables have and the kept basis lacks: "
            f"{', '.join(new) or 'nothing'}"
        )
    if left := [name for name in new if name not in pass_over]:
        raise MismatchError(
            f"the kept basis has {', '.join(sorted(basis.projectors))}; the tables have {', '.join(left)} besides: "
            f"fit a new basis (without --keep-basis), or leave it out (--pass-over {','.join(left)})"
        )
    return {name: table for name, table in tables.modalities.items() if name not in new}


def _check_required(tables: Tables, had: Mapping[str, int], required: Collection[str]) -> None:
    if missing := [name for name in required if not had.get(name)]:
        raise MismatchError(
            f"{tables.folder}: nobody has {', '.join(missing)} that the kept basis can use; "
            f"wanted somebody with each of {', '.join(sorted(required))}"
        )


def _place_all(
    tables: Tables,
    modalities: Mapping[str, str],
    ids: list[ArtistId],
    plays: Incidence | None,
    recipe: Recipe,
    basis: Basis | None,
    held_out: Mask,
    progress: Progress,
    notes: Notes,
) -> list[Placed]:
    placed = []
    for name, table in modalities.items():
        read = plays if table == "plays" and plays is not None else read_source(tables, table, ids, progress, notes)
        projector = _fit(tables, name, read, recipe, held_out, progress) if basis is None else basis.projectors[name]
        modality = place(name, table, read, projector, progress)
        if not len(modality.rows):
            if basis is None:
                raise _nothing_usable(tables, table)
            log.warning("nothing_usable modality=%s rows=%d", name, read.counts.rows)
        raw = {table: read} if isinstance(read, Incidence) else {}
        placed.append(Placed(modality, projector, read.counts, table, size_of(table, read, modality), raw))
    if not any(len(item.modality.rows) for item in placed):
        raise InputError(
            f"{tables.folder}: found nothing in {', '.join(modalities) or 'any modality'} that the kept basis can use; "
            "wanted tags, listeners or vectors that it was fitted on for at least one artist"
        )
    return placed


def _fit(tables: Tables, name: str, read: Source, recipe: Recipe, held_out: Mask, progress: Progress) -> Projector:
    table = tables.modalities[name]
    if read.counts.rows == read.counts.unknown_artists:
        raise _nothing_usable(tables, table)
    try:
        return fit_projector(name, table, read.among(~held_out), recipe, progress)
    except InputError as error:
        if not held_out.any():
            raise
        raise InputError(f"{error}; of {len(held_out)} artists {held_out.sum()} are held out") from error


def _nothing_usable(tables: Tables, table: str) -> InputError:
    return InputError(f"{tables.files[table]}: found nothing usable for any artist of the catalog; wanted some")


def _held_out(ids: list[ArtistId], recipe: Recipe, basis: Basis | None) -> Mask:
    """Whom the basis is, or was, fitted without; an artist that it never had is not held out but new."""
    if basis is None:
        return held_out_artists(ids, recipe.held_out, recipe.seed)
    known = set(basis.held_out)
    return np.array([artist_id in known for artist_id in ids], bool)


def _raw(placed: Collection[Placed]) -> dict[str, Incidence]:
    return {table: read for item in placed for table, read in item.raw.items()}


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
