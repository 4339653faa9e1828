"""Modality groups: whether artists known by different modalities find each other (Ferraro et al., ISMIR 2023)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riyl.core.errors import InputError, MismatchError
from riyl.core.ranking_metrics import Counts, mean_of, ndcg
from riyl.core.storage.scoring_settings import ScoringSettings
from riyl.core.types import Lists, Matrix, Progress, Rows, Scores, Vector, silent
from riyl.evaluation.bootstrap import Spread, spread
from riyl.evaluation.conditions import Condition
from riyl.evaluation.protocol import Setup
from riyl.evaluation.retrieval import System, judge, retrieve
from riyl.evaluation.systems import NOTHING_MISSING, Parts, Subset, check_parts, fuse, scored_system, subsets_of
from riyl.index.scoring.calibration import MASKED, calibration
from riyl.index.scoring.score import Scoring

TOP = 5
"""Number of first neighbours of each list that the matrix counts; the paper's figure has the top 5."""

GROUPINGS = 5
"""Number of random groupings of the artists; a single one could not separate chance from a property of a system."""


@dataclass(frozen=True)
class Groups:
    """Artists divided into G groups, each of which keeps one subset of the modalities.

    Attributes:
        subsets: the G subsets, in the order of `riyl.evaluation.systems.subsets_of`.
        rows: (m,) rows of the snapshot, ascending: the artists of all groups.
        group: (m,) int32, the group of each artist.
    """

    subsets: tuple[Subset, ...]
    rows: Rows
    group: NDArray[np.int32]


@dataclass(frozen=True)
class GroupMatrix:
    """Groups of the nearest artists of each group, in one grouping.

    Attributes:
        system: its name.
        subsets: the G subsets of modalities.
        counts: (G, G) int64, number of artists of group h among the first `TOP` of the lists of group g.
        shares: (G, G) float64, the same divided by the row's total; a row of zeros where group g has no lists.
        row_entropy: (G,) nats, -sum_h shares_gh log shares_gh with 0 log 0 = 0; 0 where group g has no lists.
        entropy: mean of row_entropy, in 0..log G.
        ndcg: (G,) mean nDCG@k of each group's queries among the artists of all groups; NaN without queries.
        ndcg_mean: its mean over all queries.
        ndcg_own: the same with the lists and the ground truth of each query limited to its own group, over all queries.
    """

    system: str
    subsets: tuple[Subset, ...]
    counts: NDArray[np.int64]
    shares: NDArray[np.float64]
    row_entropy: Scores
    entropy: float
    ndcg: Scores
    ndcg_mean: float
    ndcg_own: float


@dataclass(frozen=True)
class Robustness:
    """Figures of a system in modality groups, over several groupings.

    Attributes:
        system: its name.
        subsets: the G subsets of modalities.
        shares: (G, G) mean of the groupings' shares: the matrix of Figure 2. Its diagonal is the own group's share.
        entropy: Table 2. It measures evenness only: random vectors nearly reach log G, so `ndcg` is given with it.
        ndcg: nDCG@k among the artists of all groups.
        ndcg_own: nDCG@k inside each group separately.
        groupings: figures of each grouping.
    """

    system: str
    subsets: tuple[Subset, ...]
    shares: NDArray[np.float64]
    entropy: Spread
    ndcg: Spread
    ndcg_own: Spread
    groupings: tuple[GroupMatrix, ...]


