"""Root of the command line: `riyl [--home H] [--json] [--debug] NOUN VERB`."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from riyl.app.commands import (
    aliases,
    changes,
    config,
    data,
    db,
    demo,
    embeddings,
    evaluate,
    evaluations,
    export,
    index,
    jobs,
    keys,
    models,
    rules,
    serve,
    similar,
    snapshot,
    train,
    truth,
    worker,
)
from riyl.app.commands.session import Session, warn_of_variables
from riyl.app.commands.streams import arguments, path, standard_streams
from riyl.core import log
from riyl.core.errors import RiylError, SettingsError
from riyl.core.settings import load_settings
from riyl.core.storage.earlier_homes import check_home

TAKES_TABLES = ("demo", "serve", "worker")
"""Commands that read the setting RIYL_TABLES themselves."""

OWN_LOGS = ("serve", "worker")
"""Commands that configure JSON logs themselves when they start."""

app = typer.Typer(
    name="riyl",
    help="Find similar artists from any available data: tags, listening counts, sound, or other vectors. "
    "If a command needs a snapshot, model or ground truth and you name none, it takes the newest one; of snapshots and "
    "models, the newest of the current version's catalog. "
    "Square brackets in a description show the default or the environment variable.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(data.app, name="data")
app.add_typer(snapshot.app, name="snapshot")
app.add_typer(truth.app, name="truth")
app.add_typer(embeddings.app, name="embeddings")
app.add_typer(aliases.app, name="aliases")
app.add_typer(index.app, name="index")
app.add_typer(export.app, name="export")
app.add_typer(config.app, name="config")
app.command("train")(train.train)
app.add_typer(models.app, name="models")
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


def _show_version(value: bool) -> None:
    if value:
        typer.echo(f"riyl {version('riyl')}")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    home: Annotated[
        Path | None, typer.Option(parser=path, help="Folder of all data of RIYL [RIYL_HOME, else ./riyl-home].")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the Python traceback of an error.")] = False,
    show_version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    command = context.invoked_subcommand
    settings = load_settings(home, takes_tables=command in TAKES_TABLES)
    log.configure("DEBUG" if debug else settings.log_level)
    if command not in OWN_LOGS:
        warn_of_variables()
    context.obj = Session(settings, json)
    if command != "db":
        check_home(context.obj.home)


def main() -> None:
    """Run the command line.

    The exit code is 0 for success, 1 if the work failed, and 2 if the arguments or settings are wrong.
    """
    with standard_streams():
        try:
            app(arguments())
        except (RiylError, OSError, UnicodeError, MemoryError) as error:
            if "--debug" in sys.argv:
                raise
            sys.stderr.write(f"error: {_told(error)}\n")
            raise SystemExit(2 if isinstance(error, SettingsError) else 1) from error


def _told(error: Exception) -> str:
    """Describe an error in one line; a file error names the file and the reason."""
    if isinstance(error, UnicodeError):
        return f"found text that is not UTF-8: {error}"
    if isinstance(error, MemoryError):
        return f"found too little memory for this; wanted more, or smaller files ({error})"
    if isinstance(error, OSError) and error.strerror:
        name = error.filename2 or error.filename
        return error.strerror if name is None else f"{name}: {error.strerror}"
    return str(error)
