"""Models, baselines and a version of the index against a truth: one way for the command line and for the job."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from app.ids import read_ids
from core.errors import InputError
from core.model import CARD, Model
from core.settings import Home, Settings, pick
from core.snapshot import Snapshot, find_snapshot
from core.truth import Truth, find_truth
from core.types import Progress, silent
from evaluation.protocol import PROTOCOL, Condition, Result, System, conditions_of
from evaluation.systems import model_system
from evaluation.table import Comparison, compare, plain_rows, table
from evaluation.versions import version_ndcg, version_system
from index.ann import tie_order
from index.artifact import Version
from index.versions import find_version
from training.config import BASELINES, SINGLE, load_config
from training.train import train

ALL = "all"

Figures: TypeAlias = dict[str, Any]
"""What was measured, as JSON holds it: an undefined figure is null."""


@dataclass(frozen=True)
class Question:
    """What is held against which truth.

    Attributes:
        truth: name or id; None is the newest.
        systems: models and baselines by name or id; "all" is every model of the snapshot's basis, the newest of each
            name, and every baseline. None is all, or none where a version is named.
        version: a version, or how its id begins; it stands first, so that the others are compared to it.
        conditions: "raw", "fmc", or text files of artist ids, one a line.
        snapshot: whose artists, or how its id begins; None is the newest, or the version's own where one is named.
        k: length of a list.
        rounds: of the bootstrap.
        seed: of ties, noise, resampling and the baselines.
    """

    truth: str | None = None
    systems: Sequence[str] | None = None
    version: str | None = None
    conditions: Sequence[str] = ("raw", "fmc")
    snapshot: str | None = None
    k: int = 200
    rounds: int = 1000
    seed: int = 0


def run_evaluation(
    home: Home, asked: Question, *, threads: int = 1, progress: Progress = silent
) -> tuple[Figures, list[Result], list[Comparison]]:
    """Every figure of the systems in the conditions, and the differences to the first system.

    A version knows its artists, their plays and what each has: measured alone it needs no snapshot.

    Args:
        threads: of embedding, search and resampling.

    Raises:
        NotFoundError: there is no such truth, system, version or snapshot.
        InputError: a condition is none, there is no system, or a snapshot is named beside a version.
        MismatchError: a model was fitted on another basis and other tables.
    """
    catalog = _catalog(home, asked)
    truth = find_truth(home.truths, asked.truth)
    conditions = [_condition(name, catalog) for name in asked.conditions]
    systems, models = _systems(home, asked, catalog, threads, progress)
    results = table(
        systems,
        conditions,
        truth.relevance(catalog.artist_ids),
        tie_order(catalog.artist_ids, asked.seed),
        catalog.plays,
        k=asked.k,
        rounds=asked.rounds,
        seed=asked.seed,
        threads=threads,
        progress=progress,
    )
    comparisons = compare(results, systems[0].name, rounds=asked.rounds, seed=asked.seed)
    return _figures(asked, truth, catalog, models, results, comparisons), results, comparisons


def gate_ndcg(settings: Settings) -> Callable[[Version], float] | None:
    """What the gate measures versions by: mean nDCG@200 on the truth that the settings name; None where they do not.

    Raises:
        NotFoundError: there is no such truth.
    """
    if settings.gate_truth is None:
        return None
    return partial(version_ndcg, truth=find_truth(Home(settings.home).truths, settings.gate_truth))


def _catalog(home: Home, asked: Question) -> Snapshot | Version:
    if asked.version is None:
        return find_snapshot(home.snapshots, asked.snapshot)
    if asked.snapshot is not None:
        raise InputError("found a version and a snapshot; wanted one: a version is measured on its own snapshot")
    return Version.open(find_version(home.versions, asked.version))


def _condition(name: str, catalog: Snapshot | Version) -> Condition:
    known = {c.name: c for c in conditions_of(catalog)}
    if name in known:
        return known[name]
    path = Path(name)
    if not path.is_file():
        raise InputError(f"conditions: found {name!r}; wanted {', '.join(known)} or a text file of artist ids")
    ids = read_ids(path)
    at = {artist_id: row for row, artist_id in enumerate(catalog.artist_ids)}
    unknown = [artist_id for artist_id in ids if artist_id not in at]
    if unknown:
        kind = "snapshot" if isinstance(catalog, Snapshot) else "version"
        found = f"{len(unknown)} ids that {kind} {catalog.id} has not, {unknown[0]!r} first"
        raise InputError(f"{path}: found {found}; wanted ids of its artists, one a line")
    return Condition(path.stem, np.unique([at[artist_id] for artist_id in ids]).astype(np.int32))


def _systems(
    home: Home, asked: Question, catalog: Snapshot | Version, threads: int, progress: Progress
) -> tuple[list[System], dict[str, Model]]:
    """The version, if one is named, and the models behind it; and the models by the names of their systems."""
    systems, models = [], {}
    names = asked.systems
    if isinstance(catalog, Version):
        systems.append(version_system(catalog))
        names = names or []
    if names is None or names:
        snapshot = find_snapshot(home.snapshots, _snapshot_id(catalog))
        for model in _choose(home, snapshot, names or [ALL], asked.seed, progress):
            own = model.card["basis"] == snapshot.basis_id
            name = model.name if own else f"{model.name} ({model.card['snapshot']})"
            its = _snapshot_of(home, model, snapshot)
            systems.append(model_system(name, model, its, threads=threads, progress=progress))
            models[name] = model
    if not systems:
        raise InputError("systems: found none; wanted models or baselines, or a version")
    return systems, models


def _choose(home: Home, snapshot: Snapshot, names: Sequence[str], seed: int, progress: Progress) -> list[Model]:
    stored = [Model.open(p.parent) for p in sorted(home.models.glob(f"[!.]*/{CARD}"), key=_age)]
    own = {m.name: m for m in stored if m.card["basis"] == snapshot.basis_id}
    if list(names) == [ALL]:
        baselines = [*BASELINES, *(SINGLE + name for name in snapshot.modalities)]
        trained = [model for name, model in own.items() if name not in baselines]
        return [*reversed(trained), *(_baseline(home, snapshot, name, seed, progress) for name in baselines)]
    chosen = []
    for name in names:
        if name in own:
            chosen.append(own[name])
        elif name in BASELINES or name.startswith(SINGLE):
            chosen.append(_baseline(home, snapshot, name, seed, progress))
        else:
            chosen.append(Model.open(pick(home.models, name, "model", CARD)))
    return chosen


def _baseline(home: Home, snapshot: Snapshot, name: str, seed: int, progress: Progress) -> Model:
    label, config = load_config(name)
    return train(label, config, snapshot, home.models, seed=seed, as_newest=False, progress=progress)


def _snapshot_of(home: Home, model: Model, snapshot: Snapshot) -> Snapshot:
    """The snapshot whose features a model takes: this one, or the one it was fitted on where the tables are the same.

    Raises:
        MismatchError: it was fitted on another basis and other tables; names both.
    """
    if model.card["basis"] != snapshot.basis_id:
        folder = home.snapshots / str(model.card["snapshot"])
        if folder.exists() and (own := Snapshot.open(folder)).manifest["tables"] == snapshot.manifest["tables"]:
            return own
        model.check_fits(snapshot)
    return snapshot


def _snapshot_id(catalog: Snapshot | Version) -> str:
    return catalog.id if isinstance(catalog, Snapshot) else str(catalog.manifest["snapshot"])


def _figures(
    asked: Question,
    truth: Truth,
    catalog: Snapshot | Version,
    models: dict[str, Model],
    results: list[Result],
    comparisons: list[Comparison],
) -> Figures:
    differences = [
        {
            "condition": c.condition,
            "system": c.system,
            "reference": c.reference,
            "ndcg": c.ndcg.difference,
            "low": c.ndcg.interval.low,
            "high": c.ndcg.interval.high,
        }
        for c in comparisons
    ]
    return {
        "snapshot": _snapshot_id(catalog),
        "version": catalog.id if isinstance(catalog, Version) else None,
        "truth": {"id": truth.id, "name": truth.name, "directed": truth.directed},
        "models": {
            name: {"id": m.id, "seed": m.card["seed"], "commit": m.card["commit"]} for name, m in models.items()
        },
        "seed": asked.seed,
        "rounds": asked.rounds,
        "protocol": PROTOCOL,
        "results": [_plain(row) for row in plain_rows(results)],
        "differences": [_plain(row) for row in differences],
    }


def _plain(row: Mapping[str, object]) -> dict[str, object]:
    return {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in row.items()}


def _age(path: Path) -> tuple[int, str]:
    return path.stat().st_mtime_ns, path.parent.name
