"""The table of the first ranks, from records made by hand."""

from __future__ import annotations

import re
from typing import Any

import pytest

from riyl.evaluation.first_lists import first_lists
from riyl.evaluation.report import report_html
from tests.evaluation.records import made_record


def row(system: str, depth: int, ndcg: float | None, minus: float | None, **more: Any) -> dict[str, Any]:
    ends = {"low": -0.01, "high": 0.01}
    return {
        "condition": "raw",
        "system": system,
        "depth": depth,
        "ndcg": ndcg,
        **{f"ndcg_{end}": None if ndcg is None else ndcg + step for end, step in ends.items()},
        "difference": minus,
        **{f"difference_{end}": None if minus is None else minus + step for end, step in ends.items()},
        "p": None if minus is None else 0.002,
        "gini": 0.25,
        "never_retrieved": 0.125,
        **more,
    }


def record(*depths: dict[str, Any], systems: tuple[str, ...] = ("mine", "pca")) -> dict[str, Any]:
    return {**made_record(systems, ("raw", "fmc"), full=()), "depths": list(depths)}


DEPTHS = (row("mine", 10, 0.5, None), row("mine", 50, 0.25, None), row("pca", 10, 0.375, -0.125))


def test_a_row_has_the_figures_of_each_depth_and_a_depth_that_is_not_reached_is_not_applicable() -> None:
    table = first_lists(record(*DEPTHS), "raw", ["mine", "pca"])
    assert table.columns == [
        *("system", "nDCG@10", "@10 minus\nmine", "nDCG@50"),
        *("Gini@10", "Gini@50", "never in a\nfirst 10"),
    ]
    none = "not applicable"
    assert table.rows == [
        ["mine", "0.5000", "", "0.2500", "0.2500", "0.2500", "12.5%"],
        ["pca", "0.3750", "-0.1250 [-0.1350, -0.1150]", none, "0.2500", none, "12.5%"],
    ]


def test_lists_that_reach_no_depth_have_no_figure_and_no_difference() -> None:
    table = first_lists(record(*DEPTHS), "raw", ["short"])
    assert table.rows == [["short", *["not applicable"] * 6]]


def test_what_is_undefined_is_a_dash() -> None:
    (cells,) = first_lists(record(DEPTHS[0], row("pca", 10, None, None, gini=None)), "raw", ["pca"]).rows
    assert cells == ["pca", "–", "–", "–", "12.5%"]


def test_seeds_have_mean_and_deviation() -> None:
    spread = {"mean": 0.5, "deviation": 0.0625}
    made = record(*DEPTHS)
    made["seeds"] = [
        {
            "system": "mine",
            "condition": "raw",
            "seeds": [1, 2, 3],
            "depths": [{"depth": depth, "ndcg": spread, "gini": spread, "never_retrieved": spread} for depth in (10,)],
        }
    ]
    (cells,) = first_lists(made, "raw", ["mine"]).rows
    assert cells[:3] == ["mine (3 seeds)", "0.5000 ± 0.0625", ""]
    assert (cells[4], cells[6]) == ("0.5000 ± 0.0625", "50.0% ± 6.2%")


@pytest.mark.parametrize("condition", ["raw", "fmc"])
def test_a_record_of_an_earlier_release_has_no_table(condition: str) -> None:
    old = record()
    del old["depths"]
    assert first_lists(old, condition, ["mine", "pca"]).rows == []
    assert "First lists" not in report_html(old)
    assert first_lists(record(*DEPTHS), "fmc", ["mine"]).rows == []


def test_the_report_has_the_table_and_says_that_gini_is_set_by_the_bias() -> None:
    page = report_html(record(*DEPTHS))
    assert len(re.findall("<caption><span>First lists, raw", page)) == 1
    assert "<td>mine</td><td>0.5000</td><td></td><td>0.2500</td>" in page
    assert "First lists, fmc" not in page
    assert "Gini is set by the bias of the scores" in page
