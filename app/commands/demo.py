"""riyl demo: the whole way, on a made-up catalog or the user's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.commands.evaluate import ALL, choose_models, measure, show_results
from app.commands.session import Session, counts, session
from core.tables import Tables
from core.truth import find_truth
from core.types import Progress
from evaluation.protocol import conditions_of
from training.config import load_config
from training.datasets.registry import make_tables
from training.features.build import build_snapshot, import_similar
from training.features.recipe import Recipe
from training.train import train

CATALOG = "synthetic"
CONFIG = "paper-msd"


def demo(
    context: typer.Context,
    tables: Annotated[
        Path | None, typer.Argument(help="Folder of tables [a made-up catalog].", show_default=False)
    ] = None,
    serve: Annotated[bool, typer.Option("--serve/--no-serve", help="Serve the catalog at the end.")] = True,
) -> None:
    """From tables to measured embeddings: catalog, snapshot, the paper's encoders, baselines, the table of figures."""
    run = session(context)
    with run.progress() as progress:
        folder = _catalog(run, progress) if tables is None else tables
        opened = Tables.open(folder)
        snapshot = build_snapshot(opened, Recipe(), run.home.snapshots, progress=progress)
        import_similar(opened, run.home.truths)
        run.say(f"catalog   {folder}: {snapshot.n_artists:,} artists")
        run.say(f"snapshot  {snapshot.id}: {counts(snapshot.manifest['modalities'])}")
        name, config = load_config(CONFIG)
        model = train(name, config, snapshot, run.home.models, threads=run.settings.threads, progress=progress)
        run.say(f"model     {model.id}: {name}, best of epoch {model.card['scores']['best_epoch']:.0f}")
        if "similar" not in opened.files:
            run.say("\nThe catalog has no `similar` table, so there is nothing to measure against; bring a truth with")
            run.say(
                "riyl truth import FILE, then run riyl evaluate; the vectors: riyl export embeddings --out F.parquet"
            )
            return
        truth = find_truth(run.home.truths, "similar")
        models = choose_models(run, snapshot, ALL, 0, progress)
        results, comparisons = measure(run, snapshot, truth, models, conditions_of(snapshot), progress=progress)
    show_results(run, truth, results, comparisons)


def _catalog(run: Session, progress: Progress) -> Path:
    folder = run.home.tables / CATALOG
    if not folder.exists():
        make_tables(CATALOG, run.home.downloads, folder, progress)
    return folder
