"""Commands `riyl export embeddings` and `riyl export neighbours`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import typer

from riyl.app.commands.current import hidden_of
from riyl.app.commands.options import SnapshotOfModel, TrainedModel
from riyl.app.commands.session import session
from riyl.app.commands.streams import path
from riyl.app.commands.train import open_model
from riyl.core.errors import InputError
from riyl.core.external.ids import read_ids
from riyl.core.files import write_bytes
from riyl.core.rules import NO_RULES
from riyl.index.artifact.version import Version
from riyl.index.build.neighbour_lists import restrict
from riyl.index.encoding.embed import embed
from riyl.index.export import export_neighbours
from riyl.index.search.rules import BoundRules
from riyl.index.search.searcher import Searcher
from riyl.index.versions.lifecycle import find_version
from riyl.index.versions.line import snapshot_of_line_for

app = typer.Typer(no_args_is_help=True, help="Write results to Parquet files.")


@app.command()
def embeddings(
    context: typer.Context,
    out: Annotated[
        Path, typer.Option(parser=path, help="Parquet file to write: artist_id, vector (unit length), modalities.")
    ],
    model: TrainedModel = None,
    snapshot: SnapshotOfModel = None,
) -> None:
    """Write the embedding of every artist.

    An embedding is the vector by which artists are compared; an artist without data has none.
    """
    run = session(context)
    _check_out(out)
    chosen = open_model(run, model)
    opened = snapshot_of_line_for(run.home, chosen, snapshot, run.tell)
    with run.progress() as progress:
        embedding = embed(chosen, opened, threads=run.threads, progress=progress)
    values = pa.FixedSizeListArray.from_arrays(
        pa.array(embedding.vectors.ravel()), chosen.dim, mask=pa.array(~embedding.covered)
    )
    took = [name for name in chosen.parts if name in opened.modalities]
    had = {name: np.isin(np.arange(opened.n_artists), opened.modalities[name].rows) for name in took}
    lists = [[name for name, mask in had.items() if mask[row]] for row in range(opened.n_artists)]
    table = pa.table({"artist_id": opened.artist_ids, "vector": values, "modalities": lists})
    table = table.replace_schema_metadata({"model": chosen.id, "snapshot": opened.id})
    sink = pa.BufferOutputStream()
    pyarrow.parquet.write_table(table, sink, compression="zstd")
    write_bytes(out, sink.getvalue().to_pybytes())
    run.show({"file": str(out), "artists": opened.n_artists, "embedded": int(embedding.covered.sum())})
    run.say(f"{out}: {int(embedding.covered.sum()):,} of {opened.n_artists:,} artists, {chosen.dim} numbers each")


@app.command()
def neighbours(
    context: typer.Context,
    out: Annotated[
        Path, typer.Option(parser=path, help="Parquet file to write: artist_id, rank from 1, similar_id, score.")
    ],
    k: Annotated[int, typer.Option("--k", "-k", min=1, max=1000, help="Number of similar artists per artist.")] = 200,
    having: Annotated[
        str | None, typer.Option(help="Keep only artists that have all these modalities, separated by commas.")
    ] = None,
    only: Annotated[
        Path | None, typer.Option(parser=path, help="Keep only the artists of this text file, one id per line.")
    ] = None,
    version: Annotated[str | None, typer.Option(help="Version of the index, by id [the current one].")] = None,
    no_rules: Annotated[bool, typer.Option("--no-rules", help="Ignore the editorial rules.")] = False,
) -> None:
    """Write the similar artists of every artist.

    The editorial rules apply, and deleted artists are omitted. With --having or --only, lists are computed anew among
    the kept artists.
    """
    run = session(context)
    _check_out(out)
    opened = Version.open(find_version(run.home.versions, version))
    names = None if having is None else [name.strip() for name in having.split(",")]
    ids = None if only is None else read_ids(only)
    keep = None if names is None and ids is None else restrict(opened, names, ids)
    # a deleted artist appears in no export, whichever version is named
    hidden = hidden_of(run)
    in_force = (replace(hidden, rules=NO_RULES) if no_rules else hidden).as_rules()
    rules = BoundRules.of(in_force, Searcher(opened)) if in_force.rules else None
    with run.progress() as progress:
        lists = export_neighbours(opened, out, k, keep=keep, rules=rules, threads=run.threads, progress=progress)
    n_artists = opened.n_artists if keep is None else int(keep.sum())
    run.show({"file": str(out), "version": opened.id, "artists": n_artists, "lists": lists})
    run.say(f"{out}: lists of {lists:,} artists among {n_artists:,}; the others have no embedding")


def _check_out(out: Path) -> None:
    if out.suffix != ".parquet":
        raise InputError(f"--out: found {out.name!r}; wanted a name that ends in .parquet")
