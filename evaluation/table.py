"""A table of systems by the protocol, with the two floors that stand in each, and how sure their differences are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError, MismatchError, NotFoundError
from core.truth import Relevance
from core.types import Progress, silent
from evaluation.bootstrap import Paired, paired
from evaluation.conditions import Condition
from evaluation.protocol import Result, System, evaluate

NOISE = "noise"
POPULARITY = "popularity"

NOISE_WIDTH = 200
"""About as wide as real embeddings, so that chance hubs are about as likely."""

Row: TypeAlias = dict[str, str | int | float]


@dataclass(frozen=True)
class Comparison:
    """nDCG of `system` minus that of `reference` on the same queries of `condition`."""

    system: str
    reference: str
    condition: str
    ndcg: Paired


def noise_system(n: int, dim: int, seed: int) -> System:
    """Random unit vectors, (n, dim) float32: what a figure is worth that comes from nothing."""
    vectors = np.random.default_rng(seed).standard_normal((n, dim), np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return System(NOISE, vectors, vectors, np.ones(n, bool))


def popularity_system(popularity: NDArray[np.number]) -> System:
    """The most popular artists for everyone, whoever asks.

    Args:
        popularity: (n,) listeners or plays. Artists as popular as each other are tied; those with 0 are last, not
            left out. Only the order is used, as ranks, which float32 holds exactly for up to 16 million artists.
    """
    _, ranks = np.unique(popularity, return_inverse=True)
    candidates = ranks.astype(np.float32)[:, None]
    return System(POPULARITY, np.ones_like(candidates), candidates, np.ones(len(candidates), bool))


def table(
    systems: Sequence[System],
    conditions: Sequence[Condition],
    relevance: Relevance,
    order: NDArray[np.int32],
    popularity: NDArray[np.number],
    *,
    k: int = 200,
    rounds: int = 1000,
    seed: int = 0,
    threads: int = 0,
    progress: Progress = silent,
) -> list[Result]:
    """Evaluate systems in conditions, and in each the noise and the popularity system behind them.

    Args:
        systems: what is compared, with distinct names.
        conditions: who asks and can be found.
        relevance, order, k, rounds, threads: see `evaluation.protocol.evaluate`.
        popularity: (n,) listeners or plays of the snapshot's artists.
        seed: of the resampling and the noise.
        progress: hears of each search, under the names of condition and system.

    Returns:
        Results condition by condition, systems in the given order, noise and popularity last.

    Raises:
        InputError: two systems share a name, or one is called as a floor is.
        MismatchError: see `evaluation.protocol.evaluate`.
    """
    rows = [*systems, noise_system(len(order), NOISE_WIDTH, seed), popularity_system(popularity)]
    names = [system.name for system in rows]
    if len(set(names)) < len(names):
        raise InputError(f"systems: found the names {', '.join(names)}; wanted each once")
    results = []
    for condition in conditions:
        for system in rows:
            heard = _Named(f"{condition.name}, {system.name}", progress)
            results.append(
                evaluate(
                    system, condition, relevance, order, k=k, rounds=rounds, seed=seed, threads=threads, progress=heard
                )
            )
    return results


def plain_rows(results: Sequence[Result]) -> list[Row]:
    """Results as flat rows of plain Python values, for tables and JSON; undefined figures stay NaN."""
    return [
        {
            "condition": r.condition,
            "system": r.system,
            "k": r.k,
            "ndcg": r.ndcg_mean,
            "ndcg_low": r.ndcg_interval.low,
            "ndcg_high": r.ndcg_interval.high,
            "ndcg_covered": r.ndcg_covered,
            "covered": r.covered_share,
            "gini": r.gini,
            "gini_low": r.gini_interval.low,
            "gini_high": r.gini_interval.high,
            "coverage": r.coverage,
            "coverage_low": r.coverage_interval.low,
            "coverage_high": r.coverage_interval.high,
            **_others(r),
            "artists": r.n_artists,
            "queries": r.n_queries,
            "without_links": r.n_without_links,
        }
        for r in results
    ]


def _others(result: Result) -> Row:
    """The list metrics beside nDCG, each with its interval."""
    row: Row = {}
    for name, figure in result.lists.items():
        if name != "ndcg":
            row |= {name: figure.mean, f"{name}_low": figure.interval.low, f"{name}_high": figure.interval.high}
    return row


def compare(results: Sequence[Result], reference: str, *, rounds: int = 1000, seed: int = 0) -> list[Comparison]:
    """Paired bootstrap of nDCG between every other system and `reference`, in each condition.

    p-values are not corrected for the number of comparisons.

    Raises:
        MismatchError: two results of a condition are not over the same queries.
        NotFoundError: a condition has no result of `reference`.
    """
    references = {r.condition: r for r in results if r.system == reference}
    comparisons = []
    for result in results:
        base = references.get(result.condition)
        if base is None:
            raise NotFoundError(f"condition {result.condition!r} has no result of a system {reference!r} to compare to")
        if result.k != base.k or not np.array_equal(result.query_rows, base.query_rows):
            raise MismatchError(
                f"{result.system!r} and {reference!r} in {result.condition!r}: found {result.n_queries} queries at "
                f"k {result.k} and {base.n_queries} at k {base.k}; wanted the same queries and k"
            )
        if result.system != reference:
            figures = paired(result.ndcg, base.ndcg, rounds, seed=seed)
            comparisons.append(Comparison(result.system, reference, result.condition, figures))
    return comparisons


class _Named:
    """A Progress that says whose step it is."""

    def __init__(self, name: str, progress: Progress) -> None:
        self._name = name
        self._progress = progress

    def __call__(self, step: str, done: int, total: int) -> None:
        self._progress(f"{self._name}: {step}", done, total)
