"""Commands `riyl data list`, `info`, `fetch`, `tables` and `join`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from riyl.app.commands.rows import say_columns, say_notes, say_rows, say_unread
from riyl.app.commands.session import Session, counts, session
from riyl.app.commands.streams import expanded, path
from riyl.core.catalog.tables import Tables
from riyl.training.datasets.base import Report
from riyl.training.datasets.fetch import fetch_all
from riyl.training.datasets.join import join as join_tables
from riyl.training.datasets.registry import DATASETS, downloads_of, get, make_tables

app = typer.Typer(
    no_args_is_help=True, help="Datasets, and folders of tables. A catalog is a folder of Parquet or CSV files."
)

IgnoreUnread = Annotated[
    bool, typer.Option("--ignore-unread", help="Skip files that are not tables of a known name [RIYL_IGNORE_UNREAD].")
]
Name = Annotated[str, typer.Argument(help="Name of a dataset, or a folder of tables.")]
NewFolder = Annotated[Path, typer.Argument(parser=path, help="Folder to create for the tables.")]


@app.command("list")
def list_(context: typer.Context) -> None:
    """List the datasets that RIYL can turn into tables."""
    run = session(context)
    run.show([{"name": d.name, "summary": d.summary, "licence": d.licence} for d in DATASETS.values()])
    run.table("datasets", ["name", "summary"], [[d.name, d.summary] for d in DATASETS.values()], words=True)


@app.command()
def info(context: typer.Context, name: Name) -> None:
    """Show the files of a dataset, its licence and citation."""
    run = session(context)
    dataset = get(expanded(name))
    files = [asdict(file) for file in dataset.files]
    run.show(
        {
            "name": dataset.name,
            "summary": dataset.summary,
            "licence": dataset.licence,
            "citation": dataset.citation,
            "files": files,
        }
    )
    run.say(f"{dataset.name}: {dataset.summary}\nlicence   {dataset.licence}\ncitation  {dataset.citation or 'none'}")
    for file in dataset.files:
        folder = downloads_of(dataset, run.home.downloads)
        state = "here" if (folder / file.name).exists() else "optional" if file.optional else "to fetch"
        run.say(f"file      {folder / file.name} ({state}) from {file.address or 'your own copy'}")


@app.command()
def fetch(context: typer.Context, name: Name) -> None:
    """Download the files of a dataset.

    An interrupted download resumes.
    """
    run = session(context)
    dataset = get(expanded(name))
    with run.progress() as progress:
        fetched = fetch_all(dataset, downloads_of(dataset, run.home.downloads), progress)
    run.show({key: str(file) for key, file in fetched.files.items()})
    for here in fetched.files.values():
        run.say(str(here))
    for file, reason in fetched.unavailable.items():
        run.say(f"skipped {file}: {reason}")


@app.command()
def tables(context: typer.Context, name: Name, out: NewFolder, ignore_unread: IgnoreUnread = False) -> None:
    """Make the tables of a dataset, or check your own.

    If NAME is a folder of tables, every value is checked, and a clean copy is written.
    """
    run = session(context)
    ignore = ignore_unread or run.settings.ignore_unread
    with run.progress() as progress:
        report = make_tables(expanded(name), run.home.downloads, out, progress, ignore_unread=ignore)
    _show(run, out, report)


@app.command()
def join(
    context: typer.Context,
    a: Annotated[Path, typer.Argument(parser=path, help="Folder of tables; the result keeps its artist ids.")],
    b: Annotated[
        Path,
        typer.Argument(
            parser=path,
            help="Folder of tables, whose artists are matched to those of the first by MusicBrainz id and name.",
        ),
    ],
    out: NewFolder,
    ignore_unread: IgnoreUnread = False,
) -> None:
    """Join two catalogs into one catalog."""
    run = session(context)
    ignore = ignore_unread or run.settings.ignore_unread
    first, second = (Tables.open(each, ignore_unread=ignore) for each in (a, b))
    with run.progress() as progress:
        report = join_tables(first, second, out, progress)
    _show(run, out, report)


def _show(run: Session, out: Path, report: Report) -> None:
    run.show({"folder": str(out), **asdict(report)})
    run.say(f"{out}: {counts(report.rows)}")
    say_rows(run, report.accounts)
    say_notes(run, report.notes, report.examples)
    say_columns(run, report.columns)
    say_unread(run, report.files)
