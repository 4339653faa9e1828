"""Evaluation of models, baselines and an index version on a ground truth, for the command line and for jobs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import chain
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from riyl.app.evaluations.catalogs import (
    choose_joined,
    describe,
    join_catalogs,
    joined_holdout,
    joined_systems,
    linked_artists,
    names_by_catalog,
)
from riyl.app.evaluations.command import evaluate_command
from riyl.app.evaluations.conditions import study_conditions
from riyl.app.evaluations.external import external_systems
from riyl.app.evaluations.question import Question
from riyl.app.evaluations.systems import ALL, SelectedModel, choose, filled_projection, find_model, systems
from riyl.core.errors import InputError
from riyl.core.settings import Home, Settings
from riyl.core.storage.ground_truth import Truth, find_truth
from riyl.core.storage.model import Model
from riyl.core.storage.snapshot import Snapshot, find_snapshot
from riyl.core.types import Mask, Progress, silent
from riyl.evaluation.catalogs import JoinedCatalog
from riyl.evaluation.protocol import PROTOCOL, Result, Setup
from riyl.evaluation.queries import expected_table, query_table
from riyl.evaluation.record import defined, record
from riyl.evaluation.study import study
from riyl.evaluation.subject import Subject, leaves_out_own, with_biases
from riyl.evaluation.systems import version_ndcg, version_parts, version_system
from riyl.evaluation.table import Comparison, compare
from riyl.index.artifact.version import Version
from riyl.index.scoring.tie_breaking import tie_break_rank
from riyl.index.versions.lifecycle import find_version
from riyl.index.versions.line import find_snapshot_of_line, snapshot_of_line_for
from riyl.training.config import FILLED_PROJECTION, SINGLE

FORMAT = 2
"""Format number of the figures."""

CF = f"{SINGLE}cf"
"""System that popularity groups are relative to, as in Ferraro et al."""

Figures: TypeAlias = dict[str, Any]
"""Measured figures as JSON values: an undefined figure is null."""


@dataclass(frozen=True)
class Evaluated:
    """Results of an evaluation.

    Attributes:
        figures: all figures.
        results, comparisons: the same before their conversion to plain values.
        queries: `riyl.evaluation.queries.query_table`.
        expected: `riyl.evaluation.queries.expected_table`.
    """

    figures: Figures
    results: list[Result]
    comparisons: list[Comparison]
    queries: pa.Table
    expected: pa.Table

    @cached_property
    def report(self) -> bytes:
        """Report of the figures by `riyl.evaluation.report.report_html`, in UTF-8."""
        # imported here, because matplotlib loads slowly
        from riyl.evaluation.report import report_html

        return report_html(self.figures).encode()


def run_evaluation(home: Home, question: Question, *, threads: int = 1, progress: Progress = silent) -> Evaluated:
    """Measure all figures of the systems in the conditions, and the differences to the first system.

    A version contains its artists, their plays and modalities, so it needs no snapshot if measured alone. `threads` is
    the number of threads of embedding, search and resampling.

    Raises:
        NotFoundError: there is no such ground truth, system, version or snapshot.
        InputError: a condition, a catalog or its map is invalid, there is no system, or a version is named with a
            snapshot or a model.
        MismatchError: a model was fitted on another featurizer and other tables; the message says what to run. Or
            another catalog shares no artist with the first.
    """
    others_named = (question.version, question.model, *question.embeddings, *question.runs)
    if question.systems is not None and not question.systems and not any(others_named):
        raise InputError("systems: found none; wanted models or baselines, a version, embeddings or a run")
    model = None if question.model is None else find_model(home, question.model, question.snapshot)
    catalog = _catalog(home, question, model)
    truth = find_truth(home.truths, question.truth)
    relevance = truth.relevance(catalog.artist_ids)
    others = join_catalogs(home, question, catalog)
    conditions, groupings = study_conditions(question, catalog, relevance, others)
    external = external_systems(home, question, catalog.artist_ids)
    names = names_by_catalog(home, question, _snapshot_id(catalog), others)
    study_systems, chosen = _study_systems(
        home, replace(question, systems=names.first), catalog, model, threads, progress
    )
    joined = {other.name: choose_joined(home, other, names.others[other.name], question, progress) for other in others}
    raw = leaves_out_own(question.bias)
    of_others = joined_systems(home, others, joined, raw=raw, threads=threads, progress=progress)
    unseen = _unseen(home, catalog, chosen, others, joined)
    of_models = (replace(subject, unseen=unseen) for subject in chain(study_systems, of_others))
    study_systems = chain(of_models, (each.subject for each in external))
    study_systems = with_biases(study_systems, question.bias, threads=threads)
    order = tie_break_rank(catalog.artist_ids, question.seed)
    setup = Setup(relevance, order, question.k, question.rounds, question.seed, threads)
    study_results = study(study_systems, conditions, groupings, setup, catalog.plays, progress=progress)
    comparisons = compare(
        study_results.results, study_results.entries[0].name, rounds=question.rounds, seed=question.seed
    )
    plain = record(
        study_results,
        {"plays": catalog.plays, "listeners": catalog.listeners},
        comparisons,
        cf=CF if any(entry.name == CF for entry in study_results.entries) else None,
        rounds=question.rounds,
        seed=question.seed,
    )
    of_external = {"external": [each.plain for each in external], "bias": list(question.bias)}
    return Evaluated(
        defined(
            {
                **_header(question, truth, relevance.unknown_pairs, catalog, [*chosen, *chain(*joined.values())]),
                "catalogs": [describe(other) for other in others],
                **of_external,
                **plain,
            }
        ),
        study_results.results,
        comparisons,
        query_table(study_results.results, catalog.artist_ids),
        expected_table(study_results.results, conditions, relevance, catalog.plays, catalog.artist_ids),
    )


def quality_ndcg(settings: Settings) -> Callable[[Version], float] | None:
    """Return the function by which the promotion policy measures versions; None if the settings name no ground truth.

    The function returns the mean nDCG@200 of a version on the ground truth of the settings.

    Raises:
        NotFoundError: there is no such ground truth.
    """
    if settings.quality_truth is None:
        return None
    return partial(version_ndcg, truth=find_truth(Home(settings.home).truths, settings.quality_truth))


def _catalog(home: Home, question: Question, model: Model | None) -> Snapshot | Version:
    if question.version is None and model is not None:
        return snapshot_of_line_for(home, model, question.snapshot)
    if question.version is None:
        return find_snapshot_of_line(home, question.snapshot)
    if question.snapshot is not None:
        raise InputError("found a version and a snapshot; wanted one: a version is measured on its own snapshot")
    if model is not None:
        raise InputError("found a version and a model; wanted one to compare to: name the other one in systems")
    return Version.open(find_version(home.versions, question.version))


def _study_systems(
    home: Home, question: Question, catalog: Snapshot | Version, model: Model | None, threads: int, progress: Progress
) -> tuple[Iterator[Subject], list[SelectedModel]]:
    """Return RIYL's systems of a study, the named version or model first, and the models of these systems."""
    versions = []
    if isinstance(catalog, Version):
        parts = version_parts(catalog)
        versions.append(Subject(version_system(catalog), parts=parts, scoring=catalog.scoring.settings))
    named = bool(versions) or model is not None
    names = [] if named and question.systems is None else question.systems
    if model is None and names == []:
        return iter(versions), []
    snapshot = find_snapshot(home.snapshots, _snapshot_id(catalog))
    with_filled = names is not None and (FILLED_PROJECTION in names or list(names) == [ALL])
    names = None if names is None else [name for name in names if name != FILLED_PROJECTION]
    chosen: list[SelectedModel] = []
    if names != [] or model is not None:
        chosen = choose(home, snapshot, names, question.seed, progress, first=model, seeds=question.seeds)
    raw = leaves_out_own(question.bias)
    of_models = systems(home, snapshot, chosen, raw=raw, threads=threads, progress=progress)
    filled = (filled_projection(snapshot, question.seed) for _ in range(with_filled))
    return chain(versions, of_models, filled), chosen


