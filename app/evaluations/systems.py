"""Choice of the systems of an evaluation: models and baselines, also with fewer modalities and from other seeds."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from riyl.core.errors import InputError, MismatchError, OutdatedError
from riyl.core.extras import needs_extra
from riyl.core.settings import Home
from riyl.core.storage.entries import by_age, pick
from riyl.core.storage.model import CARD, Model
from riyl.core.storage.scoring_settings import NO_SCORING
from riyl.core.storage.snapshot import Snapshot, find_snapshot
from riyl.core.types import Progress
from riyl.evaluation.catalog_systems import joined_parts, joined_system
from riyl.evaluation.catalogs import JoinedCatalog
from riyl.evaluation.retrieval import System
from riyl.evaluation.subject import Role, Subject
from riyl.evaluation.systems import fuse, model_parts, model_system, subset_system, subsets_of
from riyl.index.versions.line import find_model_of_line
from riyl.training.config import BASELINES, FILLED_PROJECTION, SINGLE, config_of, load_config
from riyl.training.train import train

ALL = "all"
"""Name that selects every baseline, and every model of the snapshot's featurizer: whole, with each subset of its
modalities, and from every seed.
"""


WITHOUT_CHANCE = ("pca", "single")
"""Methods that give the same model from every seed."""


@dataclass(frozen=True)
class SelectedModel:
    """Model to evaluate.

    Attributes:
        name: name of its system.
        role: "system" or "seed".
        of: name of the system that this is another seed of.
        subsets: whether the model is also evaluated with every subset of its modalities.
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
    seeds: int = 1,
) -> list[SelectedModel]:
    """Choose the models to evaluate; baselines that do not exist yet are fitted.

    Args:
        home: home of the models.
        snapshot: snapshot whose artists are used.
        names: models by name or id, and baselines, which are fitted on this snapshot unless an id names one of
            another; [`ALL`]; or None: the newest trained model of each name, and every baseline. The last two skip
            models that could embed no artist.
        seed: seed of the baselines.
        progress: progress of fitting.
        first: model that comes before the others, and is not repeated among them.
        seeds: number of seeds of each model whose training depends on chance; those that do not exist yet are trained.

    Raises:
        NotFoundError: there is no such model.
    """
    stored = _stored(home)
    newest = {model.name: model for model in reversed(stored) if model.card["featurizer"] == snapshot.featurizer_id}
    had = snapshot.modalities_had
    baselines = [*BASELINES, *(SINGLE + name for name in had)]
    take_all = names is not None and list(names) == [ALL]
    chosen = [] if first is None else [_chosen(first, snapshot, subsets=take_all)]
    if names is None or take_all:
        trained = [m for name, m in newest.items() if not _is_baseline(name) and not m.parts.keys().isdisjoint(had)]
        for model in reversed(trained):
            chosen.append(_chosen(model, snapshot, subsets=take_all))
            if take_all:
                chosen += _other_seeds(model, stored)
        chosen += [_chosen(_baseline(home, snapshot, name, seed, progress), snapshot) for name in baselines]
    else:
        for name in names:
            if name in newest and (not _is_baseline(name) or newest[name].card["snapshot"] == snapshot.id):
                model = newest[name]
            elif _is_baseline(name):
                model = _baseline(home, snapshot, name, seed, progress)
            else:
                model = find_model(home, name, snapshot.id)
            chosen.append(_chosen(model, snapshot))
    if first is not None:
        chosen[1:] = [selected for selected in chosen[1:] if selected.model.id != first.id]
    if seeds > 1:
        ids, with_seeds = {selected.model.id for selected in chosen}, list[SelectedModel]()
        for selected in chosen:
            others = _trained_seeds(home, selected, seeds, stored, progress)
            with_seeds += [selected, *(other for other in others if other.model.id not in ids)]
        chosen = with_seeds
    return _told_apart(chosen)


def find_model(home: Home, name: str, snapshot: str | None) -> Model:
    """Find a model by name or id.

    Of several models of the name, those with the named snapshot's featurizer come first, then the newest; without a
    snapshot, those of the current version's catalog come first.

    Raises:
        NotFoundError: there is no such model, or no such snapshot.
    """
    if snapshot is None:
        return find_model_of_line(home, name)
    named = [model for model in _stored(home) if model.name == name]
    if not named:
        return Model.open(pick(home.models, name, "model", CARD))
    featurizer = find_snapshot(home.snapshots, snapshot).featurizer_id
    return max(named, key=lambda model: model.card["featurizer"] == featurizer)


def systems(
    home: Home,
    snapshot: Snapshot,
    chosen: Sequence[SelectedModel],
    *,
    joined: JoinedCatalog | None = None,
    raw: bool = False,
    threads: int,
    progress: Progress,
) -> Iterator[Subject]:
    """Yield the chosen models as subjects of a study, embedded one at a time, each followed by its subsets.

    With `joined`, the snapshot is that of another catalog of the study, and the subjects are over the study's artists.
    With `raw`, the corrections of scores are left out.

    Raises:
        MismatchError: a model was fitted on another featurizer and other tables; the message names both.
    """
    for selected in chosen:
        on = _snapshot_of(home, selected.model, snapshot)
        if joined is None:
            parts = model_parts(selected.model, on, threads=threads, progress=progress)
            system = model_system(selected.name, selected.model, on, parts, raw=raw, threads=threads)
        else:
            other = replace(joined, snapshot=on)
            parts = joined_parts(selected.model, other, threads=threads, progress=progress)
            system = joined_system(selected.name, selected.model, other, parts, raw=raw, threads=threads)
        catalog = None if joined is None else joined.name
        settings, seed = NO_SCORING if raw else selected.model.scoring, int(selected.model.card["seed"])
        yield Subject(system, selected.role, of=selected.of, seed=seed, parts=parts, scoring=settings, catalog=catalog)
        for subset in subsets_of(parts)[:-1] if selected.subsets else []:
            masked = subset_system(selected.name, parts, subset, settings, threads=threads)
            yield Subject(masked, "subset", of=selected.name, subset=subset, catalog=catalog)


