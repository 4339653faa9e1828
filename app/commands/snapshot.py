"""riyl snapshot build | list."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import typer

from riyl.app.commands.changes import with_changes
from riyl.app.commands.rows import reasons, say_snapshot
from riyl.app.commands.session import counts, session
from riyl.app.commands.streams import path
from riyl.core.catalog.tables import Tables
from riyl.core.errors import OutdatedError
from riyl.core.storage.snapshot import Snapshot, find_snapshot, snapshot_states
from riyl.training.features.build import TUNING, build_snapshot, import_similar
from riyl.training.features.featurizer import load_featurizer
from riyl.training.features.recipe import Recipe, load_recipe
from riyl.training.features.tune import Tuning, tune_cf

app = typer.Typer(
    no_args_is_help=True, help="Features of a catalog, and the featurizer that places new artists among them."
)


@app.command()
def build(
    context: typer.Context,
    tables: Annotated[Path, typer.Argument(parser=path, help="Folder of tables.")],
    features: Annotated[Path | None, typer.Option(parser=path, help="Recipe, a TOML file.")] = None,
    featurizer_from: Annotated[
        str | None, typer.Option(help="Snapshot whose featurizer is kept: artists are placed in it, nothing is fitted.")
    ] = None,
    pass_over: Annotated[
        str | None,
        typer.Option(help="Modalities that the kept featurizer lacks and that are left out, commas between."),
    ] = None,
    tune: Annotated[
        Literal["cf"] | None, typer.Option(help="Search these hyper-parameters first, from the recipe's own on.")
    ] = None,
    trials: Annotated[int, typer.Option(min=1, help="Trials of --tune in all; those already made count.")] = 30,
    holdout: Annotated[
        float | None,
        typer.Option(
            min=0, max=0.5, help="Share of the artists that featurizer and models never see; the recipe's held_out."
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

    With --featurizer-from, artists are placed where a model expects them, another catalog's too: it may lack modalities
    of the featurizer, and what the featurizer cannot use of it is counted.

    With --holdout, a share of the artists is placed like all others, but featurizer, encoders and baselines are fitted
    without them, to measure what a model makes of artists that it has not seen.
    """
    if tune is not None and featurizer_from is not None:
        raise typer.BadParameter("--tune fits a featurizer and --featurizer-from keeps one; wanted one of them")
    if holdout is not None and (featurizer_from is not None or math.isnan(holdout)):
        raise typer.BadParameter(
            "--holdout takes a share, 0 to 0.5, and a featurizer to fit: --featurizer-from keeps one"
        )
    if pass_over is not None and featurizer_from is None:
        raise typer.BadParameter(
            "--pass-over leaves out what a kept featurizer lacks; wanted --featurizer-from with it"
        )
    run = session(context)
    folder = Tables.open(tables, ignore_unread=ignore_unread or run.settings.ignore_unread)
    opened = with_changes(run, folder) if changes else folder
    recipe = Recipe() if features is None else load_recipe(features)
    if holdout is not None:
        recipe = recipe.model_copy(update={"holdout": holdout})
    featurizer_snapshot = None if featurizer_from is None else find_snapshot(run.home.snapshots, featurizer_from)
    left = [] if pass_over is None else pass_over.split(",")
    with run.progress() as progress:
        tuning = None
        if tune is not None:
            tuning = tune_cf(opened, recipe, run.home.root / "tunings", trials=trials, progress=progress)
            recipe = tuning.recipe
        record = None if tuning is None else tuning.record()
        snapshot = build_snapshot(
            opened,
            recipe,
            run.home.snapshots,
            keep=featurizer_snapshot,
            pass_over=left,
            tuning=record,
            source=tables,
            progress=progress,
        )
        similar = import_similar(opened, run.home.truths)
    rows, unread = {**snapshot.manifest.get("rows", {}), **similar}, reasons(folder.unread)
    shown = {**snapshot.manifest, "rows": rows, "files_not_read": unread}
    run.show(shown if record is None else {**shown, "tuning": record})
    if tuning is not None:
        run.say(_outcome(tuning))
        if not (snapshot.folder / TUNING).exists():
            run.say(f"  this snapshot was there before: the trials are in {run.home.root / 'tunings'} alone")
    run.say(f"snapshot {snapshot.id}: {snapshot.n_artists:,} artists; {counts(snapshot.manifest['modalities'])}")
    if snapshot.holdout.any():
        run.say(
            f"  held out {np.count_nonzero(snapshot.holdout):,} artists: featurizer and models are fitted without them"
        )
    if featurizer_snapshot is not None:
        for line in _missing(snapshot, left):
            run.say(f"  {line}")
    say_snapshot(run, snapshot.manifest, similar, unread)


def _missing(snapshot: Snapshot, passed_over: list[str]) -> list[str]:
    """What of the featurizer nobody has, and what it has no place for."""
    absent = [name for name in load_featurizer(snapshot).modalities if name not in snapshot.modalities]
    unused = [name for name in snapshot.modalities if name not in snapshot.modalities_had]
    return [
        *(f"{name}: the tables have none, so nobody has it" for name in absent),
        *(f"{name}: the kept featurizer knows nothing of what the tables have, so nobody has it" for name in unused),
        *(f"{name}: passed over, the kept featurizer has none" for name in passed_over),
    ]


def _outcome(tuning: Tuning) -> str:
    best, start = tuning.best, tuning.trials[0]
    if best is start:
        return f"cf: of {len(tuning.trials)} trials none is above the recipe's own values, {start.score:.4f}; they stay"
    values = ", ".join(f"{name} {value:g}" for name, value in best.values.items())
    gain = f"{best.score / start.score - 1:+.1%}" if start.score else "from nothing"
    return (
        f"cf: best of {len(tuning.trials)} trials is {best.number}: {values}; nDCG@200 of held-back plays "
        f"{best.score:.4f}, with the recipe's own values {start.score:.4f} ({gain})"
    )


@app.command("list")
def list_(context: typer.Context) -> None:
    """List the snapshots, the newest last."""
    run = session(context)
    states = list(snapshot_states(run.home.snapshots))[::-1]
    opened = [state for _, state in states if isinstance(state, Snapshot)]
    outdated = {id: str(state) for id, state in states if isinstance(state, OutdatedError)}
    run.show([*(s.manifest for s in opened), *({"id": id, "unreadable": reason} for id, reason in outdated.items())])
    rows = [[s.id, s.featurizer_id, f"{s.n_artists:,}", counts(s.manifest["modalities"])] for s in opened]
    rows += [[id, "", "", "unreadable"] for id in outdated]
    run.table("snapshots", ["id", "featurizer", "artists", "modalities"], rows, words=True)
    for reason in outdated.values():
        run.say(reason)
