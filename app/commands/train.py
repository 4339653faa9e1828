"""riyl train."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from app.commands.session import session
from core.model import CARD, Model
from core.settings import newest, pick
from core.snapshot import find_snapshot
from training.config import DEFAULT, load_config
from training.train import train as train_model


def train(
    context: typer.Context,
    config: Annotated[str, typer.Option(help="Config by name, or a TOML file.")] = DEFAULT,
    snapshot: Annotated[str | None, typer.Option(help="Snapshot to train on [the newest].", show_default=False)] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of everything that chance decides.")] = 0,
    device: Annotated[Literal["cpu", "cuda"], typer.Option(help="Where to train.")] = "cpu",
    name: Annotated[str | None, typer.Option(help="Name of the model [the config's].", show_default=False)] = None,
) -> None:
    """Train a model on a snapshot. A run that was killed goes on where it was."""
    run = session(context)
    label, settings = load_config(config)
    with run.progress() as progress:
        model = train_model(
            name or label,
            settings,
            find_snapshot(run.home.snapshots, snapshot),
            run.home.models,
            seed=seed,
            device=device,
            threads=run.settings.threads,
            progress=progress,
        )
    run.show(model.card)
    scores = "".join(f"; {key} {value:.4g}" for key, value in model.card["scores"].items())
    run.say(f"model {model.id}: {model.name}, {', '.join(model.parts)} to {model.dim} dimensions{scores}")


def open_model(folder: Path, name: str | None) -> Model:
    """The named model, or the newest.

    Raises:
        NotFoundError: there is none.
    """
    hint = "make one with: riyl train"
    return Model.open(newest(folder, "model", CARD, hint) if name is None else pick(folder, name, "model", CARD))
