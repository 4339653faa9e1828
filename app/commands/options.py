"""Options that several commands have."""

from __future__ import annotations

from typing import Annotated

import typer

TrainedModel = Annotated[
    str | None, typer.Option(help="Model, by name or id [the newest of the current version's catalog].")
]

SnapshotOfModel = Annotated[
    str | None,
    typer.Option(help="Snapshot, by id [the newest that fits the model, of the current version's catalog first]."),
]
