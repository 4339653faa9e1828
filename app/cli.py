"""The command line: `riyl [--home H] [--json] [--debug] NOUN VERB`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from app.commands import (
    changes,
    data,
    db,
    demo,
    evaluate,
    evaluations,
    export,
    index,
    jobs,
    keys,
    rules,
    serve,
    similar,
    snapshot,
    train,
    truth,
    worker,
)
from app.commands.session import Session
from core import log
from core.errors import RiylError
from core.settings import load_settings

app = typer.Typer(
    name="riyl",
    help="Artist similarity from whatever is known of an artist. What is not named means the newest.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(data.app, name="data")
app.add_typer(snapshot.app, name="snapshot")
app.add_typer(truth.app, name="truth")
app.add_typer(index.app, name="index")
app.add_typer(export.app, name="export")
app.command("train")(train.train)
app.command("evaluate")(evaluate.evaluate)
app.add_typer(evaluations.app, name="evaluations")
app.command("similar")(similar.similar)
app.command("serve")(serve.serve)
app.command("demo")(demo.demo)
app.add_typer(jobs.app, name="jobs")
app.command("worker")(worker.worker)
app.add_typer(keys.app, name="keys")
app.add_typer(rules.app, name="rules")
app.add_typer(changes.app, name="changes")
app.add_typer(db.app, name="db")


@app.callback()
def root(
    context: typer.Context,
    home: Annotated[
        Path | None,
        typer.Option(help="Folder that holds everything [RIYL_HOME, else ./riyl-home].", show_default=False),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    settings = load_settings(home)
    log.configure("DEBUG" if debug else settings.log_level)
    context.obj = Session(settings, json)


def main() -> None:
    """Run the command line: exit 0, 1 where the work failed, 2 where it was asked for wrongly."""
    try:
        app()
    except (RiylError, OSError) as error:
        if "--debug" in sys.argv:
            raise
        typer.echo(f"error: {error}", err=True)
        raise SystemExit(1) from error
