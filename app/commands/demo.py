"""Command `riyl demo`: all steps from tables to a running service, on a synthetic catalog or the user's own."""

from __future__ import annotations

import logging
from dataclasses import asdict
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import httpx
import typer

from riyl.app.commands.current import current
from riyl.app.commands.evaluate import store_run
from riyl.app.commands.evaluation_tables import show_results
from riyl.app.commands.index import who
from riyl.app.commands.rows import reasons, say_snapshot
from riyl.app.commands.session import Session, counts, session
from riyl.app.commands.streams import path
from riyl.app.evaluations.question import Question
from riyl.app.evaluations.run import run_evaluation
from riyl.app.http.logging import configure
from riyl.app.http.server import run as serve_until_signalled
from riyl.app.main import create_app
from riyl.core.catalog.freeze import freeze_tables
from riyl.core.catalog.tables import Tables
from riyl.core.errors import StaleDatabaseError
from riyl.core.files import content_id
from riyl.core.types import Progress
from riyl.index.build.build import build_version
from riyl.index.overlay.artists import Artist
from riyl.index.versions import lifecycle
from riyl.training.config import DEFAULT, load_config
from riyl.training.datasets.registry import make_tables
from riyl.training.features.build import build_snapshot, import_similar
from riyl.training.features.recipe import Recipe
from riyl.training.train import train

log = logging.getLogger(__name__)

CATALOG = "synthetic"
HOST = "127.0.0.1"


def demo(
    context: typer.Context,
    tables: Annotated[
        Path | None, typer.Argument(parser=path, help="Folder of tables [RIYL_TABLES, else a synthetic catalog].")
    ] = None,
    serve: Annotated[bool, typer.Option("--serve/--no-serve", help="Start the service at the end.")] = True,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the service.")] = 8000,
    ignore_unread: Annotated[
        bool,
        typer.Option("--ignore-unread", help="Skip files that are not tables of a known name [RIYL_IGNORE_UNREAD]."),
    ] = False,
    once: Annotated[
        bool, typer.Option("--once", help="Build nothing if the home already has a current version.")
    ] = False,
) -> None:
    """Run all steps, from a catalog to a running service.

    Reads the catalog, trains a model, compares it to baselines (simple methods), builds an index, and serves it. A
    later re-index that names no tables uses the same tables.
    """
    run = session(context)
    if not once or not _current(run):
        _make(run, tables or run.settings.tables, ignore_unread or run.settings.ignore_unread)
    if serve:
        _serve(run, port)


def _current(run: Session) -> bool:
    try:
        lifecycle.follow(run.home.versions, run.database)
    except StaleDatabaseError as error:  # the home's own current version remains in use
        log.warning("promotions_unknown reason=%s", error)
    version = lifecycle.current(run.home.versions)
    if version is not None:
        run.say(f"version   {version}: current")
    return version is not None


def _make(run: Session, tables: Path | None, ignore_unread: bool) -> None:
    with run.progress() as progress:
        folder = _catalog(run, progress) if tables is None else tables
        unread = reasons(Tables.open(folder, ignore_unread=ignore_unread).unread)
        opened = Tables.open(freeze_tables(folder, run.home.frozen_tables, ignore_unread=ignore_unread))
        snapshot = build_snapshot(opened, Recipe(), run.home.snapshots, source=folder, progress=progress)
        similar = import_similar(opened, run.home.truths)
        run.say(f"catalog   {folder}: {snapshot.n_artists:,} artists")
        say_snapshot(run, snapshot.manifest, similar, unread)
        run.say(f"snapshot  {snapshot.id}: {counts(snapshot.manifest['modalities'])}")
        name, config = load_config(DEFAULT)
        model = train(name, config, snapshot, run.home.models, threads=run.settings.threads, progress=progress)
        run.say(f"model     {model.id}: {name}, {', '.join(model.parts)} to {model.dim} dimensions")
        if "similar" in opened.files:
            question = Question(truth="similar", snapshot=snapshot.id)
            evaluated = run_evaluation(run.home, question, threads=run.threads, progress=progress)
            show_results(run, evaluated)
            # the id is a hash of the content: repeated demos with equal figures store one evaluation
            identity = content_id("evaluation", {"asked": asdict(question), "figures": evaluated.figures})
            store_run(run, identity, question, evaluated, by="demo")
        else:
            run.say(
                "\nThe catalog has no `similar` table, so the model is not evaluated. To evaluate it, import pairs of"
            )
            run.say("similar artists with riyl truth import FILE, then run riyl evaluate.")
        recall = run.settings.quality_min_recall
        version = build_version(
            model, snapshot, run.home.versions, recall=recall, threads=run.threads, progress=progress
        )
    if lifecycle.current(run.home.versions) != version.id:
        lifecycle.promote(run.home.versions, run.database, version.id, by=who(), why="demo")
    run.say(f"\nversion   {version.id}: {version.manifest['counts']['embedded']:,} artists, current")


def _catalog(run: Session, progress: Progress) -> Path:
    folder = run.home.tables / CATALOG
    if not folder.exists():
        make_tables(CATALOG, run.home.downloads, folder, progress)
    return folder


def _serve(run: Session, port: int) -> None:
    """Serve until Ctrl-C; when the service has started, send it three example requests."""
    configure("WARNING")
    serve_until_signalled(create_app(run.settings), HOST, port, when_started=lambda: _ask(run, f"http://{HOST}:{port}"))


def _ask(run: Session, address: str) -> None:
    with httpx.Client(base_url=address) as client:
        for artist in _examples(run):
            query = f"/v1/artists/{quote(artist.id, safe='')}/similar?k=5"
            run_query = client.get(query).raise_for_status().json()
            run.say(f"\nGET {query}\n{artist.name} ({', '.join(artist.modalities)}; {artist.listeners:,} listeners)")
            for neighbour in run_query["similar"]:
                run.say(f"  {neighbour['score']:.3f}  {neighbour['name']}  ({', '.join(neighbour['modalities'])})")
    run.say(f"\nServing at {address} until Ctrl-C; the API is documented at {address}/docs.")


def _examples(run: Session) -> list[Artist]:
    """Return the most popular artist, one of median popularity and the least popular one."""
    state = current(run, verify=False)
    searcher, version = state.searcher, state.searcher.version
    rows = version.by_popularity[searcher.overlay.searchable[version.by_popularity]]
    shown = [row for row in rows.tolist() if row not in state.rules.blocked]
    return [searcher.artist(shown[position]) for position in (0, len(shown) // 2, -1)] if shown else []
