"""riyl snapshot build | list."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import typer

from app.commands.changes import with_changes
from app.commands.rows import reasons, say_snapshot
from app.commands.session import counts, session
from app.commands.streams import path
from core.snapshot import MANIFEST, Snapshot, find_snapshot
from core.tables import Tables
from training.features.basis import load_basis
from training.features.build import TUNING, build_snapshot, import_similar
from training.features.recipe import Recipe, load_recipe
from training.features.tune import Tuning, tune_cf

app = typer.Typer(no_args_is_help=True, help="Features of a catalog, and the basis that places new artists among them.")


@app.command()
def build(
    context: typer.Context,
    tables: Annotated[Path, typer.Argument(parser=path, help="Folder of tables.")],
    features: Annotated[Path | None, typer.Option(parser=path, help="Recipe, a TOML file.")] = None,
    keep_basis: Annotated[
        str | None, typer.Option(help="Snapshot whose basis is kept: artists are placed in it, nothing is fitted.")
    ] = None,
    pass_over: Annotated[
        str | None,
        typer.Option(
            help="Modalities that the kept basis lacks and that are left out, commas between.", show_default=False
        ),
    ] = None,
    tune: Annotated[
        Literal["cf"] | None, typer.Option(help="Search these hyper-parameters first, from the recipe's own on.")
    ] = None,
    trials: Annotated[int, typer.Option(min=1, help="Trials of --tune in all; those already made count.")] = 30,
    hold_out: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=0.5,
            help="Share of the artists that basis and models never see; the recipe's held_out.",
            show_default=False,
        ),
    ] = None,
    ignore_unread: Annotated[
        bool,
        typer.Option("--ignore-unread", help="Pass over files of the folder that are not read [RIYL_IGNORE_UNREAD]."),
    ] = False,
    changes: Annotated[
        bool,
        typer.Option(
            "--changes", help="Fold in what was put, patched, deleted and merged over HTTP, as a re-index does."
        ),
    ] = False,
) -> None:
    """Turn tables into a snapshot; a `similar` table becomes the truth "similar".

    With --tune cf, CF's regularization, alpha and iterations are searched on held-back plays. A search that was
    stopped goes on where it was.

    With --keep-basis, artists are placed where a model expects them, another catalog's too: it may lack modalities of
    the basis, and what the basis cannot use of it is counted.

    With --hold-out, a share of the artists is placed like all others, but basis, encoders and baselines are fitted
    without them, to measure what a model makes of artists that it has not seen.
    """
    if tune is not None and keep_basis is not None:
        raise typer.BadParameter("--tune fits a basis and --keep-basis keeps one; wanted one of them")
    if hold_out is not None and (keep_basis is not None or math.isnan(hold_out)):
        raise typer.BadParameter("--hold-out takes a share, 0 to 0.5, and a basis to fit: --keep-basis keeps one")
    if pass_over is not None and keep_basis is None:
        raise typer.BadParameter("--pass-over leaves out what a kept basis lacks; wanted --keep-basis with it")
    run = session(context)
    folder = Tables.open(tables, ignore_unread=ignore_unread or run.settings.ignore_unread)
    opened = with_changes(run, folder) if changes else folder
    recipe = Recipe() if features is None else load_recipe(features)
    if hold_out is not None:
        recipe = recipe.model_copy(update={"held_out": hold_out})
    kept = None if keep_basis is None else find_snapshot(run.home.snapshots, keep_basis)
    left = [] if pass_over is None else pass_over.split(",")
    with run.progress() as progress:
        tuning = None
        if tune is not None:
            tuning = tune_cf(opened, recipe, run.home.root / "tunings", trials=trials, progress=progress)
            recipe = tuning.recipe
        record = None if tuning is None else tuning.record()
        made = build_snapshot(
            opened,
            recipe,
            run.home.snapshots,
            keep=kept,
            pass_over=left,
            tuning=record,
            source=tables,
            progress=progress,
        )
        similar = import_similar(opened, run.home.truths)
    rows, unread = {**made.manifest.get("rows", {}), **similar}, reasons(folder.unread)
    shown = {**made.manifest, "rows": rows, "files_not_read": unread}
    run.show(shown if record is None else {**shown, "tuning": record})
    if tuning is not None:
        run.say(_outcome(tuning))
        if not (made.folder / TUNING).exists():
            run.say(f"  this snapshot was there before: the trials are in {run.home.root / 'tunings'} alone")
    run.say(f"snapshot {made.id}: {made.n_artists:,} artists; {counts(made.manifest['modalities'])}")
    if made.held_out.any():
        run.say(f"  held out {np.count_nonzero(made.held_out):,} artists: basis and models are fitted without them")
    if kept is not None:
        for line in _missing(made, left):
            run.say(f"  {line}")
    say_snapshot(run, made.manifest, similar, unread)


def _missing(made: Snapshot, passed_over: list[str]) -> list[str]:
    """What of the basis nobody has, and what it has no place for."""
    absent = [name for name in load_basis(made.folder / "basis").projectors if name not in made.modalities]
    unused = [name for name in made.modalities if name not in made.modalities_had]
    return [
        *(f"{name}: the tables have none, so nobody has it" for name in absent),
        *(f"{name}: the kept basis knows nothing of what the tables have, so nobody has it" for name in unused),
        *(f"{name}: passed over, the kept basis has none" for name in passed_over),
    ]


def _outcome(tuning: Tuning) -> str:
    best, own = tuning.best, tuning.trials[0]
    if best is own:
        return f"cf: of {len(tuning.trials)} trials none is above the recipe's own values, {own.score:.4f}; they stay"
    values = ", ".join(f"{name} {value:g}" for name, value in best.values.items())
    gain = f"{best.score / own.score - 1:+.1%}" if own.score else "from nothing"
    return (
        f"cf: best of {len(tuning.trials)} trials is {best.number}: {values}; nDCG@200 of held-back plays "
        f"{best.score:.4f}, with the recipe's own values {own.score:.4f} ({gain})"
    )


@app.command("list")
def list_(context: typer.Context) -> None:
    """List the snapshots, the newest last."""
    run = session(context)
    found = sorted(run.home.snapshots.glob(f"[!.]*/{MANIFEST}"), key=lambda p: p.stat().st_mtime_ns)
    opened = [Snapshot.open(each.parent) for each in found]
    run.show([s.manifest for s in opened])
    rows = [[s.id, s.basis_id, f"{s.n_artists:,}", counts(s.manifest["modalities"])] for s in opened]
    run.table("snapshots", ["id", "basis", "artists", "modalities"], rows, words=True)
