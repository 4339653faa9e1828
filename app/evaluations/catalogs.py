"""Other catalogs of an evaluation: their join to the artists of the first, and the systems that stand for them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from riyl.app.evaluations.question import Question
from riyl.app.evaluations.systems import ALL, SelectedModel, choose, has_system, system_names, systems
from riyl.core.errors import InputError, NotFoundError
from riyl.core.external.artist_map import read_artist_map
from riyl.core.settings import Home
from riyl.core.storage.snapshot import Snapshot, find_snapshot
from riyl.core.types import ArtistId, Mask, Progress
from riyl.evaluation.catalogs import JoinedCatalog, join_by_map, join_by_mbid
from riyl.evaluation.subject import Subject
from riyl.index.artifact.version import Version
from riyl.training.config import FILLED_PROJECTION

FIRST = "the first catalog"
"""Name, in errors, of the catalog whose artists are those of the study."""

_NAME = re.compile(r"[A-Za-z0-9_.-]+")


@dataclass(frozen=True)
class ChosenNames:
    """Systems that a question names, by catalog.

    Attributes:
        first: names in the first catalog, for `riyl.app.evaluations.systems.choose`; None for its default.
        others: by catalog, the names there.
    """

    first: Sequence[str] | None
    others: Mapping[str, Sequence[str] | None]


def join_catalogs(home: Home, question: Question, catalog: Snapshot | Version) -> list[JoinedCatalog]:
    """Join the other catalogs of a question to the artists of the first, in the order of the question.

    Raises:
        NotFoundError: there is no such snapshot.
        InputError: a name or a map is invalid, a map is of no catalog, or there are no mbids and no map.
        MismatchError: a catalog shares no artist with the first.
    """
    for name in question.catalogs:
        if not _NAME.fullmatch(name):
            wanted = "letters, digits, dots, hyphens and underscores, such as own=SNAPSHOT"
            raise InputError(f"catalogs: found the name {name!r}; wanted {wanted}")
    if without := [name for name in question.maps if name not in question.catalogs]:
        listed = ", ".join(question.catalogs) or "none"
        raise InputError(f"maps: found one for {without[0]!r}; wanted the name of a catalog of the study ({listed})")
    return [_joined(home, name, snapshot, question, catalog) for name, snapshot in question.catalogs.items()]


def _joined(home: Home, name: str, snapshot_id: str, question: Question, catalog: Snapshot | Version) -> JoinedCatalog:
    snapshot = find_snapshot(home.snapshots, snapshot_id)
    if name in question.maps:
        path = Path(question.maps[name])
        pairs = read_artist_map(path)
        return JoinedCatalog(
            name, snapshot, join_by_map(name, pairs, path.name, catalog.artist_ids, snapshot.artist_ids)
        )
    return JoinedCatalog(name, snapshot, join_by_mbid(name, catalog.artists, snapshot.artists))


def names_by_catalog(home: Home, question: Question, first: str, others: Sequence[JoinedCatalog]) -> ChosenNames:
    """Divide the names of systems of a question among its catalogs.

    A name stands for the system of that name in every catalog that has it; with a catalog in front, such as
    own/default, in that catalog alone. "all" is all systems of every catalog, and None the default of each.

    Args:
        home: home of the models.
        question: parameters of the evaluation.
        first: snapshot of the first catalog, by id.
        others: the other catalogs.

    Raises:
        NotFoundError: no catalog has a system of a name; the message lists the systems of each.
    """
    names = question.systems
    if names is None or not others or list(names) == [ALL]:
        return ChosenNames(names, {other.name: names for other in others})
    first_names = list[str]()
    other_names: dict[str, list[str]] = {other.name: [] for other in others}
    for name in names:
        catalog, slash, rest = name.partition("/")
        if slash and catalog in other_names:
            other_names[catalog].append(rest)
        elif name == FILLED_PROJECTION:
            first_names.append(name)
        else:
            _add(home, name, first, first_names, others, other_names)
    _check_names(home, others, other_names)
    return ChosenNames(first_names, {other: list(dict.fromkeys(each)) for other, each in other_names.items()})


def _add(
    home: Home,
    name: str,
    first: str,
    first_names: list[str],
    others: Sequence[JoinedCatalog],
    other_names: Mapping[str, list[str]],
) -> None:
    """Add a name to the catalogs that have a system of it."""
    first_snapshot = find_snapshot(home.snapshots, first)
    with_system = [other for other in others if has_system(home, other.snapshot, name)]
    for other in with_system:
        other_names[other.name].append(name)
    if has_system(home, first_snapshot, name):
        first_names.append(name)
    elif not with_system:
        listed = {FIRST: first_snapshot, **{f"catalog {other.name}": other.snapshot for other in others}}
        raise NotFoundError(f"systems: found {name!r}, which no catalog has; {_listed(home, listed)}")


def _check_names(home: Home, others: Sequence[JoinedCatalog], other_names: Mapping[str, Sequence[str]]) -> None:
    """Check the names that were given for one catalog alone."""
    for other in others:
        for name in other_names[other.name]:
            if list(other_names[other.name]) != [ALL] and not has_system(home, other.snapshot, name):
                listed = _listed(home, {f"catalog {other.name}": other.snapshot})
                raise NotFoundError(f"systems: found '{other.name}/{name}', which that catalog lacks; {listed}")


def _listed(home: Home, snapshots: Mapping[str, Snapshot]) -> str:
    return "; ".join(f"{name} has {', '.join(system_names(home, each))}" for name, each in snapshots.items())


def choose_joined(
    home: Home, other: JoinedCatalog, names: Sequence[str] | None, question: Question, progress: Progress
) -> list[SelectedModel]:
    """Choose the models of another catalog, named CATALOG/NAME; see `riyl.app.evaluations.systems.choose`."""
    return [
        replace(
            selected,
            name=f"{other.name}/{selected.name}",
            of=None if selected.of is None else f"{other.name}/{selected.of}",
        )
        for selected in choose(home, other.snapshot, names, question.seed, progress, seeds=question.seeds)
    ]


def joined_systems(
    home: Home,
    others: Sequence[JoinedCatalog],
    chosen: Mapping[str, Sequence[SelectedModel]],
    *,
    raw: bool,
    threads: int,
    progress: Progress,
) -> Iterator[Subject]:
    """Yield the chosen models of other catalogs as subjects of a study, catalog by catalog, embedded one at a time."""
    for other in others:
        yield from systems(
            home, other.snapshot, chosen[other.name], joined=other, raw=raw, threads=threads, progress=progress
        )


def linked_artists(
    catalog: Snapshot | Version, others: Sequence[JoinedCatalog], chosen: Mapping[str, Sequence[SelectedModel]]
) -> set[ArtistId]:
    """Return the artists of the study of whose similar pairs a model of another catalog has learned."""
    linked = set[ArtistId]()
    for other in others:
        ids = {artist for selected in chosen[other.name] for artist in selected.model.supervised_artists}
        if ids:
            marks = np.array([artist in ids for artist in other.snapshot.artist_ids], bool)
            linked |= {catalog.artist_ids[row] for row in np.flatnonzero(other.gathered(marks, False))}
    return linked


def joined_holdout(holdout: Mask, others: Sequence[JoinedCatalog]) -> Mask:
    """Return the (n,) mask of the artists that no catalog learned from; none if no catalog holds artists out.

    Args:
        holdout: (n,) bool, the artists that the first catalog holds out.
        others: the other catalogs. One without held-out artists has learned from all of its artists.
    """
    if not holdout.any() and not any(other.snapshot.holdout.any() for other in others):
        return holdout
    for other in others:
        holdout = holdout & other.gathered(other.snapshot.holdout, True)
    return holdout


def describe(other: JoinedCatalog) -> dict[str, Any]:
    """Describe a joined catalog for the figures of an evaluation: its size, its join, and counts of its modalities."""
    names = list(other.snapshot.modalities)
    return {
        "name": other.name,
        "snapshot": other.snapshot.id,
        "artists": other.snapshot.n_artists,
        "join": other.join.by,
        "matched": other.join.matched,
        "ambiguous": other.join.ambiguous,
        "unknown": other.join.unknown,
        "modalities": {name: int(other.snapshot.having([name]).sum()) for name in names},
        "matched_modalities": {name: int(other.having([name]).sum()) for name in names},
    }
