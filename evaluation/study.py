"""A study: several systems evaluated by the whole protocol, one after the other, with the floors of every table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from riyl.core.errors import InputError, NotFoundError
from riyl.core.types import Mask, Matrix, Progress, Rows, silent
from riyl.evaluation.bias import biased_system
from riyl.evaluation.coherence import Coherence, coherence
from riyl.evaluation.conditions import Condition
from riyl.evaluation.groups import Groups, Robustness, group_matrix, group_scoring, grouped_system, over_groupings
from riyl.evaluation.protocol import Result, Setup, evaluate
from riyl.evaluation.retrieval import System
from riyl.evaluation.subject import Role, Subject
from riyl.evaluation.systems import Parts, Subset

NOISE = "noise"
POPULARITY = "popularity"

NOISE_WIDTH = 200
"""Width of noise vectors; about that of real embeddings, so that random hubs are about as likely."""


@dataclass(frozen=True)
class Entry:
    """A subject without its vectors, kept when the next one is studied."""

    name: str
    role: Role
    of: str | None
    subset: Subset | None
    seed: int | None
    history: str | None
    catalog: str | None = None


@dataclass
class Study:
    """Results of a study.

    Attributes:
        conditions: its conditions.
        entries: the subjects in their order, the floors last.
        results: condition by condition, subjects in their order.
        robustness: by condition of groups, of each system and seed that has parts, and of noise.
        coherence: by condition and name, over the condition's candidates, of each system with two outputs or more.
        unseen: by name of a system, the (n,) mask of the artists that it was not fitted on, where that is known.
    """

    conditions: Sequence[Condition]
    entries: list[Entry] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)
    robustness: dict[str, list[Robustness]] = field(default_factory=dict)
    coherence: dict[tuple[str, str], Coherence] = field(default_factory=dict)
    unseen: dict[str, Mask] = field(default_factory=dict)

    def of_role(self, *roles: Role) -> list[str]:
        """Return the names of the subjects in these roles."""
        return [entry.name for entry in self.entries if entry.role in roles]

    def rows_of(self, condition: str) -> Rows:
        """Return the artists of a condition.

        Raises:
            NotFoundError: the study has no such condition.
        """
        for studied in self.conditions:
            if studied.name == condition:
                return studied.rows
        raise NotFoundError(f"the study has no condition {condition!r}")


def study(
    entries: Iterable[Subject],
    conditions: Sequence[Condition],
    groupings: Mapping[str, Sequence[Groups]],
    setup: Setup,
    popularity: NDArray[np.number],
    *,
    progress: Progress = silent,
) -> Study:
    """Evaluate subjects, and then noise and popularity, in conditions and modality groups.

    Subjects are taken one by one, and each is released before the next is taken: from a generator they need the memory
    of one.

    Args:
        entries: the subjects, with distinct names.
        conditions: queries and candidates.
        groupings: by the name of a condition, results of `riyl.evaluation.groups.deal_groups` among its artists; empty
            to skip the groups.
        setup: settings of the evaluation; its seed is also that of the noise and of the groups' corrections.
        popularity: (n,) listeners or plays of the snapshot's artists.
        progress: called with the progress of each search, under the names of condition and system.

    Raises:
        InputError: two systems share a name, or one has the name of a floor.
        MismatchError: see `riyl.evaluation.protocol.evaluate`.
    """
    outcome = Study(conditions)
    by_condition: dict[str, list[Result]] = {condition.name: [] for condition in conditions}
    modalities = sorted({name for dealt in groupings.values() for subset in dealt[0].subsets for name in subset})
    outcome.robustness |= {name: [] for name in groupings}
    for subject in chain(entries, _floors(len(setup.order), popularity, setup.seed, modalities)):
        name = subject.name
        outcome.entries.append(
            Entry(name, subject.role, subject.of, subject.subset, subject.seed, subject.history, subject.catalog)
        )
        names = [entry.name for entry in outcome.entries]
        if len(set(names)) < len(names):
            raise InputError(f"systems: found the names {', '.join(names)}; wanted each once")
        if subject.role == "system" and subject.unseen is not None:
            outcome.unseen[name] = subject.unseen
        for condition in conditions:
            heard = _Named(f"{condition.name}, {name}", progress)
            by_condition[condition.name].append(evaluate(subject.system, condition, setup, progress=heard))
            if subject.role == "system" and subject.parts and len(subject.parts) > 1:
                rows = condition.rows
                outcome.coherence[condition.name, name] = coherence({m: p[rows] for m, p in subject.parts.items()})
        if subject.parts and subject.role != "subset":
            for of, dealt in groupings.items():
                heard = _Named(f"groups of {of}, {name}", progress)
                outcome.robustness[of].append(_robustness(subject, subject.parts, dealt, setup, heard))
    outcome.results.extend(chain.from_iterable(by_condition.values()))
    return outcome


def _robustness(
    subject: Subject, parts: Parts, groupings: Sequence[Groups], setup: Setup, progress: Progress
) -> Robustness:
    """Measure a system in several groupings of the same artists."""
    scoring = None
    if subject.bias is None:
        scoring = group_scoring(parts, groupings[0], subject.scoring, seed=setup.seed)
    matrices = []
    for groups in groupings:
        system = grouped_system(subject.name, parts, groups, scoring, subject.missing)
        if subject.bias is not None:
            system = biased_system(subject.name, system.queries, system.covered, subject.bias, threads=setup.threads)
        matrices.append(group_matrix(system, groups, setup, progress=progress))
    return over_groupings(matrices)


def noise_system(n: int, dim: int, seed: int) -> System:
    """Build the noise system: random unit vectors, (n, dim) float32, whose figures show the effect of chance."""
    vectors = np.random.default_rng(seed).standard_normal((n, dim), np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return System(NOISE, vectors, vectors, np.ones(n, bool))


def popularity_system(popularity: NDArray[np.number]) -> System:
    """Build the popularity system: the same list, the most popular artists, for every query.

    Args:
        popularity: (n,) listeners or plays. Equally popular artists are tied; those with 0 are last, not left out. Only
            the order is used, as ranks, which float32 holds exactly for up to 16 million artists.
    """
    _, ranks = np.unique(popularity, return_inverse=True)
    candidates = ranks.astype(np.float32)[:, None]
    return System(POPULARITY, np.ones_like(candidates), candidates, np.ones(len(candidates), bool))


def _floors(n: int, popularity: NDArray[np.number], seed: int, modalities: Sequence[str]) -> Iterator[Subject]:
    noise = noise_system(n, NOISE_WIDTH, seed)
    parts: Mapping[str, Matrix] = dict.fromkeys(modalities, noise.queries)
    yield Subject(noise, "floor", parts=parts)
    yield Subject(popularity_system(popularity), "floor")


class _Named:
    """Progress that adds the name of its subject to each step."""

    def __init__(self, name: str, progress: Progress) -> None:
        self._name = name
        self._progress = progress

    def __call__(self, step: str, done: int, total: int) -> None:
        self._progress(f"{self._name}: {step}", done, total)