def deal_groups(rows: Rows, modalities: Sequence[str], seed: int, groupings: int = GROUPINGS) -> list[Groups]:
    """Divide artists at random into 2^M - 1 groups of equal size, in several ways.

    Args:
        rows: (m,) rows of the snapshot, ascending: the artists that have all modalities (the condition fmc). If m is
            no multiple of G, the first groups have one artist more.
        modalities: the M modalities that are masked.
        seed: the same seed, rows and modalities give the same groupings, independent of their number.
        groupings: number of groupings.

    Raises:
        InputError: there are no modalities, no groupings, or fewer artists than groups.
    """
    subsets = tuple(subsets_of(modalities))
    if not subsets or groupings < 1 or len(rows) < len(subsets):
        raise InputError(
            f"modality groups: found {len(rows)} artists, {len(subsets)} groups and {groupings} groupings; "
            "wanted at least one modality, one grouping, and one artist for each group"
        )
    dealt = [np.random.default_rng((seed, g)).permutation(len(rows)) % len(subsets) for g in range(groupings)]
    return [Groups(subsets, rows, group.astype(np.int32)) for group in dealt]


def group_scoring(parts: Parts, groups: Groups, settings: ScoringSettings, *, seed: int = 0) -> Scoring:
    """Fit the corrections of artists in groups: calibration between the groups' subsets, on artists of the groups.

    Like that of a version, it is fitted on the artists before a group masks them. Hubness is fitted in each grouping.

    Args:
        parts: by modality (n, d) float32 over all artists of the snapshot.
        groups: any grouping of them; its subsets become the patterns.
        settings: corrections of the model's card.
        seed: seed of the choice of artists that are masked for it.
    """
    drawn = np.random.default_rng(seed).permutation(groups.rows)[:MASKED]
    c = calibration({name: part[drawn] for name, part in parts.items()}, groups.subsets, settings)
    n = len(next(iter(parts.values())))
    return Scoring(np.zeros(n, np.float32), c, settings)


def grouped_system(
    name: str,
    parts: Parts,
    groups: Groups,
    scoring: Scoring | None = None,
    missing: Mapping[str, Vector] = NOTHING_MISSING,
) -> System:
    """Build a system that knows each artist by its group's modalities only, and covers those that have such parts.

    A single modality has only its own parts, so the groups without it cannot be embedded. Vectors without modalities
    (noise) are given as the part of each modality, so that their mean is the vector itself.

    Args:
        name: name of the system in tables.
        parts: by modality (n, d) float32 over all artists of the snapshot.
        groups: the modalities that each artist keeps.
        scoring: result of `group_scoring`; None corrects nothing.
        missing: parts of missing modalities, see `riyl.evaluation.systems.fuse`.

    Returns:
        A system over the n artists, zeros for artists in no group.

    Raises:
        InputError, MismatchError: see `riyl.evaluation.systems.check_parts`.
    """
    check_parts(parts)
    shape = next(iter(parts.values())).shape
    vectors, covered = np.zeros(shape, np.float32), np.zeros(shape[0], bool)
    for g, subset in enumerate(groups.subsets):
        rows = groups.rows[groups.group == g]
        subset_parts: dict[str, Matrix] = {modality: parts[modality][rows] for modality in subset if modality in parts}
        if subset_parts:
            vectors[rows], covered[rows] = fuse(subset_parts, missing=missing)
    if scoring is None:
        return System(name, vectors, vectors, covered)
    patterns = np.zeros(shape[0], np.int32)
    patterns[groups.rows] = groups.group
    fitted = Scoring.fit(vectors, covered, patterns, scoring.c, scoring.settings)
    return scored_system(name, vectors, covered, patterns, fitted)


