"""riyl truth import | list."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pyarrow as pa
import typer

from app.commands.session import session
from core.errors import InputError
from core.tables import Tables
from core.truth import MANIFEST, Truth, save_truth

app = typer.Typer(no_args_is_help=True, help="Ground truths: which artists are similar.")


@app.command("import")
def import_(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="Parquet or CSV file with artist_id and similar_id.")],
    name: Annotated[str | None, typer.Option(help="Name of the truth [the file's].", show_default=False)] = None,
    directed: Annotated[
        bool, typer.Option("--directed", help="A pair counts from artist_id to similar_id alone.")
    ] = False,
) -> None:
    """Keep a file of similar pairs as a truth."""
    run = session(context)
    if not file.is_file() or file.suffix not in (".parquet", ".csv"):
        raise InputError(f"{file}: wanted a .parquet or .csv file with the columns artist_id and similar_id")
    pairs = pa.Table.from_batches(Tables(file.parent, {"similar": file}).batches("similar"))
    truth = save_truth(run.home.truths, name or file.stem, pairs, directed=directed, source=file.name)
    run.show(truth.manifest)
    counts = truth.manifest["counts"]
    run.say(
        f"truth {truth.name} {truth.id}: {counts['pairs']:,} pairs, {'directed' if directed else 'undirected'}; "
        f"left out {counts['self_pairs']:,} of an artist with itself and {counts['double_pairs']:,} double ones"
    )


@app.command("list")
def list_(context: typer.Context) -> None:
    """List the truths, the newest last."""
    run = session(context)
    found = sorted(run.home.truths.glob(f"[!.]*/{MANIFEST}"), key=lambda p: p.stat().st_mtime_ns)
    opened = [Truth.open(path.parent) for path in found]
    run.show([t.manifest for t in opened])
    rows = [[t.name, t.id, f"{t.pairs.num_rows:,}", "directed" if t.directed else "undirected"] for t in opened]
    run.table("truths", ["name", "id", "pairs", "kind"], rows, words=True)
