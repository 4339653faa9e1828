"""riyl evaluate."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from app.commands.ids import read_ids
from app.commands.session import Session, session
from app.commands.snapshot import open_snapshot
from core.errors import InputError
from core.files import write_bytes
from core.model import CARD, Model
from core.settings import pick
from core.snapshot import Snapshot
from core.truth import Truth, find_truth
from core.types import Progress
from evaluation.protocol import PROTOCOL, Condition, Result, System, conditions_of
from evaluation.table import Comparison, compare, plain_rows, table
from index.ann import tie_order
from index.embed import embed
from training.config import BASELINES, SINGLE, load_config
from training.train import train

ALL = "all"


def evaluate(
    context: typer.Context,
    truth: Annotated[str | None, typer.Option(help="Truth by name or id [the newest].", show_default=False)] = None,
    systems: Annotated[
        str,
        typer.Option(help="Models by name or id, commas between; `all`: every model of the snapshot, and baselines."),
    ] = ALL,
    conditions: Annotated[
        str, typer.Option(help="raw, fmc, or text files of artist ids, one a line; commas between.")
    ] = "raw,fmc",
    snapshot: Annotated[str | None, typer.Option(help="Snapshot [the newest].", show_default=False)] = None,
    k: Annotated[int, typer.Option("-k", min=1, max=1000, help="Length of a list.")] = 200,
    rounds: Annotated[int, typer.Option(min=1, help="Bootstrap rounds.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of ties, noise, resampling and the baselines.")] = 0,
    figures: Annotated[
        Path | None, typer.Option(help="JSON file to write every figure to.", show_default=False)
    ] = None,
) -> None:
    """Hold models and baselines against a ground truth; prints the table and the protocol."""
    run = session(context)
    opened = open_snapshot(run.home.snapshots, snapshot)
    judged = find_truth(run.home.truths, truth)
    chosen = [_condition(name, opened) for name in conditions.split(",")]
    with run.progress() as progress:
        models = choose_models(run, opened, systems, seed, progress)
        found = measure(run, opened, judged, models, chosen, k=k, rounds=rounds, seed=seed, progress=progress)
    results, comparisons = found
    report = _report(opened, judged, models, results, comparisons, seed=seed, rounds=rounds)
    if figures is not None:
        write_bytes(figures, json.dumps(report, ensure_ascii=False, indent=2, allow_nan=False).encode() + b"\n")
    run.show(report)
    show_results(run, judged, results, comparisons)


def choose_models(run: Session, snapshot: Snapshot, systems: str, seed: int, progress: Progress) -> list[Model]:
    """The models asked for; with `all` those trained on the snapshot, newest of each name, and every baseline.

    Raises:
        NotFoundError: there is no such model.
    """
    stored = [Model.open(p.parent) for p in sorted(run.home.models.glob(f"[!.]*/{CARD}"), key=_age)]
    if systems == ALL:
        own = {m.name: m for m in stored if m.card["snapshot"] == snapshot.id}
        names = [*BASELINES, *(SINGLE + name for name in snapshot.modalities)]
        trained = [model for name, model in own.items() if name not in names]
        return [*reversed(trained), *(_baseline(run, snapshot, name, seed, progress) for name in names)]
    chosen = []
    for name in systems.split(","):
        named = [m for m in stored if m.name == name and m.card["snapshot"] == snapshot.id]
        if named:
            chosen.append(named[-1])
        elif name in BASELINES or name.startswith(SINGLE):
            chosen.append(_baseline(run, snapshot, name, seed, progress))
        else:
            chosen.append(Model.open(pick(run.home.models, name, "model", CARD)))
    return chosen


def measure(
    run: Session,
    snapshot: Snapshot,
    truth: Truth,
    models: list[Model],
    conditions: list[Condition],
    *,
    k: int = 200,
    rounds: int = 1000,
    seed: int = 0,
    progress: Progress,
) -> tuple[list[Result], list[Comparison]]:
    """Every figure of the models in the conditions, and the differences to the first of them."""
    threads = run.settings.threads or os.cpu_count() or 1
    systems = []
    for model in models:
        home = snapshot_of(run, model, snapshot)
        embedding = embed(model, home, threads=threads, progress=progress)
        systems.append(System(label(model, snapshot), embedding.vectors, embedding.vectors, embedding.covered))
    ids = snapshot.artist_ids
    results = table(
        systems,
        conditions,
        truth.relevance(ids),
        tie_order(ids, seed),
        snapshot.plays,
        k=k,
        rounds=rounds,
        seed=seed,
        threads=threads,
        progress=progress,
    )
    return results, compare(results, systems[0].name, rounds=rounds, seed=seed)


def snapshot_of(run: Session, model: Model, snapshot: Snapshot) -> Snapshot:
    """The snapshot whose features a model takes: this one, or the one it was fitted on where the tables are the same.

    Raises:
        MismatchError: it was fitted on another basis and other tables; names both.
    """
    if model.card["basis"] != snapshot.basis_id:
        folder = run.home.snapshots / str(model.card["snapshot"])
        if folder.exists() and (own := Snapshot.open(folder)).manifest["tables"] == snapshot.manifest["tables"]:
            return own
        model.check_fits(snapshot)
    return snapshot


def label(model: Model, snapshot: Snapshot) -> str:
    """A model's name; with its snapshot where that is another one."""
    own = model.card["snapshot"]
    return model.name if own == snapshot.id else f"{model.name} ({own})"


