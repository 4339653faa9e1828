"""Commands `riyl snapshot build` and `riyl snapshot list`."""

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
    no_args_is_help=True,
    help="Snapshots: a catalog's data as numbers, to train models on. These numbers are called features; a snapshot "
    "also holds the featurizer, which computes them from the raw data of any artist.",
)


@app.command()
def build(
    context: typer.Context,
    tables: Annotated[Path, typer.Argument(parser=path, help="Folder of tables to read.")],
    features: Annotated[
        Path | None, typer.Option(parser=path, help="Recipe: settings of the features, in a TOML file.")
    ] = None,
    featurizer_from: Annotated[
        str | None,
        typer.Option(help="Snapshot whose featurizer is used instead of a new one, so that its models fit."),
    ] = None,
    pass_over: Annotated[
        str | None,
        typer.Option(help="Modalities to omit because the featurizer of --featurizer-from lacks them, by commas."),
    ] = None,
    tune: Annotated[
        Literal["cf"] | None, typer.Option(help="First search for better settings of CF, starting at the recipe's.")
    ] = None,
    trials: Annotated[int, typer.Option(min=1, help="Total trials of --tune, including earlier ones.")] = 30,
    holdout: Annotated[
        float | None,
        typer.Option(
            min=0, max=0.5, help="Share of the artists that featurizer and models never see [holdout of the recipe]."
        ),
    ] = None,
    ignore_unread: Annotated[
        bool,
        typer.Option("--ignore-unread", help="Skip files that are not tables of a known name [RIYL_IGNORE_UNREAD]."),
    ] = False,
    changes: Annotated[
        bool,
        typer.Option(
            "--changes", help="Apply the changes made over HTTP (put, patch, delete, merge) first, as a re-index does."
        ),
    ] = False,
) -> None:
    """Build a snapshot from a folder of tables.

    A `similar` table in the folder becomes the ground truth "similar".

    With --tune cf, regularization, alpha and iterations of CF (collaborative filtering, which compares artists by
    their listeners) are searched, and judged on plays that are kept out of the fit. An interrupted search resumes.

    With --featurizer-from, existing models can be applied to the new snapshot, also if it is of another catalog. The
    catalog may lack modalities of the featurizer; values that the featurizer cannot use are counted.

    With --holdout, a share of the artists gets features like all others, but featurizer, encoders and baselines are
    fitted without them. This measures how well a model handles artists that it has never seen.
    """
    if tune is not None and featurizer_from is not None:
        raise typer.BadParameter("--tune fits a new featurizer and --featurizer-from keeps one; give only one of them")
    if holdout is not None and (featurizer_from is not None or math.isnan(holdout)):
        raise typer.BadParameter(
            "--holdout wants a share from 0 to 0.5, and a featurizer to fit, so not with --featurizer-from"
        )
    if pass_over is not None and featurizer_from is None:
        raise typer.BadParameter(
            "--pass-over omits modalities that a kept featurizer lacks; it needs --featurizer-from"
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
            run.say(f"  this snapshot existed already: the trials are only in {run.home.root / 'tunings'}")
    run.say(f"snapshot {snapshot.id}: {snapshot.n_artists:,} artists; {counts(snapshot.manifest['modalities'])}")
    if snapshot.holdout.any():
        run.say(
            f"  holdout: {np.count_nonzero(snapshot.holdout):,} artists, without which featurizer and models are fitted"
        )
    if featurizer_snapshot is not None:
        for line in _missing(snapshot, left):
            run.say(f"  {line}")
    say_snapshot(run, snapshot.manifest, similar, unread)


def _missing(snapshot: Snapshot, passed_over: list[str]) -> list[str]:
    """Describe modalities without artists in the new snapshot, and modalities that were omitted."""
    absent = [name for name in load_featurizer(snapshot).modalities if name not in snapshot.modalities]
    unused = [name for name in snapshot.modalities if name not in snapshot.modalities_had]
    return [
        *(f"{name}: not in the tables, so no artist has it" for name in absent),
        *(f"{name}: the kept featurizer knows none of the tables' values, so no artist has it" for name in unused),
        *(f"{name}: omitted, because the kept featurizer lacks it" for name in passed_over),
    ]


def _outcome(tuning: Tuning) -> str:
    best, start = tuning.best, tuning.trials[0]
    if best is start:
        return f"cf: none of {len(tuning.trials)} trials exceeds the recipe's values, {start.score:.4f}; they stay"
    values = ", ".join(f"{name} {value:g}" for name, value in best.values.items())
    gain = f"{best.score / start.score - 1:+.1%}" if start.score else "from nothing"
    return (
        f"cf: best of {len(tuning.trials)} trials is {best.number}: {values}; nDCG@200 on validation plays "
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
