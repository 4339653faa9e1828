"""riyl demo: the whole way, on a made-up catalog or the user's own."""

from __future__ import annotations

import logging
import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import httpx
import typer

from app.commands.current import current
from app.commands.evaluate import show_results, store_run
from app.commands.index import who
from app.commands.rows import reasons, say_snapshot
from app.commands.session import Session, counts, session
from app.commands.streams import path
from app.evaluating import Question, run_evaluation
from app.logs import configure
from app.main import create_app
from app.serving import run as serve_until_signalled
from core.errors import StaleDatabaseError
from core.files import content_id
from core.fixing import fix_tables
from core.tables import Tables
from core.types import Progress
from index import versions
from index.artists import Artist
from index.build import build_version
from training.config import DEFAULT, load_config
from training.datasets.registry import make_tables
from training.features.build import build_snapshot, import_similar
from training.features.recipe import Recipe
from training.train import train

log = logging.getLogger(__name__)

CATALOG = "synthetic"
HOST = "127.0.0.1"


def demo(
    context: typer.Context,
    tables: Annotated[
        Path | None,
        typer.Argument(parser=path, help="Folder of tables [RIYL_TABLES, else a made-up catalog].", show_default=False),
    ] = None,
    serve: Annotated[bool, typer.Option("--serve/--no-serve", help="Serve the catalog at the end.")] = True,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to serve at.")] = 8000,
    ignore_unread: Annotated[
        bool,
        typer.Option("--ignore-unread", help="Pass over files of the folder that are not read [RIYL_IGNORE_UNREAD]."),
    ] = False,
    once: Annotated[bool, typer.Option("--once", help="Make nothing where a version is current already.")] = False,
) -> None:
    """The whole way: catalog, snapshot, model, baselines, the table of figures, index, service.

    A re-index that names no tables takes the same ones.
    """
    run = session(context)
    if not once or not _current(run):
        _make(run, tables or run.settings.tables, ignore_unread or run.settings.ignore_unread)
    if serve:
        _serve(run, port)


def _current(run: Session) -> bool:
    try:
        versions.follow(run.home.versions, run.database)
    except StaleDatabaseError as error:  # what this home has as current stands
        log.warning("promotions_unknown reason=%s", error)
    made = versions.current(run.home.versions)
    if made is not None:
        run.say(f"version   {made}: current")
    return made is not None


def _make(run: Session, tables: Path | None, ignore_unread: bool) -> None:
    threads = run.settings.threads or os.cpu_count() or 1
    with run.progress() as progress:
        folder = _catalog(run, progress) if tables is None else tables
        unread = reasons(Tables.open(folder, ignore_unread=ignore_unread).unread)
        opened = Tables.open(fix_tables(folder, run.home.fixed, ignore_unread=ignore_unread))
        snapshot = build_snapshot(opened, Recipe(), run.home.snapshots, source=folder, progress=progress)
        similar = import_similar(opened, run.home.truths)
        run.say(f"catalog   {folder}: {snapshot.n_artists:,} artists")
        say_snapshot(run, snapshot.manifest, similar, unread)
        run.say(f"snapshot  {snapshot.id}: {counts(snapshot.manifest['modalities'])}")
        name, config = load_config(DEFAULT)
        model = train(name, config, snapshot, run.home.models, threads=run.settings.threads, progress=progress)
        run.say(f"model     {model.id}: {name}, {', '.join(model.parts)} to {model.dim} dimensions")
        if "similar" in opened.files:
            asked = Question(truth="similar", snapshot=snapshot.id)
            found = run_evaluation(run.home, asked, threads=threads, progress=progress)
            show_results(run, found)
            # by its content: the same figures are one evaluation, however often the demo is run
            identity = content_id("evaluation", {"asked": asdict(asked), "figures": found.figures})
            store_run(run, identity, asked, found, by="demo")
        else:
            run.say("\nThe catalog has no `similar` table, so there is nothing to measure against; bring a truth with")
            run.say("riyl truth import FILE, then run riyl evaluate.")
        recall = run.settings.gate_min_recall
        version = build_version(model, snapshot, run.home.versions, recall=recall, threads=threads, progress=progress)
    if versions.current(run.home.versions) != version.id:
        versions.promote(run.home.versions, run.database, version.id, by=who(), why="demo")
    run.say(f"\nversion   {version.id}: {version.manifest['counts']['embedded']:,} artists, current")


def _catalog(run: Session, progress: Progress) -> Path:
    folder = run.home.tables / CATALOG
    if not folder.exists():
        make_tables(CATALOG, run.home.downloads, folder, progress)
    return folder


def _serve(run: Session, port: int) -> None:
    """Serve until Ctrl-C; once the service answers, ask it three times."""
    configure("WARNING")
    serve_until_signalled(create_app(run.settings), HOST, port, when_started=lambda: _ask(run, f"http://{HOST}:{port}"))


def _ask(run: Session, address: str) -> None:
    with httpx.Client(base_url=address) as client:
        for artist in _examples(run):
            query = f"/v1/artists/{quote(artist.id, safe='')}/similar?k=5"
            answer = client.get(query).raise_for_status().json()
            run.say(f"\nGET {query}\n{artist.name} ({', '.join(artist.modalities)}; {artist.listeners:,} listeners)")
            for found in answer["similar"]:
                run.say(f"  {found['score']:.3f}  {found['name']}  ({', '.join(found['modalities'])})")
    run.say(f"\nServing at {address}, its interface at {address}/docs, until Ctrl-C.")


def _examples(run: Session) -> list[Artist]:
    """The best known artist, one in the middle and one whom hardly anybody knows."""
    served = current(run, verify=False)
    searcher, version = served.searcher, served.searcher.version
    rows = version.by_popularity[searcher.live.known[version.by_popularity]]
    shown = [row for row in rows.tolist() if row not in served.rules.blocked]
    return [searcher.artist(shown[place]) for place in (0, len(shown) // 2, -1)] if shown else []
