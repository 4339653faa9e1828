"""Models as systems: a model queried with any of its modalities, masked at inference and never retrained."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import combinations
from types import MappingProxyType
from typing import TypeAlias

import numpy as np

from riyl.core.errors import InputError, MismatchError, NotFoundError
from riyl.core.ranking_metrics import mean_of, ndcg
from riyl.core.storage.ground_truth import Truth
from riyl.core.storage.model import Model
from riyl.core.storage.part import NAME
from riyl.core.storage.scoring_settings import NO_SCORING, ScoringSettings
from riyl.core.storage.snapshot import Snapshot
from riyl.core.types import Mask, Matrix, Progress, Rows, Vector, silent
from riyl.evaluation.conditions import conditions_of
from riyl.evaluation.retrieval import System, judge
from riyl.index.artifact.version import Version
from riyl.index.build.fit_scoring import best_known, fit_scoring, patterns_among, patterns_of
from riyl.index.encoding.embed import Embedding, parts_of, unit_means
from riyl.index.encoding.name_part import limit_names, name_parts
from riyl.index.scoring.calibration import calibration
from riyl.index.scoring.factors import Patterns
from riyl.index.scoring.score import Scoring

NDCG_AT = 200

Parts: TypeAlias = Mapping[str, Matrix]
"""Parts by modality, (n, d) float32 each: row i is artist i, zeros where it lacks the modality."""

NOTHING_MISSING: Mapping[str, Vector] = MappingProxyType({})
"""Parts of missing modalities of a system to which a missing modality adds nothing."""

Subset: TypeAlias = tuple[str, ...]
"""Names of modalities, ascending."""

_ROWS_AT_ONCE = 1 << 15


def subsets_of(modalities: Collection[str]) -> list[Subset]:
    """List the 2^M - 1 non-empty subsets of M modalities: small ones first, those of one size by name."""
    names = sorted(set(modalities))
    return [subset for size in range(1, len(names) + 1) for subset in combinations(names, size)]


def model_parts(model: Model, snapshot: Snapshot, *, threads: int = 1, progress: Progress = silent) -> Parts:
    """Compute the parts of every artist of a snapshot, modality by modality; 4 n d bytes each.

    For a modality that the model takes and the snapshot lacks, all parts are zeros.

    Raises:
        MismatchError: see `riyl.index.encoding.embed.parts_of`.
    """
    model.check_fits(snapshot)
    parts: dict[str, Matrix] = {}
    for name in model.parts:
        parts[name] = np.zeros((snapshot.n_artists, model.dim), np.float32)
        if name in snapshot.modalities:
            rows = snapshot.modalities[name].rows
            parts[name][rows] = parts_of(model, snapshot, name, threads=threads, progress=progress)
    return parts


def model_system(
    name: str, model: Model, snapshot: Snapshot, parts: Parts, *, raw: bool = False, threads: int = 1
) -> System:
    """Build the system of a model over a snapshot, equal to a version of the two, with the corrections of its card.

    If the model takes the name, the parts of names are added here; they are no modality's, and not among `parts`.

    Args:
        name: name of the system in tables.
        model: the model.
        snapshot: the snapshot.
        parts: result of `model_parts` for the two.
        raw: whether to leave the corrections out.
        threads: threads of the fit of the corrections.

    Raises:
        MismatchError: see `riyl.index.encoding.embed.parts_of`.
    """
    rows = np.arange(snapshot.n_artists, dtype=np.int32)
    vectors, covered = fuse(parts, name=name_parts(model, snapshot, rows, threads=threads))
    if raw:
        return System(name, vectors, vectors, covered, vectors=vectors)
    scoring = fit_scoring(model, snapshot, Embedding(vectors, covered), threads=threads)
    return scored_system(name, vectors, covered, patterns_of(snapshot)[1], scoring)


def scored_system(name: str, vectors: Matrix, covered: Mask, patterns: Patterns, scoring: Scoring) -> System:
    """Build a system with corrections; hubness is measured anew where candidates are restricted.

    Args:
        name: name of the system in tables.
        vectors: (n, d) float32 unit rows, zeros where not covered.
        covered: (n,) bool.
        patterns: (n,) int32.
        scoring: the corrections.
    """
    if not scoring.corrects:
        return System(name, vectors, vectors, covered, vectors=vectors)

    def restricted(rows: Rows) -> tuple[Matrix, Matrix]:
        return scoring.among(vectors, covered, patterns, rows)

    return System(name, *scoring.factors(vectors, patterns), covered, restricted, vectors)


def check_parts(parts: Parts) -> None:
    """Check that parts are matrices of one shape.

    Raises:
        InputError: there are no parts.
        MismatchError: two parts differ in shape; the message has every shape.
    """
    if not parts:
        raise InputError("parts: found none; wanted at least one modality")
    if len({matrix.shape for matrix in parts.values()}) > 1:
        shapes = ", ".join(f"{name} {matrix.shape}" for name, matrix in parts.items())
        raise MismatchError(f"parts: found {shapes}; wanted one shape")


def fuse(
    parts: Parts,
    only: Collection[str] | None = None,
    missing: Mapping[str, Vector] = NOTHING_MISSING,
    name: Matrix | None = None,
) -> tuple[Matrix, Mask]:
    """Compute artists' embeddings like `riyl.index.encoding.embed.embed`: the mean of the parts, scaled to unit length.

    Args:
        parts: parts of all artists.
        only: modalities to use, the others are taken as missing; None uses all.
        missing: by modality (d,), added for artists that lack it; empty where a missing modality adds nothing.
        name: (n, d) parts of the artists' names, which `riyl.index.encoding.name_part.limit_names` limits; None adds
            none.

    Returns:
        (n, d) float32 unit rows, and (n,) bool, true for artists with a part; zeros where an artist has none.

    Raises:
        InputError, MismatchError: see `check_parts`.
    """
    check_parts(parts)
    n, d = next(iter(parts.values())).shape
    unit, covered = np.zeros((n, d), np.float32), np.zeros(n, bool)
    names = [modality for modality in sorted(parts) if only is None or modality in only]
    for start in range(0, n, _ROWS_AT_ONCE):
        block = slice(start, start + _ROWS_AT_ONCE)
        sums, counts = np.zeros(unit[block].shape, np.float32), np.zeros(len(unit[block]), np.int32)
        for modality in names:
            sums += parts[modality][block]
            counts += parts[modality][block].any(axis=1)
        for modality, part in missing.items():
            lacks = counts > 0
            if modality in names:
                lacks &= ~parts[modality][block].any(axis=1)
            sums[lacks] += part
        if name is not None:
            sums += limit_names(name[block], sums)
        unit[block], divisors = unit_means(sums, counts)
        covered[block] = divisors > 0
    return unit, covered


def subset_system(
    name: str, parts: Parts, subset: Subset, settings: ScoringSettings = NO_SCORING, *, threads: int = 1
) -> System:
    """Build a system that is given some of its modalities only, with a name such as "paper-msd audio+cf".

    Args:
        name: name of the whole system.
        parts: parts of all modalities.
        subset: the modalities given.
        settings: settings of the corrections, which are fitted on the given modalities; the default corrects nothing.
        threads: threads of the fit of the corrections.

    Raises:
        NotFoundError: the subset is empty or has a modality without parts.
    """
    if not subset or not set(subset) <= set(parts):
        raise NotFoundError(f"{name}: found {'+'.join(subset) or 'no modality'}; wanted some of {', '.join(parts)}")
    vectors, covered = fuse(parts, subset)
    has = np.stack([parts[modality].any(axis=1) for modality in subset], axis=1)
    sets, patterns = patterns_among(subset, has)
    c = np.zeros((len(sets), len(sets)), np.float32)
    if settings.calibration:
        rows = best_known(has.sum(axis=1))
        c = calibration({modality: parts[modality][rows] for modality in subset}, sets, settings, threads=threads)
    scoring = Scoring.fit(vectors, covered, patterns, c, settings, threads=threads)
    return scored_system(f"{name} {'+'.join(subset)}", vectors, covered, patterns, scoring)


def version_system(version: Version) -> System:
    """Build the system of a version, with its corrections, over the version's artists."""
    return scored_system(
        f"version {version.id}", version.embeddings, version.has_embedding, version.patterns, version.scoring
    )


def version_parts(version: Version) -> Parts:
    """Return the parts of a version's artists by modality, those of `model_parts` up to a scale for each artist.

    The part of the name, which is no modality, is left out.
    """
    full_parts = {}
    for name, parts in version.parts.items():
        if name == NAME and name not in version.modalities:
            continue
        full_parts[name] = np.zeros(version.embeddings.shape, np.float32)
        full_parts[name][parts.rows] = parts.vectors
    return full_parts


def version_ndcg(version: Version, truth: Truth) -> float:
    """Compute the mean nDCG@200 in the condition raw; NaN where it has no query.

    The ready lists are those that the protocol retrieves there: exact, with equal scores in the order of its default
    seed.
    """
    raw = conditions_of(version)[0]
    judged = judge(version.neighbours[raw.rows, :NDCG_AT], raw, truth.relevance(version.artist_ids))
    return mean_of(ndcg(judged.hits, judged.n_relevant))