def _unseen(
    home: Home,
    catalog: Snapshot | Version,
    chosen: Sequence[SelectedModel],
    others: Sequence[JoinedCatalog],
    joined: Mapping[str, Sequence[SelectedModel]],
) -> Mask | None:
    """Return the (n,) mask of artists that neither featurizer nor models learned from; None if none were held out.

    All of RIYL's systems share it, so that their figures are over the same queries.
    """
    models = [selected.model for selected in chosen]
    if isinstance(catalog, Version) and (folder := home.models / str(catalog.manifest["model"])).exists():
        models.append(Model.open(folder))
    linked = {artist_id for model in models for artist_id in model.supervised_artists}
    linked |= linked_artists(catalog, others, joined)
    holdout = catalog.holdout if isinstance(catalog, Snapshot) else np.zeros(catalog.n_artists, bool)
    holdout = joined_holdout(holdout, others)
    if not linked:
        return holdout if holdout.any() else None
    outside = np.array([artist_id not in linked for artist_id in catalog.artist_ids], bool)
    return outside & holdout if holdout.any() else outside


def _snapshot_id(catalog: Snapshot | Version) -> str:
    return catalog.id if isinstance(catalog, Snapshot) else str(catalog.manifest["snapshot"])


def _header(
    question: Question, truth: Truth, unknown_pairs: int, catalog: Snapshot | Version, chosen: Sequence[SelectedModel]
) -> Figures:
    """Describe the inputs of an evaluation."""
    having = {name: int(catalog.having([name]).sum()) for name in catalog.modalities}
    return {
        "format": FORMAT,
        "command": evaluate_command(question),
        "snapshot": _snapshot_id(catalog),
        "version": catalog.id if isinstance(catalog, Version) else None,
        "truth": {
            "id": truth.id,
            "name": truth.name,
            "directed": truth.directed,
            "pairs": truth.pairs.num_rows,
            "unknown_pairs": unknown_pairs,
        },
        "catalog": {"artists": catalog.n_artists, "modalities": having, "patterns": _patterns(catalog)},
        "models": {
            selected.name: {
                "id": selected.model.id,
                "seed": selected.model.card["seed"],
                "commit": selected.model.card["commit"],
            }
            for selected in chosen
        },
        "seed": question.seed,
        "rounds": question.rounds,
        "k": question.k,
        "protocol": PROTOCOL,
    }


def _patterns(catalog: Snapshot | Version) -> list[Figures]:
    """Count the artists of each exact set of modalities, the most frequent set first."""
    names = list(catalog.modalities)
    codes = np.zeros(catalog.n_artists, np.int64)
    for bit, name in enumerate(names):
        codes |= catalog.having([name]).astype(np.int64) << bit
    distinct, counts = np.unique(codes, return_counts=True)
    return [
        {"modalities": [name for bit, name in enumerate(names) if code >> bit & 1], "artists": count}
        for code, count in sorted(zip(distinct.tolist(), counts.tolist(), strict=True), key=lambda item: -item[1])
    ]
