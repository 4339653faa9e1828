"""The list of evaluations, and their figures over time."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.evaluations.conftest import Evaluated, runs
from tests.browser.locators import heading

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_the_first_page_leads_to_the_list_and_the_list_to_a_run(evaluated: Evaluated, page: Page) -> None:
    page.goto(evaluated.address)
    page.get_by_role("link", name="Evaluations").click()
    expect(heading(page)).to_have_text("Evaluations")
    expect(page).to_have_title("Evaluations · RIYL")
    links = [row.get_by_role("link").inner_text() for row in runs(page).all()]
    assert links == [f"{day} Mar 2026, 02:10" for day in (6, 5, 4, 3, 2, 1)]
    newest = runs(page).first
    expect(newest).to_contain_text("editorial · mine · k 10 · schedule")
    # the mean of 0 to 13 sixteenths, and of 14 times 0.75; an eighth on either side is made up
    figures = newest.get_by_role("definition").all_inner_texts()
    assert [text.split() for text in figures] == [["0.406", "0.281", "to", "0.531"], ["0.750", "0.625", "to", "0.875"]]
    assert newest.get_by_role("term").all_inner_texts() == ["raw", "fmc"]
    newest.get_by_role("link").click()
    expect(page).to_have_url(f"{evaluated.page}?id=e3")
    expect(heading(page)).to_have_text("editorial, 6 Mar 2026, 02:10")
    expect(heading(page)).to_be_focused()


def test_figures_over_time_are_drawn_by_truth_and_condition(evaluated: Evaluated, page: Page) -> None:
    page.goto(evaluated.page)
    charts = page.get_by_role("img")
    expect(charts.first).to_be_visible()
    # `other` is alone on its truth; `own` was measured four times
    assert [chart.get_attribute("aria-label") for chart in charts.all()] == [
        "nDCG at 10, editorial, raw. mine: 5 runs, the newest 0.406",
        "nDCG at 10, editorial, fmc. mine: 5 runs, the newest 0.750",
        "nDCG at 10, editorial, own. mine: 4 runs, the newest 0.250",
    ]
    raw = charts.first
    expect(raw.locator(".point")).to_have_count(5)
    expect(raw.locator(".whisker")).to_have_count(5)
    corners = [pair.split(",") for pair in (raw.locator("polyline").get_attribute("points") or "").split()]
    x, heights = ([float(corner[i]) for corner in corners] for i in (0, 1))
    # the oldest to the left; 0.25, 0.75, 0.25, 0.25, 0.406: up is more
    assert x == sorted(x)
    assert heights[0] == heights[2] == heights[3] > heights[4] > heights[1]
    assert (heights[0] - heights[4]) / (heights[0] - heights[1]) == pytest.approx((0.40625 - 0.25) / 0.5)
    texts = raw.locator("text").all_text_contents()
    assert texts[-2:] == ["1 Mar 2026", "6 Mar 2026"]
    assert texts[:-2] == ["0.2", "0.4", "0.6", "0.8"]


def test_a_job_that_failed_is_listed_and_says_why(evaluated: Evaluated, page: Page) -> None:
    page.goto(evaluated.page)
    job = page.get_by_role("list", name="Waiting, running or failed").get_by_role("listitem")
    expect(job).to_contain_text("there is no truth 'nowhere'")
    expect(job).to_contain_text("by command")
    job.get_by_role("link", name="failed").click()
    expect(heading(page)).to_have_text("This evaluation failed")
    expect(page.get_by_role("main")).to_contain_text("there is no truth 'nowhere'")


def test_older_ones_are_a_page_of_their_own(evaluated: Evaluated, page: Page) -> None:
    page.goto(f"{evaluated.page}?before=e2")
    expect(runs(page)).to_have_count(1)
    expect(runs(page).get_by_role("link")).to_have_text("1 Mar 2026, 02:10")
    page.goto(f"{evaluated.page}?before=e1")
    expect(page.get_by_role("main")).to_contain_text("There are no older evaluations.")


def test_a_home_without_an_evaluation_says_how_to_run_one(bare_site: str, page: Page) -> None:
    page.goto(f"{bare_site}/evaluations")
    expect(page.get_by_role("main")).to_contain_text(
        "No evaluation is stored yet. Run one with riyl evaluate --truth NAME."
    )


def test_a_service_that_cannot_be_reached_is_said_so(evaluated: Evaluated, page: Page) -> None:
    page.route("**/v1/**", lambda route: route.abort("connectionrefused"))
    page.goto(evaluated.page)
    expect(heading(page)).to_have_text("The service cannot be reached")
    page.unroute_all()
    page.get_by_role("button", name="Try again").click()
    expect(runs(page)).to_have_count(6)
