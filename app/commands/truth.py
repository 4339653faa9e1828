"""Commands `riyl truth import` and `riyl truth list`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import pyarrow as pa
import typer

from riyl.app.commands.session import Session, session
from riyl.app.commands.streams import path
from riyl.core.catalog.pairs import read_pairs
from riyl.core.errors import NotFoundError
from riyl.core.storage.entries import by_age
from riyl.core.storage.ground_truth import MANIFEST, Truth, save_truth
from riyl.core.storage.snapshot import Snapshot
from riyl.index.versions.line import find_snapshot_of_line

app = typer.Typer(
    no_args_is_help=True, help="Pairs of artists known to be similar, to evaluate against (ground truths)."
)


@app.command("import")
def import_(
    context: typer.Context,
    file: Annotated[
        Path,
        typer.Argument(
            parser=path,
            help="Parquet, CSV or TSV file with the columns artist_id and similar_id; or artist_connections.npz of the "
            "OLGA dataset, or any other SciPy sparse matrix of artists by artists.",
        ),
    ],
    name: Annotated[str | None, typer.Option(help="Name of the ground truth [the file's].")] = None,
    directed: Annotated[
        bool, typer.Option("--directed", help="Pairs count only from artist_id to similar_id, not back.")
    ] = False,
    ids: Annotated[
        Path | None,
        typer.Option(
            parser=path,
            help="Artist of each row of the matrix: .txt with one id per line, or .csv with artist_id or OLGA's "
            "musicbrainz_id [olga.csv beside the matrix].",
        ),
    ] = None,
    snapshot: Annotated[
        str | None,
        typer.Option(help="Snapshot whose artists to look for [the newest of the current version's catalog]."),
    ] = None,
) -> None:
    """Store pairs of similar artists as a ground truth.

    Prints how many of the pairs have both artists in a snapshot.
    """
    run = session(context)
    catalog = _catalog(run, snapshot)
    pairs = read_pairs(file, ids)
    truth = save_truth(run.home.truths, name or file.stem, pairs, directed=directed, source=file.name)
    coverage = truth.coverage(pa.array([], pa.string()) if catalog is None else _ids(catalog))
    warning = None if catalog is None else coverage.warning(f"snapshot {catalog.id}")
    compared_to = None if catalog is None else {"snapshot": catalog.id, **asdict(coverage)}
    run.show({**truth.manifest, "known": compared_to, "warning": warning})
    counts, artists = truth.manifest["counts"], coverage.artists + coverage.unknown_artists
    run.say(
        f"truth {truth.name} {truth.id}: {counts['pairs']:,} pairs of {artists:,} artists, {_kind(truth)}; skipped "
        f"{counts['self_pairs']:,} of an artist with itself and {counts['double_pairs']:,} duplicates"
    )
    if catalog is None:
        run.say("  there is no snapshot yet to look for the artists in")
    else:
        unknown = f"{coverage.unknown_artists:,} artists"
        if coverage.examples:
            unknown += f", such as {', '.join(coverage.examples)}"
        run.say(
            f"  snapshot {catalog.id} has {coverage.pairs:,} pairs; lacks {coverage.unknown_pairs:,} pairs, {unknown}"
        )
    if warning is not None:
        typer.echo(f"warning: {warning}", err=True)


@app.command("list")
def list_(context: typer.Context) -> None:
    """List the ground truths, the newest last.

    The column `known` counts the pairs of which the newest snapshot, of the current version's catalog, has both
    artists.
    """
    run = session(context)
    catalog = _catalog(run, None)
    opened = [Truth.open(path.parent) for path in by_age(run.home.truths, MANIFEST)]
    known_pairs = [None if catalog is None else truth.coverage(_ids(catalog)).pairs for truth in opened]
    run.show([{**truth.manifest, "known_pairs": pairs} for truth, pairs in zip(opened, known_pairs, strict=True)])
    rows = [
        [truth.name, truth.id, f"{truth.pairs.num_rows:,}", "" if pairs is None else f"{pairs:,}", _kind(truth)]
        for truth, pairs in zip(opened, known_pairs, strict=True)
    ]
    run.table("truths", ["name", "id", "pairs", "known", "kind"], rows, words=True)


def _kind(truth: Truth) -> str:
    return "directed" if truth.directed else "undirected"


def _ids(catalog: Snapshot) -> pa.Array:
    return catalog.artists.column("artist_id").combine_chunks()


def _catalog(run: Session, name: str | None) -> Snapshot | None:
    """Return the snapshot of this name; with None the newest of the line, or None if there is no snapshot."""
    try:
        return find_snapshot_of_line(run.home, name, run.tell)
    except NotFoundError:
        if name is not None:
            raise
        return None
