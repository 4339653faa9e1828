"""Which systems an evaluation is of: models and baselines of the home, each whole, masked and from other seeds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.model import CARD, Model
from core.settings import Home, pick
from core.snapshot import Snapshot
from core.types import Progress
from evaluation.protocol import System
from evaluation.study import Role, Subject
from evaluation.systems import fuse, model_parts, subset_system, subsets_of
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


def choose(home: Home, snapshot: Snapshot, names: Sequence[str] | None, seed: int, progress: Progress) -> list[Chosen]:
    """The models that are asked for; baselines are fitted where they are not there yet.

    Args:
        names: models and baselines by name or id; [`ALL`]; or None: the newest trained model of each name, and every
            baseline.
        seed: of the baselines.

    Raises:
        NotFoundError: there is no such model.
    """
    stored = [Model.open(path.parent) for path in sorted(home.models.glob(f"[!.]*/{CARD}"), key=_age)]
    own = {model.name: model for model in stored if model.card["basis"] == snapshot.basis_id}
    if names is None or list(names) == [ALL]:
        baselines = [*BASELINES, *(SINGLE + name for name in snapshot.modalities)]
        trained = [model for name, model in own.items() if name not in baselines]
        chosen = []
        for model in reversed(trained):
            chosen.append(Chosen(model.name, model, subsets=names is not None))
            if names is not None:
                chosen += _other_seeds(model, stored)
        fitted = [_baseline(home, snapshot, name, seed, progress) for name in baselines]
        return [*chosen, *(Chosen(model.name, model) for model in fitted)]
    chosen = []
    for name in names:
        if name in own:
            model = own[name]
        elif name in BASELINES or name.startswith(SINGLE):
            model = _baseline(home, snapshot, name, seed, progress)
        else:
            model = Model.open(pick(home.models, name, "model", CARD))
        fits = model.card["basis"] == snapshot.basis_id
        chosen.append(Chosen(model.name if fits else f"{model.name} ({model.card['snapshot']})", model))
    return chosen


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
        vectors, covered = fuse(parts)
        system = System(one.name, vectors, vectors, covered)
        yield Subject(system, one.role, of=one.of, seed=int(one.model.card["seed"]), parts=parts)
        for subset in subsets_of(parts)[:-1] if one.subsets else []:
            yield Subject(subset_system(one.name, parts, subset), "subset", of=one.name, subset=subset)


def _other_seeds(model: Model, stored: Sequence[Model]) -> list[Chosen]:
    """The same config on the same snapshot from other seeds, by seed."""
    same = ("name", "snapshot", "config")
    alike = [m for m in stored if m.id != model.id and all(m.card[field] == model.card[field] for field in same)]
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
