"""Modality groups: whether artists known by different modalities find each other (Ferraro et al., ISMIR 2023)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riyl.core.errors import InputError, MismatchError
from riyl.core.ranking_metrics import Counts, mean_of, ndcg
from riyl.core.storage.model import ScoringSettings
from riyl.core.types import Lists, Matrix, Progress, Rows, Scores, silent
from riyl.evaluation.bootstrap import Spread, spread
from riyl.evaluation.conditions import Condition
from riyl.evaluation.protocol import Setup, System, judge, retrieve
from riyl.evaluation.systems import Parts, Subset, check_parts, fuse, scored_system, subsets_of
from riyl.index.scoring.calibration import MASKED, calibration
from riyl.index.scoring.score import Scoring

TOP = 5
"""How much of each list the matrix looks at: the paper's figure is of the top 5."""

GROUPINGS = 5
"""How often artists are dealt into groups anew: one deal alone would not tell chance from a system."""


@dataclass(frozen=True)
class Groups:
    """Artists dealt into G groups, each of which keeps one subset of the modalities.

    Attributes:
        subsets: the G subsets, in the order of `riyl.evaluation.systems.subsets_of`.
        rows: (m,) rows of the snapshot, ascending: the artists of all groups.
        group: (m,) int32, the group of each.
    """

    subsets: tuple[Subset, ...]
    rows: Rows
    group: NDArray[np.int32]


@dataclass(frozen=True)
class GroupMatrix:
    """Where the nearest artists of each group come from, in one grouping.

    Attributes:
        system: its name.
        subsets: the G subsets of modalities.
        counts: (G, G) int64, places among the first `TOP` of the lists of group g that artists of group h hold.
        shares: (G, G) float64, the same over the places of group g; a row of zeros where group g has no lists.
        row_entropy: (G,) nats, -sum_h shares_gh log shares_gh with 0 log 0 = 0; 0 where group g has no lists.
        entropy: their mean, in 0..log G.
        ndcg: (G,) mean nDCG@k of each group's queries among the artists of all groups; NaN without queries.
        ndcg_mean: its mean over all queries.
        ndcg_own: the same with the lists and the truth of each query bounded by its own group, over all queries.
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
    """What a system does in modality groups, over several groupings.

    Attributes:
        system: its name.
        subsets: the G subsets of modalities.
        shares: (G, G) mean of the groupings' shares: the matrix of Figure 2. Its diagonal is the own group's share.
        entropy: Table 2. Evenness alone: random vectors reach log G nearly, so `ndcg` stands beside it.
        ndcg: nDCG@k among the artists of all groups.
        ndcg_own: nDCG@k inside each group by itself.
        groupings: each grouping's own figures.
    """

    system: str
    subsets: tuple[Subset, ...]
    shares: NDArray[np.float64]
    entropy: Spread
    ndcg: Spread
    ndcg_own: Spread
    groupings: tuple[GroupMatrix, ...]


def deal_groups(rows: Rows, modalities: Sequence[str], seed: int, groupings: int = GROUPINGS) -> list[Groups]:
    """Deal artists at random into 2^M - 1 groups of equal size, several times over.

    Args:
        rows: (m,) rows of the snapshot, ascending: the artists that have all modalities (the condition fmc). Where m
            is no multiple of G, the first groups have one artist more.
        modalities: the M modalities that are masked.
        seed: the same seed, rows and modalities give the same groupings; they do not depend on their number.

    Raises:
        InputError: no modalities, no groupings, or fewer artists than groups.
    """
    subsets = tuple(subsets_of(modalities))
    if not subsets or groupings < 1 or len(rows) < len(subsets):
        raise InputError(
            f"modality groups: found {len(rows)} artists, {len(subsets)} groups and {groupings} groupings; "
            "wanted at least one modality, one grouping, and an artist a group"
        )
    dealt = [np.random.default_rng((seed, g)).permutation(len(rows)) % len(subsets) for g in range(groupings)]
    return [Groups(subsets, rows, group.astype(np.int32)) for group in dealt]


def group_scoring(parts: Parts, groups: Groups, settings: ScoringSettings, *, seed: int = 0) -> Scoring:
    """Corrections for artists in groups: calibration between the groups' subsets, from artists of the groups.

    It is fitted, as that of a version, on artists as they are, before a group masks them. Hubness is left to each
    grouping.

    Args:
        parts: by modality (n, d) float32 over all artists of the snapshot.
        groups: any grouping of them; its subsets become the patterns.
        settings: what a model's card wants.
        seed: of the artists that are masked for it.
    """
    drawn = np.random.default_rng(seed).permutation(groups.rows)[:MASKED]
    c = calibration({name: part[drawn] for name, part in parts.items()}, groups.subsets, settings)
    n = len(next(iter(parts.values())))
    return Scoring(np.zeros(n, np.float32), c, settings)


def grouped_system(name: str, parts: Parts, groups: Groups, scoring: Scoring | None = None) -> System:
    """A system that knows each artist by its group's modalities alone; one that it has no part of is not covered.

    A single modality has parts of that one alone, so the groups without it cannot be embedded. Vectors that no
    modality stands behind (noise) are given as the part of each: their mean is themselves.

    Args:
        name: as it stands in tables.
        parts: by modality (n, d) float32 over all artists of the snapshot.
        groups: who keeps what.
        scoring: of `group_scoring`; None corrects nothing.

    Returns:
        A system over the n artists, zeros for those in no group.

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
            vectors[rows], covered[rows] = fuse(subset_parts)
    if scoring is None:
        return System(name, vectors, vectors, covered)
    patterns = np.zeros(shape[0], np.int32)
    patterns[groups.rows] = groups.group
    fitted = Scoring.fit(vectors, covered, patterns, scoring.c, scoring.settings)
    return scored_system(name, vectors, covered, patterns, fitted)


