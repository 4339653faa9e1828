"""The report of an evaluation on a phone: wide tables and figures scroll, the page does not."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from riyl.evaluation.report import report_html
from tests.browser.conftest import OpenPage
from tests.evaluation.records import LONG_NAMES, made_record

pytestmark = [pytest.mark.browser, pytest.mark.slow]

WIDTH = 390
COMMAND = f"riyl evaluate --systems {','.join(f'system-{n}' for n in range(30))} --conditions /data/{'x' * 80}.txt"


@pytest.fixture
def page(open_page: OpenPage) -> Page:
    opened = open_page(viewport={"width": WIDTH, "height": 844}, has_touch=True, is_mobile=True)
    record = made_record(LONG_NAMES, ("raw", "fmc", "fmc-judged"), full=("fmc", "fmc-judged"))
    opened.set_content(report_html({**record, "command": COMMAND}))
    return opened


def test_a_phone_scrolls_tables_and_figures_but_not_the_page(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate("innerWidth") == WIDTH
    table = page.get_by_role("region", name="raw: 6,253 artists are candidates")
    assert table.evaluate("e => e.scrollWidth > e.clientWidth")
    table.evaluate("e => e.scrollTo(e.scrollWidth, 0)")
    assert table.evaluate("e => Math.round(e.scrollLeft + e.clientWidth) >= e.scrollWidth")
    last = table.get_by_role("columnheader", name="R-precision").bounding_box()
    name = table.get_by_role("cell", name="default", exact=True).bounding_box()
    caption = table.locator("caption span").bounding_box()
    assert last is not None
    assert name is not None
    assert caption is not None
    assert 0 <= last["x"] <= last["x"] + last["width"] <= WIDTH
    # the names and the caption stay in view while the figures move, and leave most of the width to these
    assert 0 <= name["x"] <= name["x"] + name["width"] <= WIDTH / 2
    assert 0 <= caption["x"] <= caption["x"] + caption["width"] <= WIDTH


def test_head_cells_are_whole_and_names_are_not_broken_into_letters(page: Page) -> None:
    assert page.evaluate("[...document.querySelectorAll('th')].every((e) => e.scrollWidth <= e.clientWidth)")
    heights = page.get_by_role("region", name="raw: 6,253").locator("td:first-child").evaluate_all(
        "cells => cells.map((e) => e.clientHeight / parseFloat(getComputedStyle(e).lineHeight))"
    )  # fmt: skip
    assert max(heights) < 4


def test_a_narrow_table_does_not_scroll(page: Page) -> None:
    table = page.get_by_role("region", name="Of 11,261 artists")
    assert table.evaluate("e => e.scrollWidth <= e.clientWidth")
