"""riyl snapshot build | list."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.commands.session import counts, session
from core.snapshot import MANIFEST, Snapshot, find_snapshot
from core.tables import Tables
from training.features.build import build_snapshot, import_similar
from training.features.recipe import Recipe, load_recipe

app = typer.Typer(no_args_is_help=True, help="Features of a catalog, and the basis that places new artists among them.")


@app.command()
def build(
    context: typer.Context,
    tables: Annotated[Path, typer.Argument(help="Folder of tables.")],
    features: Annotated[Path | None, typer.Option(help="Recipe, a TOML file.")] = None,
    keep_basis: Annotated[
        str | None, typer.Option(help="Snapshot whose basis is kept: artists are placed in it, nothing is fitted.")
    ] = None,
) -> None:
    """Turn tables into a snapshot; a `similar` table becomes the truth "similar"."""
    run = session(context)
    opened = Tables.open(tables)
    recipe = Recipe() if features is None else load_recipe(features)
    kept = None if keep_basis is None else find_snapshot(run.home.snapshots, keep_basis)
    with run.progress() as progress:
        made = build_snapshot(opened, recipe, run.home.snapshots, keep=kept, progress=progress)
        import_similar(opened, run.home.truths)
    run.show(made.manifest)
    run.say(f"snapshot {made.id}: {made.n_artists:,} artists; {counts(made.manifest['modalities'])}")
    for modality, read in made.manifest["counts"].items():
        if read["unknown_artists"] or read["double_rows"]:
            run.say(
                f"  {modality}: {read['rows']:,} rows; left out {read['unknown_artists']:,} of artists not in the "
                f"artists table; added up {read['double_rows']:,} double ones"
            )


@app.command("list")
def list_(context: typer.Context) -> None:
    """List the snapshots, the newest last."""
    run = session(context)
    found = sorted(run.home.snapshots.glob(f"[!.]*/{MANIFEST}"), key=lambda p: p.stat().st_mtime_ns)
    opened = [Snapshot.open(path.parent) for path in found]
    run.show([s.manifest for s in opened])
    rows = [[s.id, s.basis_id, f"{s.n_artists:,}", counts(s.manifest["modalities"])] for s in opened]
    run.table("snapshots", ["id", "basis", "artists", "modalities"], rows, words=True)