def group_matrix(system: System, groups: Groups, setup: Setup, *, progress: Progress = silent) -> GroupMatrix:
    """Figures of one grouping.

    Each artist of the groups asks, and all others of all groups can be found, by exact search. An artist that the
    system cannot embed has no list and is never found; a group of such artists is a row of entropy 0. So a single
    modality of three, which four of the seven groups keep, reaches 4/7 log 4 = 0.792 at most.

    nDCG "inside the groups" is that of these very lists, to k: queries with a similar artist in any group, the
    candidates of all groups. It tells whether what comes from other groups is any good, which lists bounded by one
    group could not: in those no artist meets another modality, and whatever mixes the groups (a calibration for each
    pair of them, say) leaves every list as it was. `ndcg_own` has that other reading, where fewer candidates and
    fewer similar artists make figures of another size. A query that the system cannot embed scores 0 in both.

    Args:
        system: over the artists of the snapshot, each as its group lets it be known, see `grouped_system`.
        groups: the grouping.
        setup: its k is the length of the lists for nDCG, at least `TOP`; nothing is resampled.
        progress: hears of the searches.

    Raises:
        InputError: k is below `TOP`; see `riyl.index.build.exact_search.exact_top_k`.
        MismatchError: system, groups, truth and order are not over the same artists.
    """
    if setup.k < TOP:
        raise InputError(f"list length: found {setup.k}; wanted at least {TOP}, which the matrix looks at")
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
    """Mean and deviation of one system's groupings.

    Raises:
        InputError: there is no grouping.
        MismatchError: they are of different systems or subsets.
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
    """(G, G) how many places in the lists of each group the artists of each group hold; -1 is nobody."""
    g = len(groups.subsets)
    owners, places = np.nonzero(lists >= 0)
    neighbour_groups = groups.group[np.searchsorted(groups.rows, lists[owners, places])].astype(np.int64)
    counts: Counts = np.bincount(groups.group[owners].astype(np.int64) * g + neighbour_groups, minlength=g * g)
    return counts.reshape(g, g)


def _check(groups: Groups) -> None:
    if len(groups.rows) != len(groups.group) or (np.diff(groups.rows) <= 0).any():
        raise MismatchError(
            f"groups: found {len(groups.rows)} rows and {len(groups.group)} groups; "
            "wanted a group for each row, rows ascending"
        )
