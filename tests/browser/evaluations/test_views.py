"""What holds for every view of evaluations."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenPage, contrast
from tests.browser.evaluations.conftest import Evaluated, runs
from tests.browser.locators import heading

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.mark.parametrize(
    ("query", "title", "text"),
    [
        ("?id=nobody", "No such evaluation", "There is no evaluation with the id nobody."),
        ("?id=%3Cb%3E/", "No such evaluation", "There is no evaluation with the id <b>/."),
        ("?id=nobody&artists=worst", "Not found", "nobody"),
        ("?a=e1&b=nobody", "Not found", "there is no stored evaluation 'nobody'"),
        ("?a=e1&b=X", "No such evaluation", "The address names no evaluation that exists."),
        ("?a=e1&b=bare", "Not found", "found no folder evaluations/bare in this home"),
        ("?id=bare&artists=worst", "Not found", "found no folder evaluations/bare in this home"),
        ("?a=e1&b=other", "These two cannot be compared", "found truth"),
        ("?a=e1&b=damaged", "This evaluation is damaged", "queries.parquet: damaged"),
        ("?id=damaged&artists=best", "This evaluation is damaged", "queries.parquet: damaged"),
        ("?before=nobody", "Not found", "there is no stored evaluation 'nobody'"),
    ],
)
def test_what_cannot_be_shown_says_why_and_leads_back(
    evaluated: Evaluated, page: Page, query: str, title: str, text: str
) -> None:
    page.goto(f"{evaluated.page}{query}")
    expect(heading(page)).to_have_text(title)
    expect(page.get_by_role("main")).to_contain_text(text)
    page.get_by_role("link", name="All evaluations").click()
    expect(runs(page)).to_have_count(6)


VIEWS = ["", "?id=e3", "?id=e3&artists=worst", "?a=e2&b=e1", "?id=nobody"]


@pytest.mark.parametrize("view", VIEWS)
def test_a_phone_of_360_pixels_shows_all_of_it(evaluated: Evaluated, open_page: OpenPage, view: str) -> None:
    page = open_page(viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    page.goto(f"{evaluated.page}{view}")
    expect(heading(page)).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    for link in page.locator("main").get_by_role("link").all():
        box = link.bounding_box()
        assert box is not None
        assert 0 <= box["x"] <= box["x"] + box["width"] <= 360


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_its_ground_in_both_schemes(
    evaluated: Evaluated, open_page: OpenPage, scheme: str
) -> None:
    page = open_page(color_scheme=scheme)
    texts = {
        "": ["h1", ".lead", "figcaption .what", ".runs .what", ".figures dt", ".error", "button:disabled"],
        "?id=e3": [".trail a", "code", ".ran dt", "th", "td .what", "td a", "summary"],
        "?id=e3&artists=worst": ["select", "h4", ".queries h3 .what", ".queries li li a"],
        "?a=e2&b=e1": [".verdict.better", ".verdict.worse", ".difference .what", "footer a"],
    }
    for view, selectors in texts.items():
        page.goto(f"{evaluated.page}{view}")
        expect(heading(page)).to_be_visible()
        for selector in selectors:
            assert contrast(page, selector) >= 4.5, selector


@pytest.mark.parametrize("view", VIEWS[:4])
def test_everything_is_reached_by_keyboard_and_what_has_the_focus_is_seen(
    evaluated: Evaluated, page: Page, view: str
) -> None:
    page.goto(f"{evaluated.page}{view}")
    expect(heading(page)).to_be_visible()
    wanted = page.locator("a, input:not([type=hidden]), button:not(:disabled), select, summary, [tabindex='0']").count()
    seen = set()
    for _ in range(wanted):
        page.keyboard.press("Tab")
        outlined = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outlined != "none"
        seen.add(page.evaluate("[...document.querySelectorAll('*')].indexOf(document.activeElement)"))
    assert len(seen) == wanted


def test_what_is_typed_into_the_address_never_becomes_html(evaluated: Evaluated, page: Page) -> None:
    page.goto(f"{evaluated.page}?id=other")
    expect(page.get_by_role("main")).to_contain_text("<i>mine</i>")
    expect(page.locator("main i")).to_have_count(0)
    page.goto(f"{evaluated.page}?id=e3&artists=%3Cb%3E&condition=%3Cb%3E&system=%3Cb%3E")
    expect(page.locator(".queries h3")).to_have_count(10)
    expect(page).to_have_url(re.compile("artists=%3Cb%3E"))
