"""Tables of an evaluation on the command line."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from riyl.app.commands.session import Session
from riyl.app.evaluations.run import Evaluated, Figures
from riyl.evaluation.first_lists import first_lists
from riyl.evaluation.groups import TOP
from riyl.evaluation.protocol import PROTOCOL
from riyl.evaluation.table import Comparison


def show_results(run: Session, evaluated: Evaluated) -> None:
    """Print a table for each condition, a table of the modality groups, and the protocol."""
    truth = evaluated.figures["truth"]["name"]
    _show_catalogs(run, evaluated.figures["catalogs"])
    _show_external(run, evaluated.figures["external"])
    repeated = {each["name"] for each in evaluated.figures["systems"] if each["role"] == "seed"}
    over_seeds = {(row["condition"], row["system"]): row for row in evaluated.figures["seeds"]}
    differences = {(c.condition, c.system): c for c in evaluated.comparisons}
    for condition in dict.fromkeys(r.condition for r in evaluated.results):
        condition_results = [r for r in evaluated.results if r.condition == condition]
        if not condition_results[0].n_artists:
            run.say(f"\n{condition}: no artists, so nothing is measured")
            continue
        k, reference = condition_results[0].k, condition_results[0].system
        rows = []
        for r in condition_results:
            if r.system in repeated:
                continue
            over = over_seeds.get((condition, r.system))
            paired = differences.get((condition, r.system))
            rows.append(
                [
                    r.system if over is None else f"{r.system} ({len(over['seeds'])} seeds)",
                    f"{r.ndcg_mean:.4f} [{r.ndcg_interval.low:.4f}, {r.ndcg_interval.high:.4f}]"
                    if over is None
                    else _spread(over["ndcg"]),
                    "" if paired is None else _difference(paired),
                    f"{r.ndcg_covered:.4f}",
                    f"{r.covered_share:.1%}",
                    f"{r.gini:.4f} [{r.gini_interval.low:.4f}, {r.gini_interval.high:.4f}]"
                    if over is None
                    else _spread(over["gini"]),
                    f"{r.coverage:.1%}",
                ]
            )
        run.table(
            f"\n{condition}: {condition_results[0].n_artists:,} artists, {condition_results[0].n_queries:,} queries, "
            f"{condition_results[0].n_without_links:,} without a similar artist; truth {truth}",
            ["system", f"nDCG@{k}", f"minus {reference}", "nDCG covered", "covered", f"Gini@{k}", "coverage"],
            rows,
        )
        measured = [r.system for r in condition_results if r.system not in repeated]
        show_first_lists(run, evaluated.figures, condition, measured)
    _show_groups(run, evaluated.figures)
    if evaluated.figures["unseen"]:
        _show_unseen(run, evaluated.figures["unseen"], evaluated.figures["k"])
    run.say(f"\n{PROTOCOL}")


def show_first_lists(run: Session, figures: Figures, condition: str, systems: Sequence[str]) -> None:
    """Print the figures of the first ranks of a condition's lists; nothing where the figures have none."""
    table = first_lists(figures, condition, systems)
    if table.rows:
        run.table(f"\nfirst lists of {condition}: figures of the first ranks", table.columns, table.rows)


def _show_catalogs(run: Session, catalogs: list[dict[str, Any]]) -> None:
    """Print how the artists of each other catalog were joined to those of the first."""
    for each in catalogs:
        run.say(
            f"{each['name']}: {each['matched']:,} of {each['artists']:,} artists joined by {each['join']}; "
            f"{each['ambiguous']:,} ambiguous, {each['unknown']:,} unknown"
        )


def _show_external(run: Session, external: list[dict[str, Any]]) -> None:
    """Print what was read of each system that another program computed."""
    for each in external:
        run.say(f"{each['system']}: {each['counts']['summary']}; history: {each['history']}")


def _show_unseen(run: Session, unseen: list[dict[str, Any]], k: int) -> None:
    """Print figures for queries that the models learned from and for the others, which alone show generalization."""
    rows = [
        [row["system"], row["condition"], *(_of_group(row[group]) for group in ("seen", "unseen"))] for row in unseen
    ]
    head = ["system", "condition", f"nDCG@{k} seen (queries)", f"nDCG@{k} unseen (queries)"]
    run.table(
        "\nqueries of artists that the featurizer or a model learned from, also by similar pairs, and of the others",
        head,
        rows,
    )


def _of_group(group: dict[str, Any]) -> str:
    figures = (math.nan if v is None else v for v in (group["ndcg"], *(group["interval"][e] for e in ("low", "high"))))
    return "{:.4f} [{:.4f}, {:.4f}] ({:,})".format(*figures, group["n_queries"])


def _show_groups(run: Session, figures: Figures) -> None:
    """Print the figures of each system in modality groups by condition: mean and deviation over the groupings."""
    by_condition: dict[str, list[dict[str, Any]]] = {}
    for row in figures["groups"]:
        by_condition.setdefault(row["condition"], []).append(row)
    k, compared = figures["k"], [each["name"] for each in figures["systems"] if each["role"] == "system"]
    for condition, groups in by_condition.items():
        rows = [
            [
                row["system"],
                _spread(row["entropy"]),
                _spread(row["ndcg"]),
                _spread(row["ndcg_own"]),
                f"{min(row['own_share']):.0%} to {max(row['own_share']):.0%}",
            ]
            for row in groups
        ]
        measured = {row["system"] for row in groups}
        rows += [[name, *["not applicable"] * 4] for name in compared if name not in measured]
        n, most = len(groups[0]["groupings"]), math.log(len(groups[0]["subsets"]))
        run.table(
            f"\nmodality groups of {condition}: {len(groups[0]['subsets'])} groups, mean and deviation over {n} "
            f"groupings; entropy of the groups in the top {TOP} in nats, maximum {most:.3f}",
            ["system", "entropy", f"nDCG@{k} in the groups", "within each group", "share of the own group"],
            rows,
        )


def _spread(figure: dict[str, float | None]) -> str:
    mean, deviation = (math.nan if value is None else value for value in (figure["mean"], figure["deviation"]))
    return f"{mean:.4f} ± {deviation:.4f}"


def _difference(paired: Comparison) -> str:
    low, high = paired.ndcg.interval.low, paired.ndcg.interval.high
    return f"{paired.ndcg.difference:+.4f} [{low:+.4f}, {high:+.4f}]"
