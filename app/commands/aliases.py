"""Commands `riyl aliases import` and `riyl aliases list`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from riyl.app.commands.current import current
from riyl.app.commands.session import session
from riyl.app.commands.streams import path
from riyl.app.services.aliases import FORMATS, read_aliases
from riyl.core.db.aliases import AliasKind, count_aliases, replace_aliases
from riyl.core.errors import InputError

app = typer.Typer(no_args_is_help=True, help="Ids that media servers have for artists, for clients that send these.")


@app.command("import")
def import_(
    context: typer.Context,
    file: Annotated[
        Path,
        typer.Argument(
            parser=path,
            help="CSV or TSV file with external_id, the id in the media server, and artist_id, mbid or name; the first "
            "of them by which there is an artist counts.",
        ),
    ],
    kind: Annotated[AliasKind, typer.Option(help="The media server.")],
) -> None:
    """Replace all aliases of a media server by those of a file.

    Rows of which the current version has no artist are skipped and counted.
    """
    run = session(context)
    if file.suffix not in FORMATS:
        raise InputError(f"{file}: found the ending {file.suffix!r}; wanted {' or '.join(FORMATS)}")
    table = read_aliases(file, kind, current(run, verify=False))
    replace_aliases(run.database, kind, table.artists)
    run.show({"kind": kind, "aliases": len(table.artists), "unknown": table.unknown, "examples": table.examples})
    unknown = (
        f"; {table.unknown:,} rows of unknown artists, such as {', '.join(table.examples)}" if table.unknown else ""
    )
    run.say(f"aliases of {kind}: {len(table.artists):,}{unknown}")


@app.command("list")
def list_(context: typer.Context) -> None:
    """Count the aliases of each media server."""
    run = session(context)
    counts = count_aliases(run.database)
    run.show([{"kind": kind, "aliases": count} for kind, count in counts.items()])
    run.table("aliases", ["kind", "aliases"], [[kind, f"{count:,}"] for kind, count in counts.items()])
