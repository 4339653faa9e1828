"""Table of the first ranks of lists, from a record (`riyl.evaluation.record`), for terminal and report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from riyl.core.ranking_metrics import DEPTHS

NOT_APPLICABLE = "not applicable"
"""Cell of a depth that the lists of a system do not reach."""

SHOWN = DEPTHS[0]
"""Depth whose difference to the reference and share of artists that are never retrieved are shown."""


@dataclass(frozen=True)
class FirstLists:
    """A table of texts; it has no rows where nothing was measured.

    Attributes:
        depths: depths of its columns, ascending; empty for a record of an earlier release or of short lists.
        columns: names of the columns, with a line break where a narrow column may have two lines.
        rows: cells by system.
    """

    depths: Sequence[int]
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def first_lists(record: Mapping[str, Any], condition: str, systems: Sequence[str]) -> FirstLists:
    """Build the table of a condition.

    Args:
        record: figures of an evaluation, also of an earlier release, which lack those of the first ranks.
        condition: name of the condition.
        systems: names of the rows. One that was trained from several seeds has mean and deviation over them.
    """
    of_condition = [row for row in record.get("depths", ()) if row["condition"] == condition]
    depths = sorted({row["depth"] for row in of_condition})
    by_system = {(row["system"], row["depth"]): row for row in of_condition}
    seeds_of = {of["system"]: of for of in record.get("seeds", ()) if of["condition"] == condition}
    over_seeds = {(system, row["depth"]): row for system, of in seeds_of.items() for row in of.get("depths", ())}
    reference = next((row["system"] for row in record["results"] if row["condition"] == condition), "")
    columns = ["system"]
    for depth in depths:
        columns.append(f"nDCG@{depth}")
        if depth == SHOWN:
            columns.append(f"@{depth} minus\n{reference}")
    columns += [f"Gini@{depth}" for depth in depths]
    columns += [f"never in a\nfirst {SHOWN}"] if SHOWN in depths else []
    rows = []
    for system in systems if depths else ():
        name = f"{system} ({len(seeds_of[system]['seeds'])} seeds)" if system in seeds_of else system
        rows.append([name, *_cells(system, reference, depths, by_system, over_seeds)])
    return FirstLists(depths, columns, rows)


def _cells(
    system: str,
    reference: str,
    depths: Sequence[int],
    by_system: Mapping[tuple[str, int], Mapping[str, Any]],
    over_seeds: Mapping[tuple[str, int], Mapping[str, Any]],
) -> list[str]:
    def cell(depth: int, name: str, form: str) -> str:
        if (system, depth) not in by_system:
            return NOT_APPLICABLE
        if (system, depth) in over_seeds:
            of = over_seeds[system, depth][name]
            return f"{_number(of['mean'], form)} ± {_number(of['deviation'], form)}"
        return _number(by_system[system, depth][name], form)

    cells = []
    for depth in depths:
        cells.append(cell(depth, "ndcg", ".4f"))
        if depth == SHOWN:
            cells.append("" if system == reference else _difference(by_system.get((system, depth))))
    cells += [cell(depth, "gini", ".4f") for depth in depths]
    cells += [cell(SHOWN, "never_retrieved", ".1%")] if SHOWN in depths else []
    return cells


def _difference(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return NOT_APPLICABLE
    if row["difference"] is None:
        return "–"
    return f"{row['difference']:+.4f} [{row['difference_low']:+.4f}, {row['difference_high']:+.4f}]"


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)
