"""Commands `riyl changes list` and `riyl changes drop`, and the folding of changes into tables."""

from __future__ import annotations

from typing import Annotated

import typer

from riyl.app.commands.index import who
from riyl.app.commands.session import Session, counts, session
from riyl.app.schemas.changes import ListedChange
from riyl.core.catalog.tables import Tables
from riyl.core.changes.effective import SUFFIX
from riyl.core.changes.fold import fold
from riyl.core.db.changes import drop_changes
from riyl.core.db.effective import WrittenChange, freeze_changes, since

app = typer.Typer(no_args_is_help=True, help="Changes to artists made over HTTP. They are kept until dropped.")


@app.command("list")
def list_(
    context: typer.Context,
    since_number: Annotated[int, typer.Option("--since", min=0, help="Show only changes with a higher number.")] = 0,
    artist: Annotated[str | None, typer.Option(help="Show only changes of this artist, by id.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of changes.")] = 100,
) -> None:
    """List the changes in the order in which they were made.

    The payload is the number of values that a change sets, per field.
    """
    run = session(context)
    with run.database.read() as connection:
        changes = since(connection, since_number, limit, artist=artist)
    run.show([ListedChange.of(each).model_dump(mode="json") for each in changes])
    rows = [
        [str(each.number), each.artist, each.kind, _said(each), each.by, f"{each.at:%Y-%m-%d %H:%M}"]
        for each in changes
    ]
    run.table("changes, times in UTC", ["number", "artist", "kind", "payload", "by", "at"], rows, words=True)


@app.command()
def drop(
    context: typer.Context,
    numbers: Annotated[
        list[int] | None, typer.Argument(min=1, max=2**63 - 1, help="Numbers of the changes to drop.")
    ] = None,
    artist: Annotated[str | None, typer.Option(help="Drop all changes of this artist, by id.")] = None,
) -> None:
    """Drop changes.

    Their values are discarded, and the next re-index uses the values of the tables again.
    """
    run = session(context)
    dropped = drop_changes(run.database, by=who(), numbers=numbers or (), artist=artist)
    run.show(dropped)
    for each, dropped_numbers in dropped.items():
        run.say(f"artist {each}: dropped {', '.join(map(str, dropped_numbers))}")


def with_changes(run: Session, tables: Tables) -> Tables:
    """Return the tables with all changes in effect folded in."""
    identity, last = freeze_changes(run.database, run.home.changes)
    return tables if identity is None else fold(tables, run.home.changes / f"{identity}{SUFFIX}", last)


def _said(change: WrittenChange) -> str:
    return counts(change.counts) if change.into is None else f"into {change.into}"
