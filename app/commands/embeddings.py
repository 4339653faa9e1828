"""Commands `riyl embeddings import` and `riyl embeddings list`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from riyl.app.commands.session import session
from riyl.app.commands.streams import path
from riyl.core.errors import FormatError
from riyl.core.external.embeddings import read_embeddings
from riyl.core.files import Manifest
from riyl.core.storage.embeddings import save_embeddings, stored_embeddings

app = typer.Typer(
    no_args_is_help=True, help="Embeddings of artists that other programs computed, stored to be evaluated."
)


@app.command("import")
def import_(
    context: typer.Context,
    file: Annotated[
        Path,
        typer.Argument(
            parser=path,
            help="NumPy matrix (.npy) with a row for each artist; a Parquet file with the columns artist_id and "
            "vector; or a folder with ids.txt, and a matrix per modality (parts/NAME.npy) or vectors.npy.",
        ),
    ],
    name: Annotated[str | None, typer.Option(help="Name of the embeddings [the file's].")] = None,
    ids: Annotated[
        Path | None,
        typer.Option(
            parser=path,
            help="Artist of each row of a .npy file: text with one id per line, or a Parquet file with artist_id.",
        ),
    ] = None,
) -> None:
    """Store embeddings, so that jobs and the HTTP API can evaluate them by name."""
    run = session(context)
    embeddings = read_embeddings(file, ids)
    stored = save_embeddings(run.home.embeddings, name or file.stem, embeddings, source=file.name)
    run.show(stored.manifest)
    counts = stored.manifest["counts"]
    run.say(
        f"embeddings {stored.name} {stored.id}: {counts['artists']:,} artists, {counts['dim']} dimensions, "
        f"{_parts(stored.manifest)}"
    )


@app.command("list")
def list_(context: typer.Context) -> None:
    """List the stored embeddings, the newest last."""
    run = session(context)
    states = stored_embeddings(run.home.embeddings)
    shown, rows = [], []
    for id, state in states.items():
        if isinstance(state, FormatError):
            shown.append({"id": id, "damaged": str(state)})
            rows.append(["", id, "", "", f"damaged: {state}"])
        else:
            shown.append(dict(state))
            counts = state["counts"]
            rows.append([state["name"], id, f"{counts['artists']:,}", str(counts["dim"]), _parts(state)])
    run.show(shown)
    run.table("embeddings", ["name", "id", "artists", "dimensions", "parts"], rows, words=True)


def _parts(manifest: Manifest) -> str:
    modalities = manifest["modalities"]
    return f"parts {', '.join(modalities)}" if modalities else "a single matrix"
