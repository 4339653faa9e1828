"""Which systems an evaluation is of: models and baselines of the home, each whole, masked and from other seeds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from core.model import CARD, Model
from core.settings import Home, pick
from core.snapshot import Snapshot, find_snapshot
from core.types import Progress
from evaluation.study import Role, Subject
from evaluation.systems import model_parts, model_system, subset_system, subsets_of
from training.config import BASELINES, SINGLE, load_config
from training.train import train

ALL = "all"
"""Every model of the snapshot's basis, whole and with each subset of its modalities, from every seed; every baseline.
"""


@dataclass(frozen=True)
class Chosen:
    """A model that is to be evaluated.

    Attributes:
        name: of its system.
        role: "system" or "seed".
        of: name of the system that it is another seed of.
        subsets: whether it is also asked with every subset of its modalities.
    """

    name: str
    model: Model
    role: Role = "system"
    of: str | None = None
    subsets: bool = False


def choose(
    home: Home,
    snapshot: Snapshot,
    names: Sequence[str] | None,
    seed: int,
    progress: Progress,
    *,
    first: Model | None = None,
) -> list[Chosen]:
    """The models that are asked for; baselines are fitted where they are not there yet.

    Args:
        names: models by name or id, and baselines, which are fitted on this snapshot unless an id names one of
            another; [`ALL`]; or None: the newest trained model of each name, and every baseline. Models that could
            embed nobody are left out of the last two.
        seed: of the baselines.
        first: a model that stands before them, once.

    Raises:
        NotFoundError: there is no such model.
    """
    stored = _stored(home)
    own = {model.name: model for model in reversed(stored) if model.card["basis"] == snapshot.basis_id}
    had = snapshot.modalities_had
    baselines = [*BASELINES, *(SINGLE + name for name in had)]
    whole = names is not None and list(names) == [ALL]
    chosen = [] if first is None else [_chosen(first, snapshot, subsets=whole)]
    if names is None or whole:
        trained = [m for name, m in own.items() if not _is_baseline(name) and not m.parts.keys().isdisjoint(had)]
        for model in reversed(trained):
            chosen.append(_chosen(model, snapshot, subsets=whole))
            if whole:
                chosen += _other_seeds(model, stored)
        chosen += [_chosen(_baseline(home, snapshot, name, seed, progress), snapshot) for name in baselines]
    else:
        for name in names:
            if name in own and (not _is_baseline(name) or own[name].card["snapshot"] == snapshot.id):
                model = own[name]
            elif _is_baseline(name):
                model = _baseline(home, snapshot, name, seed, progress)
            else:
                model = find_model(home, name, snapshot.id)
            chosen.append(_chosen(model, snapshot))
    if first is not None:
        chosen[1:] = [one for one in chosen[1:] if one.model.id != first.id]
    return _told_apart(chosen)


def find_model(home: Home, name: str, snapshot: str | None) -> Model:
    """The newest model of that name, one with the named snapshot's basis before others; else the one of that id.

    Raises:
        NotFoundError: there is no such model, or no such snapshot.
    """
    named = [model for model in _stored(home) if model.name == name]
    if not named:
        return Model.open(pick(home.models, name, "model", CARD))
    basis = None if snapshot is None else find_snapshot(home.snapshots, snapshot).basis_id
    return max(named, key=lambda model: model.card["basis"] == basis)


def subjects(
    home: Home, snapshot: Snapshot, chosen: Sequence[Chosen], *, threads: int, progress: Progress
) -> Iterator[Subject]:
    """The chosen models as subjects of a study, embedded one at a time; behind each its subsets.

    Raises:
        MismatchError: a model was fitted on another basis and other tables; names both.
    """
    for one in chosen:
        on = _snapshot_of(home, one.model, snapshot)
        parts = model_parts(one.model, on, threads=threads, progress=progress)
        system = model_system(one.name, one.model, on, parts, threads=threads)
        settings, seed = one.model.scoring, int(one.model.card["seed"])
        yield Subject(system, one.role, of=one.of, seed=seed, parts=parts, scoring=settings)
        for subset in subsets_of(parts)[:-1] if one.subsets else []:
            masked = subset_system(one.name, parts, subset, settings, threads=threads)
            yield Subject(masked, "subset", of=one.name, subset=subset)


def _stored(home: Home) -> list[Model]:
    """All models, the newest first."""
    return [Model.open(path.parent) for path in sorted(home.models.glob(f"[!.]*/{CARD}"), key=_age, reverse=True)]


def _is_baseline(name: str) -> bool:
    return name in BASELINES or name.startswith(SINGLE)


def _chosen(model: Model, snapshot: Snapshot, *, subsets: bool = False) -> Chosen:
    own = model.card["basis"] == snapshot.basis_id
    return Chosen(model.name if own else f"{model.name} ({model.card['snapshot']})", model, subsets=subsets)


def _told_apart(chosen: Sequence[Chosen]) -> list[Chosen]:
    """Of several models of one name, all but the first are called by their ids too."""
    found = list[Chosen]()
    for one in chosen:
        taken = any(other.name == one.name for other in found)
        found.append(replace(one, name=f"{one.model.name} {one.model.id}") if taken else one)
    return found


def _other_seeds(model: Model, stored: Sequence[Model]) -> list[Chosen]:
    """The same config on the same snapshot and links from other seeds, by seed."""
    same = ("name", "snapshot", "config", "links")
    alike = [m for m in stored if m.id != model.id and all(m.card.get(f) == model.card.get(f) for f in same)]
    found = sorted(alike, key=lambda m: int(m.card["seed"]))
    return [Chosen(f"{m.name} (seed {m.card['seed']})", m, role="seed", of=model.name) for m in found]


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


def _age(path: Path) -> tuple[int, str]:
    return path.stat().st_mtime_ns, path.parent.name
