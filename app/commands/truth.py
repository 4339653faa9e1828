"""riyl truth import | list."""

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
from riyl.core.storage.snapshot import Snapshot, find_snapshot

app = typer.Typer(no_args_is_help=True, help="Ground truths: which artists are similar.")


@app.command("import")
def import_(
    context: typer.Context,
    file: Annotated[
        Path,
        typer.Argument(
            parser=path,
            help="Parquet, CSV or TSV file with artist_id and similar_id; or OLGA's artist_connections.npz, or any "
            "other scipy sparse matrix of artists by artists.",
        ),
    ],
    name: Annotated[str | None, typer.Option(help="Name of the truth [the file's].")] = None,
    directed: Annotated[
        bool, typer.Option("--directed", help="A pair counts from artist_id to similar_id alone.")
    ] = False,
    ids: Annotated[
        Path | None,
        typer.Option(
            parser=path,
            help="Who each row of the matrix is: .txt with an id a line, or .csv with artist_id or OLGA's "
            "musicbrainz_id [olga.csv beside it].",
        ),
    ] = None,
    snapshot: Annotated[str | None, typer.Option(help="Snapshot whose artists are looked for [the newest].")] = None,
) -> None:
    """Keep similar pairs as a truth, and say how many of them a snapshot knows."""
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
        f"truth {truth.name} {truth.id}: {counts['pairs']:,} pairs of {artists:,} artists, {_kind(truth)}; left out "
        f"{counts['self_pairs']:,} of an artist with itself and {counts['double_pairs']:,} double ones"
    )
    if catalog is None:
        run.say("  there is no snapshot yet that may know them")
    else:
        unknown = f"{coverage.unknown_artists:,} artists"
        if coverage.examples:
            unknown += f", such as {', '.join(coverage.examples)}"
        run.say(
            f"  snapshot {catalog.id} knows {coverage.pairs:,} pairs; not {coverage.unknown_pairs:,}, nor {unknown}"
        )
    if warning is not None:
        typer.echo(f"warning: {warning}", err=True)


@app.command("list")
def list_(context: typer.Context) -> None:
    """List the truths, the newest last, and how many pairs of each the newest snapshot knows."""
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
    """The snapshot of this name; with None the newest, if there is any."""
    try:
        return find_snapshot(run.home.snapshots, name)
    except NotFoundError:
        if name is not None:
            raise
        return None
