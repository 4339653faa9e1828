"""Command `riyl train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from riyl.app.commands.session import Session, session
from riyl.app.commands.streams import expanded
from riyl.core.catalog.pairs import FORMATS, read_pairs
from riyl.core.errors import ConfigError, NotFoundError
from riyl.core.settings import Home
from riyl.core.storage.ground_truth import Truth, find_truth, save_truth
from riyl.core.storage.model import Model
from riyl.core.storage.relations import Relation, parse_relations
from riyl.index.versions.line import find_model_of_line, find_snapshot_of_line
from riyl.training.config import DEFAULT, SINGLE, load_config
from riyl.training.config_files import config_names
from riyl.training.train import train as train_model

Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Setting in place of the config's, such as temperature=0.2 or scoring.hubness=0.3; a value is a TOML "
        "value or a word. May be given several times.",
    ),
]


def train(
    context: typer.Context,
    config: Annotated[
        str, typer.Option(help="Settings of the training: a config by name, or a TOML file; see riyl config.")
    ] = DEFAULT,
    overrides: Overrides = None,
    snapshot: Annotated[
        str | None, typer.Option(help="Snapshot to train on [the newest of the current version's catalog].")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Random seed; equal seeds give equal models.")] = 0,
    device: Annotated[Literal["cpu", "cuda"], typer.Option(help="Device to train on.")] = "cpu",
    name: Annotated[
        str | None,
        typer.Option(
            help="Name of the model [the config's, plus +KEY=VALUE for each setting that --set changes; with "
            "--supervision plus -supervised]."
        ),
    ] = None,
    supervision: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PAIRS[=WEIGHT]",
            help="Pairs of artists known to be similar, to refine a closed-form model with: a file with the columns "
            "artist_id and similar_id, or the name or id of a ground truth. May be given several times; the weight "
            "of a pair is the sum over those that have it, and only the ratios of weights matter [weight 1].",
        ),
    ] = None,
) -> None:
    """Train a model on a snapshot.

    The model turns the features of an artist into an embedding, the vector by which artists are compared. An
    interrupted run resumes.
    """
    run = session(context)
    label, settings = load_config(expanded(config), overrides or ())
    if name is None:
        _check_name(expanded(config))
    relations = [
        Relation(_supervision(run.home, expanded(pairs)), weight)
        for pairs, weight in parse_relations(supervision or (), FORMATS)
    ]
    wanted = name or (f"{label}-supervised" if relations else label)
    with run.progress() as progress:
        model = train_model(
            wanted,
            settings,
            find_snapshot_of_line(run.home, snapshot, run.tell),
            run.home.models,
            seed=seed,
            device=device,
            threads=run.settings.threads,
            relations=relations,
            progress=progress,
        )
    if model.name != wanted:
        run.tell(
            f"model {model.id} of the same settings, seed and snapshot exists; it keeps its name {model.name}, and is "
            f"not called {wanted}"
        )
    run.show(model.card)
    scores = "".join(f"; {key} {value:.4g}" for key, value in model.card["scores"].items())
    run.say(f"model {model.id}: {model.name}, {', '.join(model.parts)} to {model.dim} dimensions{scores}")


def _check_name(config: str) -> None:
    """Check that a file does not give its models the name of a config that has other settings.

    Raises:
        ConfigError: it does.
    """
    stem = Path(config).stem
    if (
        config.endswith(".toml")
        and (stem in config_names() or stem.startswith(SINGLE))
        and load_config(config)[1] != load_config(stem)[1]
    ):
        raise ConfigError(
            f"{config}: found other settings than those of the config {stem} that comes with RIYL; wanted another name "
            "of the file, or --name, because an evaluation takes the newest model of each name"
        )


def open_model(run: Session, name: str | None) -> Model:
    """Return the named model, or the newest one of the current version's catalog.

    Raises:
        NotFoundError: there is no such model.
    """
    return find_model_of_line(run.home, name, run.tell)


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
