"""Report: a record (`riyl.evaluation.record`) as one self-contained page, laid out by report.html.

Tables and figures are inline; the page has no script and is fit for print.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from riyl.evaluation.figure_layout import compared_systems
from riyl.evaluation.figures import condition_of, draw_all, shown_coherence, svg
from riyl.evaluation.first_lists import first_lists

Record: TypeAlias = Mapping[str, Any]

WORDS = {
    "ndcg": "nDCG",
    "precision": "precision",
    "recall": "recall",
    "r_precision": "R-precision",
    "ecl": "ECL",
    "cd_intra": "CD_intra",
    "cd_inter": "CD_inter",
    "pop_plays": "POP by plays",
    "pop_listeners": "POP by listeners",
}


def report_html(record: Record) -> str:
    """Render the report; a pure function of the record, so that the same figures give the same bytes.

    Args:
        record: the figures of an evaluation, format 2, undefined ones None.
    """
    all_systems = [each["name"] for each in record["systems"] if each["role"] == "system"]
    groups_of: dict[str, list[Any]] = {}
    for group in record["groups"]:
        groups_of.setdefault(condition_of(group), []).append(group)
    grouped = {group["system"] for group in record["groups"]}
    columns = (f"nDCG@{record['k']}", "Gini", "covered")
    roles = {each["name"]: each["role"] for each in record["systems"] if each["role"] in ("system", "floor")}
    return TEMPLATES.get_template("report.html").render(
        record,
        groups_of=groups_of,
        ungrouped=[{"system": each} for each in all_systems if each not in grouped],
        seeds_of={(each["condition"], each["system"]): each for each in record["seeds"]},
        undrawn=[each for each in all_systems if each not in compared_systems(record)],
        coherent=list(shown_coherence(record)),
        drawn={name: svg(figure) for name, figure in draw_all(record).items()},
        roles=roles,
        first_lists_of={each["name"]: first_lists(record, each["name"], list(roles)) for each in record["conditions"]},
        result_of={(each["condition"], each["system"]): each for each in record["results"]},
        difference_of={(each["condition"], each["system"]): each for each in record["differences"]},
        subset_head=["given", *(f"{column} {each['name']}" for each in record["conditions"] for column in columns)],
    )


def _number(value: float | None, form: str = ".4f") -> str:
    """Format a figure for readers; an undefined one is a dash."""
    return "–" if value is None else format(value, form)


TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
TEMPLATES.filters.update(number=_number, word=WORDS.__getitem__)
TEMPLATES.globals.update(log=math.log, zip=zip)
