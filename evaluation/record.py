"""Record of a study as plain values, for JSON: tables, report and page are all made from it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from riyl.core.ranking_metrics import LIST_METRICS
from riyl.core.types import Mask, Scores
from riyl.evaluation.bootstrap import spread
from riyl.evaluation.correlation import Correlations, kendall, pooled_kendall
from riyl.evaluation.groups import Robustness
from riyl.evaluation.popularity import QUANTILES, by_quantile, pop, quantile_groups
from riyl.evaluation.protocol import Result
from riyl.evaluation.seeds import over_seeds
from riyl.evaluation.study import Study
from riyl.evaluation.table import Comparison, depth_rows, plain_rows
from riyl.evaluation.unseen import seen_and_unseen

Plain: TypeAlias = dict[str, Any]
"""JSON values; an undefined figure is NaN until `defined` makes it null."""


def record(
    study: Study,
    popularity: Mapping[str, NDArray[np.number]],
    comparisons: Sequence[Comparison],
    *,
    cf: str | None,
    rounds: int = 1000,
    seed: int = 0,
) -> Plain:
    """Collect all figures of a study.

    Args:
        study: the study.
        popularity: by name ("plays", "listeners") the (n,) numbers of the snapshot's artists.
        comparisons: `riyl.evaluation.table.compare` of the study's results.
        cf: system that popularity groups are relative to (collaborative filtering alone); None without one.
        rounds: number of bootstrap rounds over seeds and over unseen artists.
        seed: seed of these bootstraps.

    Returns:
        By section: systems, conditions, results, depths (of the first ranks), differences, groups, seeds, unseen,
        popularity, links, coherence, measures.
    """
    main = [r for r in study.results if r.system in set(study.of_role("system"))]
    return {
        "systems": [{**asdict(entry), "subset": list(entry.subset or ())} for entry in study.entries],
        "conditions": _conditions(study),
        "results": plain_rows(study.results),
        "depths": depth_rows(study.results, comparisons),
        "differences": [
            {
                "condition": c.condition,
                "system": c.system,
                "reference": c.reference,
                "ndcg": c.ndcg.difference,
                "low": c.ndcg.interval.low,
                "high": c.ndcg.interval.high,
                "p": c.ndcg.p,
            }
            for c in comparisons
        ],
        "groups": [
            {"condition": condition, **_group_rows(robustness)}
            for condition, entries in study.robustness.items()
            for robustness in entries
        ],
        "seeds": _seeds(study, rounds, seed),
        "unseen": _unseen(main, study.unseen, rounds, seed),
        "popularity": _by_popularity(main, popularity, cf),
        "links": [
            {"condition": r.condition, "system": r.system, "rows": _rows(by_quantile(r.n_relevant, r.ndcg))}
            for r in main
        ],
        "coherence": _coherence(study, popularity),
        "measures": _measures(main),
    }


def defined(value: Any) -> Any:
    """Replace undefined figures (NaN, infinite) by None, arrays by lists and NumPy's numbers by Python's."""
    if isinstance(value, Mapping):
        return {name: defined(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [defined(inner) for inner in value]
    if isinstance(value, np.ndarray | np.generic):
        return defined(value.tolist())
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _conditions(study: Study) -> list[Plain]:
    first = {r.condition: r for r in reversed(study.results)}
    return [
        {
            "name": condition.name,
            "full": condition.is_full,
            "artists": len(condition.rows),
            "queries": first[condition.name].n_queries,
            "without_links": first[condition.name].n_without_links,
        }
        for condition in study.conditions
        if condition.name in first
    ]


def _group_rows(robustness: Robustness) -> Plain:
    return {
        "system": robustness.system,
        "subsets": robustness.subsets,
        "shares": robustness.shares,
        "own_share": np.diagonal(robustness.shares),
        "entropy": asdict(robustness.entropy),
        "ndcg": asdict(robustness.ndcg),
        "ndcg_own": asdict(robustness.ndcg_own),
        "groupings": [
            {"entropy": m.entropy, "ndcg": m.ndcg_mean, "ndcg_own": m.ndcg_own, "row_entropy": m.row_entropy}
            for m in robustness.groupings
        ],
    }


def _seeds(study: Study, rounds: int, seed: int) -> list[Plain]:
    """Collect the systems that were trained from several seeds, by condition."""
    entropies = {r.system: r.entropy.mean for entries in [*study.robustness.values()][:1] for r in entries}
    rows = []
    for system in dict.fromkeys(entry.of for entry in study.entries if entry.role == "seed"):
        entries = [e for e in study.entries if e.name == system or (e.role == "seed" and e.of == system)]
        names = [entry.name for entry in entries]
        groups = spread([entropies[name] for name in names]) if set(names) <= set(entropies) else None
        for condition in study.conditions:
            results = [r for r in study.results if r.condition == condition.name and r.system in names]
            over = over_seeds(results, rounds, seed=seed)
            rows.append(
                {
                    "system": system,
                    "condition": condition.name,
                    "seeds": [entry.seed for entry in entries],
                    **{name: asdict(figure) for name, figure in over.figures.items()},
                    "ndcg_half_width": over.ndcg_half_width,
                    "depths": _rows(over.depths),
                    "entropy": None if groups is None else asdict(groups),
                }
            )
    return rows


def _unseen(results: Sequence[Result], unseen: Mapping[str, Mask], rounds: int, seed: int) -> list[Plain]:
    return [
        {
            "condition": r.condition,
            "system": r.system,
            **asdict(seen_and_unseen(r, unseen[r.system], rounds, seed=seed)),
        }
        for r in results
        if r.system in unseen
    ]


def _by_popularity(
    results: Sequence[Result], popularity: Mapping[str, NDArray[np.number]], cf: str | None
) -> list[Plain]:
    references = {r.condition: r.ndcg for r in results if r.system == cf}
    return [
        {
            "condition": r.condition,
            "by": name,
            "system": r.system,
            "reference": cf if r.condition in references else None,
            "rows": _rows(by_quantile(values[r.query_rows], r.ndcg, references.get(r.condition))),
        }
        for r in results
        for name, values in popularity.items()
    ]


def _rows(rows: Sequence[Any]) -> list[Plain]:
    return [asdict(row) for row in rows]


def _coherence(study: Study, popularity: Mapping[str, NDArray[np.number]]) -> list[Plain]:
    """Collect coherence of the queries by condition: how figures rank together, and means of nDCG in groups of each."""
    rows = []
    for r in study.results:
        if (r.condition, r.system) not in study.coherence:
            continue
        figures, candidates = study.coherence[r.condition, r.system], study.rows_of(r.condition)
        queries = np.isin(r.query_rows, candidates)
        query_rows, at = r.query_rows[queries], np.searchsorted(candidates, r.query_rows[queries])
        measures: dict[str, Scores] = {
            "ndcg": r.ndcg[queries],
            "ecl": figures.ecl[at],
            "cd_intra": figures.cd_intra[at],
            "cd_inter": figures.cd_inter[at],
            **{f"pop_{name}": pop(values[query_rows]) for name, values in popularity.items()},
        }
        curves = {name: _curve(values, measures) for name, values in measures.items() if name != "ndcg"}
        rows.append({"condition": r.condition, "system": r.system, "tau": _table(kendall(measures)), "curves": curves})
    return rows


def _curve(by: Scores, measures: Mapping[str, Scores]) -> list[Plain]:
    """Return means of all measures in groups of about equal size by one measure; skip artists without that measure."""
    # imported here: it takes a part of a second, and most commands do not need it
    from scipy.stats import rankdata

    has_figure = ~np.isnan(by)
    if not has_figure.any():
        return []
    # ranks, because a measure may be negative and only its order counts; equal values share a rank
    group = quantile_groups(rankdata(by[has_figure], method="min"), QUANTILES)
    return [
        {
            "n": int((group == g).sum()),
            **{name: float(np.mean(v[has_figure][group == g])) for name, v in measures.items()},
        }
        for g in range(int(group.max()) + 1)
    ]


def _measures(results: Sequence[Result]) -> list[Plain]:
    """Correlate nDCG, precision, recall and R-precision over the queries of all systems of a condition."""
    rows = []
    for condition in dict.fromkeys(r.condition for r in results):
        tables = [{name: r.lists[name].scores for name in LIST_METRICS} for r in results if r.condition == condition]
        rows.append({"condition": condition, "systems": len(tables), "tau": _table(pooled_kendall(tables))})
    return rows


def _table(correlations: Correlations) -> Plain:
    return {"names": correlations.names, "tau": correlations.tau, "n": correlations.n}