def show_results(run: Session, truth: Truth, results: list[Result], comparisons: list[Comparison]) -> None:
    """Print a table a condition, and the protocol."""
    differences = {(c.condition, c.system): c for c in comparisons}
    for condition in dict.fromkeys(r.condition for r in results):
        mine = [r for r in results if r.condition == condition]
        k, reference = mine[0].k, mine[0].system
        rows = []
        for r in mine:
            paired = differences.get((condition, r.system))
            rows.append(
                [
                    r.system,
                    f"{r.ndcg_mean:.4f} [{r.ndcg_interval.low:.4f}, {r.ndcg_interval.high:.4f}]",
                    "" if paired is None else _difference(paired),
                    f"{r.ndcg_covered:.4f}",
                    f"{r.covered_share:.1%}",
                    f"{r.gini:.4f} [{r.gini_interval.low:.4f}, {r.gini_interval.high:.4f}]",
                    f"{r.coverage:.1%}",
                ]
            )
        run.table(
            f"\n{condition}: {mine[0].n_artists:,} artists, {mine[0].n_queries:,} queries, "
            f"{mine[0].n_without_links:,} without a similar artist; truth {truth.name}",
            ["system", f"nDCG@{k}", f"minus {reference}", "nDCG covered", "covered", f"Gini@{k}", "coverage"],
            rows,
        )
    run.say(f"\n{PROTOCOL}")


def _difference(paired: Comparison) -> str:
    low, high = paired.ndcg.interval.low, paired.ndcg.interval.high
    return f"{paired.ndcg.difference:+.4f} [{low:+.4f}, {high:+.4f}]"


def _condition(name: str, snapshot: Snapshot) -> Condition:
    known = {c.name: c for c in conditions_of(snapshot)}
    if name in known:
        return known[name]
    path = Path(name)
    if not path.is_file():
        raise InputError(f"--conditions: found {name!r}; wanted {', '.join(known)} or a text file of artist ids")
    ids = read_ids(path)
    at = {artist_id: row for row, artist_id in enumerate(snapshot.artist_ids)}
    unknown = [artist_id for artist_id in ids if artist_id not in at]
    if unknown:
        found = f"{len(unknown)} ids that snapshot {snapshot.id} has not, {unknown[0]!r} first"
        raise InputError(f"{path}: found {found}; wanted ids of its artists, one a line")
    return Condition(path.stem, np.unique([at[artist_id] for artist_id in ids]).astype(np.int32))


def _baseline(run: Session, snapshot: Snapshot, name: str, seed: int, progress: Progress) -> Model:
    label, config = load_config(name)
    return train(label, config, snapshot, run.home.models, seed=seed, progress=progress)


def _report(
    snapshot: Snapshot,
    truth: Truth,
    models: list[Model],
    results: list[Result],
    comparisons: list[Comparison],
    *,
    seed: int,
    rounds: int,
) -> dict[str, Any]:
    rows = [{key: None if _undefined(value) else value for key, value in row.items()} for row in plain_rows(results)]
    return {
        "snapshot": snapshot.id,
        "truth": {"id": truth.id, "name": truth.name, "directed": truth.directed},
        "models": {
            label(m, snapshot): {"id": m.id, "seed": m.card["seed"], "commit": m.card["commit"]} for m in models
        },
        "seed": seed,
        "rounds": rounds,
        "protocol": PROTOCOL,
        "results": rows,
        "differences": [
            {
                "condition": c.condition,
                "system": c.system,
                "reference": c.reference,
                "ndcg": c.ndcg.difference,
                "low": c.ndcg.interval.low,
                "high": c.ndcg.interval.high,
            }
            for c in comparisons
        ],
    }


def _undefined(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _age(path: Path) -> tuple[int, str]:
    return path.stat().st_mtime_ns, path.parent.name
