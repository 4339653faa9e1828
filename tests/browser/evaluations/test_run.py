"""The view of a stored evaluation, and that of the artists that fail in it."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import HTML_NAME, SHARED_NAME
from tests.browser.evaluations.conftest import Evaluated, cells
from tests.browser.locators import heading

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_a_run_shows_its_figures_and_what_ran_on_what(evaluated: Evaluated, page: Page) -> None:
    page.goto(f"{evaluated.page}?id=e3")
    expect(page.get_by_role("heading", name="raw")).to_contain_text("artists with any data · 14 queries")
    first = cells(page, "Systems, raw", 1)
    assert [*first[:1], *first[2:]] == ["mine", "0.406 0.281 to 0.531", "", "0.203", "0.750"]
    second = cells(page, "Systems, raw", 2)
    assert [*second[:1], *second[2:4]] == ["pca", "0.500 0.375 to 0.625", "+0.0938 −0.0125 to +0.2000"]
    assert page.get_by_role("region", name="Systems, raw").get_by_role("columnheader").all_inner_texts() == [
        "system", "chart", "nDCG@10", "minus mine", "Gini", "coverage",
    ]  # fmt: skip
    assert cells(page, "Modality groups", 1) == ["mine", "1.563 ± 0.030", "0.200 ± 0.010", "–"]
    terms, definitions = page.get_by_role("term"), page.get_by_role("definition")
    facts = dict(zip(terms.all_inner_texts(), definitions.all_inner_texts(), strict=True))
    assert facts == {
        "ground truth": f"editorial {evaluated.truth.id}, undirected",
        "snapshot": "5e1f5e1f5e1f5e1f: 1,200 artists (audio 1,100, tags 900)",
        "version": "5f2a9c0e41d7b386",
        "models": "mine a0de1a0de1a0de1a (seed 3)",
        "randomness": "seed 1, 100 random samples for the intervals",
        "by": "schedule",
    }
    page.get_by_text("How this was measured").click()
    expect(page.get_by_text("By hand.")).to_be_visible()


def test_a_run_shows_the_first_ranks_and_an_older_one_has_none(evaluated: Evaluated, page: Page) -> None:
    page.goto(f"{evaluated.page}?id=e3")
    table = page.get_by_role("region", name="First lists, raw")
    expect(table).to_be_visible()
    assert table.get_by_role("columnheader").all_inner_texts() == [
        "system", "nDCG@10", "minus mine", "nDCG@50", "Gini@10", "Gini@50", "never in a first 10",
    ]  # fmt: skip
    mine = ["mine", "0.500 0.375 to 0.625", "", "0.438", "0.250", "–", "12.5 %"]
    none = "not applicable"
    pca = ["pca", "0.375", "−0.1250 −0.2500 to +0.0625", none, "0.250", none, "12.5 %"]
    assert [[cell.strip() for cell in cells(page, "First lists, raw", row)] for row in (1, 2)] == [mine, pca]
    expect(page.get_by_role("region", name="First lists, fmc")).to_have_count(0)
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert table.evaluate("region => region.scrollWidth > region.clientWidth")
    page.goto(f"{evaluated.page}?id=e1")
    expect(page.get_by_role("region", name="Systems, raw")).to_be_visible()
    expect(page.get_by_text("First lists", exact=True)).to_have_count(0)


def test_the_report_is_shown_with_its_own_style_and_runs_nothing(evaluated: Evaluated, page: Page) -> None:
    page.goto(f"{evaluated.page}?id=e3")
    page.get_by_role("link", name="Full report").click()
    expect(page.get_by_text("By hand.")).to_have_css("color", "rgb(0, 128, 0)")
    expect(page).to_have_url(f"{evaluated.address}/v1/evaluations/e3/report")
    page.go_back()
    expect(heading(page)).to_have_text("editorial, 6 Mar 2026, 02:10")


def test_a_run_without_its_files_shows_its_figures(evaluated: Evaluated, page: Page) -> None:
    page.goto(f"{evaluated.page}?id=bare")
    expect(page.get_by_role("main")).to_contain_text("Its report and its results by artist are not stored here.")
    assert cells(page, "Systems, raw", 1)[2] == "0.250 0.125 to 0.375"
    expect(page.get_by_role("link", name="Full report")).to_have_count(0)


def test_failing_artists_come_by_name_with_what_was_expected_and_what_came(evaluated: Evaluated, page: Page) -> None:
    page.goto(f"{evaluated.page}?id=e3")
    page.get_by_role("link", name="Artists with the worst lists").click()
    expect(page).to_have_url(f"{evaluated.page}?id=e3&artists=worst")
    names = page.locator(".queries h3")
    expect(names).to_have_count(10)
    assert names.nth(0).inner_text().split("\n") == ["Artist 0", "nDCG 0.000"]
    assert names.nth(3).inner_text().split("\n") == [HTML_NAME, "nDCG 0.188"]
    expect(page.locator("main img, main b")).to_have_count(0)
    first = page.locator(".queries > li").first
    wanted = first.locator("ul > li").all_inner_texts()
    assert wanted == [f"{SHARED_NAME}\nrank 2", "Artist 12\nnot in the first 10"]
    expect(first).to_contain_text("and 3 more")
    pairs = list(zip(*evaluated.truth.pairs.to_pydict().values(), strict=True))
    similar = {other for pair in pairs if "a000" in pair for other in pair}
    came = first.locator("ol > li")
    assert [text.split("\n")[0] for text in came.all_inner_texts()] == [HTML_NAME, SHARED_NAME, "gone"]
    for row, artist in zip(came.all(), ("a003", "a010", "gone"), strict=True):
        expect(row).to_have_class("right" if artist in similar else "wrong")
    first.get_by_role("heading").get_by_role("link").click()
    expect(page).to_have_url(f"{evaluated.address}/?artist=a000")
    expect(heading(page)).to_have_text("Artist 0")


def test_failing_artists_are_paged_and_asked_for_otherwise(evaluated: Evaluated, page: Page) -> None:
    page.goto(f"{evaluated.page}?id=e3&artists=worst")
    names = page.locator(".queries h3 a")
    page.get_by_role("link", name="Next").click()
    expect(names).to_have_text([SHARED_NAME, "Artist 11", "Artist 12", "Artist 13"])
    expect(page.get_by_role("main")).to_contain_text("11 to 14 of 14 queries")
    expect(page.get_by_role("link", name="Next")).to_have_count(0)
    page.reload()
    expect(names).to_have_count(4)
    page.get_by_role("link", name="Previous").click()
    expect(names).to_have_count(10)
    expect(names.first).to_have_text("Artist 0")
    page.get_by_label("order").select_option("best first")
    page.get_by_label("system").select_option("pca")
    page.get_by_role("button", name="Show").click()
    expect(page).to_have_url(f"{evaluated.page}?id=e3&artists=best&condition=raw&system=pca")
    expect(names.nth(1)).to_have_text("Artist 2")
    # of the condition chosen anew the system was not measured
    page.get_by_label("set of artists").select_option("fmc")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_label("system")).to_have_value("mine")
    page.go_back()
    expect(names.nth(1)).to_have_text("Artist 2")
    page.goto(f"{evaluated.page}?id=e3&artists=worst&offset=20")
    expect(page.get_by_role("main")).to_contain_text("There are no more.")
