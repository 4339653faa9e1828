"""Commands `riyl models list` and `riyl models show`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import typer

from riyl.app.commands.session import session
from riyl.app.commands.train import open_model
from riyl.core.errors import FormatError
from riyl.core.files import Manifest
from riyl.core.storage.model import Model, model_states
from riyl.index.versions.lifecycle import current_model
from riyl.training.config_settings import to_toml

app = typer.Typer(no_args_is_help=True, help="Trained models: each turns the features of an artist into an embedding.")


@app.command("list")
def list_(context: typer.Context) -> None:
    """List the models, the newest first, and mark the one of the current version.

    A model that is trained again becomes the newest; baselines that were fitted for an evaluation come last. Damaged
    models and those of an earlier release are listed with the reason.
    """
    run = session(context)
    states = list(model_states(run.home.models, verify=True))
    current = current_model(run.home.versions)
    opened = [_row(state, current) for _, state in states if isinstance(state, Model)]
    unreadable = {id: str(state) for id, state in states if isinstance(state, FormatError)}
    run.show([*opened, *({"id": id, "unreadable": reason} for id, reason in unreadable.items())])
    columns = ["id", "name", "method", "dim", "seed", "snapshot", "featurizer", "commit", "trained at (UTC)", "state"]
    rows = [
        [
            row["id"],
            row["name"],
            row["method"] or "",
            str(row["dim"]),
            str(row["seed"]),
            row["snapshot"],
            row["featurizer"],
            (row["commit"] or "")[:7],
            f"{datetime.fromisoformat(row['trained_at']):%Y-%m-%d %H:%M}",
            "current" if row["current"] else "",
        ]
        for row in opened
    ]
    rows += [[id, *[""] * (len(columns) - 2), "unreadable"] for id in unreadable]
    run.table("models", columns, rows, words=True)
    for reason in unreadable.values():
        run.say(reason)


@app.command()
def show(
    context: typer.Context,
    model: Annotated[str, typer.Argument(help="Model, by name or id; of a name the newest.")],
) -> None:
    """Show the card of a model: its origin, the scores of its training, its inputs and its config."""
    run = session(context)
    opened = open_model(run, model)
    row = _row(opened, current_model(run.home.versions))
    card: Manifest = {name: value for name, value in opened.card.items() if name != "files"}
    run.show({**card, "trained_at": row["trained_at"], "current": row["current"]})
    run.say(f"model {opened.id}: {opened.name}{', of the current version' if row['current'] else ''}")
    for name in ("method", "dim", "seed", "snapshot", "featurizer", "commit", "trained_at"):
        run.say(f"  {name}: {'unknown' if row[name] is None else row[name]}")
    for name, part in opened.parts.items():
        run.say(f"  input {name}: {' with '.join([part.input, *part.blocks])}, {part.width} wide")
    if opened.name_part is not None:
        run.say(f"  input name, no modality: {opened.name_part.width} n-grams")
    for name, value in opened.card["scores"].items():
        run.say(f"  score {name}: {value:.4g}")
    if supervision := opened.card.get("supervision"):
        run.say(f"  supervision: {_listed(supervision)}")
        for relation in supervision.get("relations", []):
            run.say(
                f"  relation {relation['name']} ({relation['id']}): weight {relation['weight']:g}, "
                f"{relation['pairs']} pairs, {relation['unknown_pairs']} pairs with unknown artists"
            )
    for note in opened.card.get("notes", ()):
        run.say(f"  note: {note}")
    run.say(f"\n{to_toml(opened.card.get('config', {}))}".rstrip())


def _listed(values: Manifest) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items() if not isinstance(value, list))


def _row(model: Model, current: str | None) -> dict[str, Any]:
    """Describe a model as JSON."""
    summary = model.summary
    trained_at = summary["trained_at"].isoformat(timespec="seconds")
    return {**summary, "trained_at": trained_at, "current": model.id == current}