def filled_projection(snapshot: Snapshot, seed: int) -> Subject:
    """Fit the baseline `FILLED_PROJECTION` on a snapshot, as a subject of a study; it is not stored as a model."""
    with needs_extra("train"):
        from riyl.training.baselines import fit_filled_projection

        fitted = fit_filled_projection(snapshot, seed)
    vectors, covered = fuse(fitted.parts, missing=fitted.missing)
    system = System(FILLED_PROJECTION, vectors, vectors, covered, vectors=vectors)
    return Subject(system, seed=seed, parts=fitted.parts, missing=fitted.missing)


def has_system(home: Home, snapshot: Snapshot, name: str) -> bool:
    """Check whether a name or id is that of a baseline or a model of a snapshot, which `choose` would take there."""
    if _is_baseline(name):
        return name in BASELINES or name.removeprefix(SINGLE) in snapshot.modalities_had
    for model in _stored(home):
        if name and (model.name == name or model.id.startswith(name)):
            with contextlib.suppress(MismatchError):
                _snapshot_of(home, model, snapshot)
                return True
    return False


def system_names(home: Home, snapshot: Snapshot) -> list[str]:
    """Return the names of the models that were fitted on a snapshot's featurizer, the newest first, and baselines."""
    names = [
        m.name for m in _stored(home) if m.card["featurizer"] == snapshot.featurizer_id and not _is_baseline(m.name)
    ]
    return list(dict.fromkeys([*names, *BASELINES, *(SINGLE + name for name in snapshot.modalities_had)]))


def _stored(home: Home) -> list[Model]:
    """Return all models that this release can read, the newest first."""
    models = []
    for path in reversed(by_age(home.models, CARD)):
        with contextlib.suppress(OutdatedError):
            models.append(Model.open(path.parent))
    return models


def _is_baseline(name: str) -> bool:
    return name in BASELINES or name.startswith(SINGLE)


def _chosen(model: Model, snapshot: Snapshot, *, subsets: bool = False) -> SelectedModel:
    same_featurizer = model.card["featurizer"] == snapshot.featurizer_id
    return SelectedModel(
        model.name if same_featurizer else f"{model.name} ({model.card['snapshot']})", model, subsets=subsets
    )


def _told_apart(chosen: Sequence[SelectedModel]) -> list[SelectedModel]:
    """Add the id to the names of models that share the name of an earlier one."""
    named = list[SelectedModel]()
    for selected in chosen:
        taken = any(other.name == selected.name for other in named)
        named.append(replace(selected, name=f"{selected.model.name} {selected.model.id}") if taken else selected)
    return named


def _other_seeds(model: Model, stored: Sequence[Model]) -> list[SelectedModel]:
    """Return the models with equal config, snapshot and supervision from other seeds, by seed."""
    same = ("name", "snapshot", "config")
    alike = [
        other
        for other in stored
        if other.id != model.id
        and all(other.card.get(name) == model.card.get(name) for name in same)
        and other.relations == model.relations
    ]
    by_seed = sorted(alike, key=lambda m: int(m.card["seed"]))
    return [SelectedModel(f"{m.name} (seed {m.card['seed']})", m, role="seed", of=model.name) for m in by_seed]


def _trained_seeds(
    home: Home, selected: SelectedModel, seeds: int, stored: Sequence[Model], progress: Progress
) -> list[SelectedModel]:
    """Return the models of the config from the seeds that follow the model's own; those that do not exist are trained.

    Raises:
        InputError: the model was trained on pairs of similar artists, and seeds of it are missing.
    """
    model, card = selected.model, selected.model.card
    if selected.role == "seed" or model.method in WITHOUT_CHANCE:
        return []
    others = _other_seeds(model, stored)[: seeds - 1]
    taken = {int(card["seed"]), *(int(other.model.card["seed"]) for other in others)}
    new = [seed for seed in range(int(card["seed"]), int(card["seed"]) + 2 * seeds) if seed not in taken]
    for seed in new[: seeds - 1 - len(others)]:
        if model.supervised_artists:
            raise InputError(
                f"seeds: found {len(others) + 1} of {model.name}, which was trained on pairs of similar artists; "
                f"wanted {seeds}: train the others with riyl train --seed"
            )
        snapshot = find_snapshot(home.snapshots, str(card["snapshot"]))
        again = train(
            model.name, config_of(model), snapshot, home.models, seed=seed, as_newest=False, progress=progress
        )
        others.append(SelectedModel(f"{model.name} (seed {seed})", again, role="seed", of=selected.name))
    return others


def _baseline(home: Home, snapshot: Snapshot, name: str, seed: int, progress: Progress) -> Model:
    label, config = load_config(name)
    return train(label, config, snapshot, home.models, seed=seed, as_newest=False, progress=progress)


def _snapshot_of(home: Home, model: Model, snapshot: Snapshot) -> Snapshot:
    """Return the snapshot whose features a model takes: this one, or the one it was fitted on if the tables are equal.

    Raises:
        MismatchError: the model was fitted on another featurizer and other tables; the message names both.
    """
    if model.card["featurizer"] != snapshot.featurizer_id:
        folder = home.snapshots / str(model.card["snapshot"])
        if (
            folder.exists()
            and (fitted_snapshot := Snapshot.open(folder)).manifest["tables"] == snapshot.manifest["tables"]
        ):
            return fitted_snapshot
        model.check_fits(snapshot)
    return snapshot
