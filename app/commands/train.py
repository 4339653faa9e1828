"""Command `riyl train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from riyl.app.commands.session import session
from riyl.app.commands.streams import expanded
from riyl.core.catalog.pairs import FORMATS, read_pairs
from riyl.core.errors import NotFoundError
from riyl.core.settings import Home
from riyl.core.storage.entries import newest, pick
from riyl.core.storage.ground_truth import Truth, find_truth, save_truth
from riyl.core.storage.model import CARD, Model
from riyl.core.storage.snapshot import find_snapshot
from riyl.training.config import DEFAULT, load_config
from riyl.training.train import train as train_model


def train(
    context: typer.Context,
    config: Annotated[str, typer.Option(help="Settings of the training: a config by name, or a TOML file.")] = DEFAULT,
    snapshot: Annotated[str | None, typer.Option(help="Snapshot to train on [the newest].")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Random seed; equal seeds give equal models.")] = 0,
    device: Annotated[Literal["cpu", "cuda"], typer.Option(help="Device to train on.")] = "cpu",
    name: Annotated[
        str | None, typer.Option(help="Name of the model [the config's; with --supervision plus -supervised].")
    ] = None,
    supervision: Annotated[
        str | None,
        typer.Option(
            help="Pairs of artists known to be similar, to refine a closed-form model with: a file with the columns "
            "artist_id and similar_id, or the name of a ground truth."
        ),
    ] = None,
) -> None:
    """Train a model on a snapshot.

    The model turns the features of an artist into an embedding, the vector by which artists are compared. An
    interrupted run resumes.
    """
    run = session(context)
    label, settings = load_config(expanded(config))
    truth = None if supervision is None else _supervision(run.home, expanded(supervision))
    with run.progress() as progress:
        model = train_model(
            name or (label if supervision is None else f"{label}-supervised"),
            settings,
            find_snapshot(run.home.snapshots, snapshot),
            run.home.models,
            seed=seed,
            device=device,
            threads=run.settings.threads,
            similarity_pairs=truth,
            progress=progress,
        )
    run.show(model.card)
    scores = "".join(f"; {key} {value:.4g}" for key, value in model.card["scores"].items())
    run.say(f"model {model.id}: {model.name}, {', '.join(model.parts)} to {model.dim} dimensions{scores}")


def open_model(folder: Path, name: str | None) -> Model:
    """Return the named model, or the newest one.

    Raises:
        NotFoundError: there is no such model.
    """
    hint = "make one with: riyl train"
    return Model.open(newest(folder, "model", CARD, hint) if name is None else pick(folder, name, "model", CARD))


def _supervision(home: Home, named: str) -> Truth:
    """Return a ground truth of the home, or the pairs of a file, which are stored beside the ground truths.

    Raises:
        NotFoundError: there is no such ground truth and no such file.
        InputError: the file holds no pairs.
    """
    file = Path(named)
    if file.suffix not in FORMATS:
        return find_truth(home.truths, named)
    if not file.is_file():
        raise NotFoundError(
            f"supervision: found no file {named}; wanted a file of pairs, or the name of a ground truth"
        )
    return save_truth(home.supervision, file.stem, read_pairs(file), directed=False, source=file.name)
