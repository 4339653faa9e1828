"""Records with made-up figures, of any number of systems and conditions, for figures and reports."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

LONG_NAMES = (
    *("default", "paper-msd", "paper-own", "random-projection-raw", "random-projection-sklearn"),
    *("version 5f2a9c0e41d7b386", "pca", "single-audio", "single-cf", "a matrix with a long name of its own, dim 128"),
)
"""Ten names, as many as a figure shows."""

REFERENCE = "single-cf"

SUBSETS = (["audio"], ["cf"], ["tags"], ["audio", "cf"], ["audio", "tags"], ["cf", "tags"], ["audio", "cf", "tags"])
MEASURES = ("ecl", "cd_intra", "cd_inter", "pop_plays", "pop_listeners")


def made_record(
    systems: Sequence[str], conditions: Sequence[str], *, full: Sequence[str], plays: float = 4e5, ratio: float = 6
) -> dict[str, Any]:
    """Return the record of an evaluation, with all sections.

    Args:
        systems: names; `REFERENCE` among them is what popularity groups are relative to.
        conditions: names.
        full: those of them whose artists have all modalities; they have coherence.
        plays: number of plays of the most played artist.
        ratio: the greatest ratio to the reference; the least is its inverse.
    """
    pairs = [(condition, system) for condition in conditions for system in systems]
    rows = [(condition, system) for condition in conditions for system in [*systems, "noise"]]
    results = [result(condition, 0.4 - 0.4 * n / len(rows), system) for n, (condition, system) in enumerate(rows)]
    return {
        "format": 2,
        "snapshot": "5" * 16,
        "version": None,
        "truth": {"id": "7" * 16, "name": "similar", "directed": False, "pairs": 51674, "unknown_pairs": 812},
        "catalog": {
            "artists": 11261,
            "modalities": {"audio": 11075, "cf": 7079, "tags": 8880},
            "patterns": [{"modalities": subset, "artists": 1000} for subset in SUBSETS],
        },
        "models": {system: {"id": "ab" * 8, "seed": 0, "commit": "c" * 40} for system in systems},
        "seed": 0,
        "rounds": 1000,
        "k": 200,
        "protocol": "By hand.",
        "systems": [
            *({"name": system, "role": "system", "of": None, "subset": [], "seed": 0} for system in systems),
            {"name": "noise", "role": "floor", "of": None, "subset": [], "seed": None},
        ],
        "conditions": [
            {"name": name, "artists": 6253, "queries": 5481, "without_links": 772, "full": name in full}
            for name in conditions
        ],
        "results": results,
        "differences": [
            {"condition": c, "system": s, "reference": systems[0], "ndcg": -0.0434, "low": -0.0456, "high": -0.0411}
            for c, s in rows
            if s != systems[0]
        ],
        "groups": [groups(system) for system in [*systems, "noise"]],
        "seeds": [],
        "unseen": [],
        "popularity": [
            {"condition": c, "by": by, "system": s, "reference": REFERENCE, "rows": quantiles(plays, ratio, n)}
            for n, (c, s) in enumerate(pairs)
            for by in ("plays", "listeners")
        ],
        "links": [{"condition": c, "system": s, "rows": quantiles(80, ratio, n)} for n, (c, s) in enumerate(pairs)],
        "coherence": [{"condition": c, "system": s, **coherence(n)} for n, (c, s) in enumerate(pairs) if c in full],
        "measures": [],
    }


def result(condition: str, ndcg: float, system: str) -> dict[str, Any]:
    values = {"ndcg": ndcg, "gini": 0.5 - ndcg / 2}
    ends = {f"{name}_{end}": value + step for name, value in values.items() for end, step in ENDS}
    plain = {"covered": 1.0, "coverage": 0.9876, "precision": 0.0312, "recall": 0.4567, "r_precision": 0.1234}
    return {"condition": condition, "system": system, "k": 200, "queries": 5481, **values, **ends, **plain}


ENDS = (("low", -0.005), ("high", 0.005))


def groups(system: str) -> dict[str, Any]:
    spread = {"mean": 1.6875, "deviation": 0.0031}
    return {
        "system": system,
        "subsets": SUBSETS,
        "shares": [[1 / 7] * 7] * 7,
        "own_share": [1 / 7] * 7,
        **{"entropy": spread, "ndcg": spread, "ndcg_own": spread},
        "groupings": [{}] * 5,
    }


def quantiles(most: float, ratio: float, n: int) -> list[dict[str, Any]]:
    """Return 20 groups from 1 to `most`, whose ratios go from `ratio` to its inverse; later systems have less."""
    edges = [most ** (i / 20) for i in range(21)]
    return [
        {
            "low": low,
            "high": high,
            "n_queries": 274,
            "ndcg": 0.25 + 0.01 * i - 0.003 * n,
            "reference": 0.2,
            "ratio": ratio ** (1 - i / 9.5) * 0.97**n,
        }
        for i, (low, high) in enumerate(pairwise(edges))
    ]


def coherence(n: int) -> dict[str, Any]:
    curve = [
        {
            "n": 274,
            "ndcg": 0.45 - 0.01 * i - 0.004 * n,
            "ecl": -1.1 + 0.05 * i + 0.01 * n,
            "cd_intra": 0.1 + 0.01 * i,
            "cd_inter": 0.9 + 0.01 * i,
            "pop_plays": math.log1p(1.9**i),
            "pop_listeners": math.log1p(1.5**i),
        }
        for i in range(20)
    ]
    names = ["ndcg", *MEASURES]
    taus = [[1.0 if a == b else -0.123 if n % 2 else 0.045 for b in names] for a in names]
    return {"tau": {"names": names, "tau": taus, "n": 5481}, "curves": dict.fromkeys(MEASURES, curve)}