def group_matrix(system: System, groups: Groups, setup: Setup, *, progress: Progress = silent) -> GroupMatrix:
    """Compute the figures of one grouping.

    Each artist of the groups is a query, and all other artists of all groups are candidates, by exact search. An artist
    that the system cannot embed has no list and is never found; a group of such artists is a row of entropy 0. So a
    single modality of three, which four of the seven groups keep, reaches at most 4/7 log 4 = 0.792.

    `ndcg` is that of these lists, to k: its queries are artists with a similar artist in any group, its candidates are
    those of all groups. It shows whether neighbours from other groups are correct. Lists limited to one group could not
    show it: they contain no artist with other modalities, and any mixing of the groups (such as a calibration for each
    pair of them) leaves every list as it was. `ndcg_own` is the nDCG of such lists; with fewer candidates and fewer
    similar artists its size is not comparable. A query that the system cannot embed scores 0 in both.

    Args:
        system: system over the artists of the snapshot, each known by its group's modalities, see `grouped_system`.
        groups: the grouping.
        setup: its k is the length of the lists for nDCG, at least `TOP`; nothing is resampled.
        progress: called with the progress of the searches.

    Raises:
        InputError: k is below `TOP`; see `riyl.index.build.exact_search.exact_top_k`.
        MismatchError: system, groups, ground truth and order are not over the same artists.
    """
    if setup.k < TOP:
        raise InputError(f"list length: found {setup.k}; wanted at least {TOP}, the number that the matrix counts")
    _check(groups)
    everyone = Condition("groups", groups.rows)
    lists = retrieve(system, everyone, setup.order, k=setup.k, threads=setup.threads, progress=progress)
    counts = _origins(lists[:, :TOP], groups)
    totals = counts.sum(axis=1, keepdims=True)
    shares = counts / np.maximum(totals, 1)
    row_entropy = -np.sum(shares * np.log(np.where(shares > 0, shares, 1)), axis=1)
    judged = judge(lists, everyone, setup.relevance)
    scores = ndcg(judged.hits, judged.n_relevant)
    query_groups = groups.group[np.searchsorted(groups.rows, judged.query_rows)]
    group_scores = []
    for g in range(len(groups.subsets)):
        alone = Condition("+".join(groups.subsets[g]), groups.rows[groups.group == g])
        inside_lists = retrieve(system, alone, setup.order, k=setup.k, threads=setup.threads)
        inside = judge(inside_lists, alone, setup.relevance)
        group_scores.append(ndcg(inside.hits, inside.n_relevant))
    return GroupMatrix(
        system.name,
        groups.subsets,
        counts,
        shares,
        row_entropy,
        float(np.mean(row_entropy)),
        np.array([mean_of(scores[query_groups == g]) for g in range(len(groups.subsets))]),
        mean_of(scores),
        mean_of(np.concatenate(group_scores)),
    )


def over_groupings(matrices: Sequence[GroupMatrix]) -> Robustness:
    """Compute mean and deviation over one system's groupings.

    Raises:
        InputError: there is no grouping.
        MismatchError: the groupings are of different systems or subsets.
    """
    if not matrices:
        raise InputError("modality groups: found no grouping; wanted at least one")
    first = matrices[0]
    if any((m.system, m.subsets) != (first.system, first.subsets) for m in matrices):
        raise MismatchError(f"groupings of {', '.join(m.system for m in matrices)}; wanted one system and its subsets")
    return Robustness(
        first.system,
        first.subsets,
        np.mean([m.shares for m in matrices], axis=0),
        spread([m.entropy for m in matrices]),
        spread([m.ndcg_mean for m in matrices]),
        spread([m.ndcg_own for m in matrices]),
        tuple(matrices),
    )


def _origins(lists: Lists, groups: Groups) -> NDArray[np.int64]:
    """Count the artists of each group in the lists of each group, (G, G); -1 is an empty place."""
    g = len(groups.subsets)
    owners, places = np.nonzero(lists >= 0)
    neighbour_groups = groups.group[np.searchsorted(groups.rows, lists[owners, places])].astype(np.int64)
    counts: Counts = np.bincount(groups.group[owners].astype(np.int64) * g + neighbour_groups, minlength=g * g)
    return counts.reshape(g, g)


def _check(groups: Groups) -> None:
    if len(groups.rows) != len(groups.group) or (np.diff(groups.rows) <= 0).any():
        raise MismatchError(
            f"groups: found {len(groups.rows)} rows and {len(groups.group)} groups; "
            "wanted one group for each row, rows ascending"
        )
