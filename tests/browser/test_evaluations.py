"""The page of evaluations, used in a real browser against the real service."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect
from sqlalchemy import update

from app.evaluations import store
from app.jobs.client import Jobs
from app.jobs.types import EvaluateParams, JobKind, JobState
from core.db.session import Database
from core.db.tables import evaluations
from core.settings import Settings
from core.truth import Truth, find_truth
from tests.app.conftest import flip_a_byte
from tests.browser.conftest import HTML_NAME, SHARED_NAME, contrast, named_home, serving
from tests.conftest import made_up_run

pytestmark = [pytest.mark.browser, pytest.mark.slow]

OpenPage = Callable[..., Page]

ARTISTS = [f"a{i:03d}" for i in range(14)]
LOW, HIGH = dict.fromkeys(ARTISTS, 0.25), dict.fromkeys(ARTISTS, 0.75)
MIXED = {artist: 0.25 if i % 2 else 0.75 for i, artist in enumerate(ARTISTS)}
WORST = {artist: i / 16 for i, artist in enumerate(ARTISTS)}
FIRST = datetime(2026, 3, 1, 2, 10, tzinfo=UTC)


@dataclass(frozen=True)
class Evaluated:
    """A service with stored evaluations, a day between each: e1 to e3, `other` on another truth, `bare` without its
    files, `damaged`; and a job that failed."""

    address: str
    truth: Truth
    failed: str

    @property
    def page(self) -> str:
        return f"{self.address}/evaluations"


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Evaluated]:
    root = tmp_path_factory.mktemp("evaluated")
    home = named_home(root)
    settings = Settings(home=home.root)
    database, truth = Database.of(settings), find_truth(home.truths, None)
    e1 = made_up_run({("raw", "mine"): LOW, ("fmc", "mine"): HIGH, ("own", "mine"): LOW}, truth=truth.id)
    e2 = made_up_run({("raw", "mine"): HIGH, ("fmc", "mine"): LOW, ("own", "mine"): MIXED}, truth=truth.id)
    e3 = made_up_run(
        {("raw", "mine"): WORST, ("raw", "pca"): MIXED, ("fmc", "mine"): HIGH},
        truth=truth.id,
        version="5f2a9c0e41d7b386",
        retrieved={"a000": ["a003", "a010", "gone"]},
        expected={"a000": ["a010", "a012"]},
        n_relevant=5,
    )
    e3["figures"] |= {
        "catalog": {"artists": 1200, "modalities": {"audio": 1100, "tags": 900}},
        "differences": [
            {"condition": "raw", "system": "pca", "reference": "mine", "ndcg": 0.0938, "low": -0.0125, "high": 0.2}
        ],
        "groups": [
            {
                "system": "mine",
                "subsets": [["audio"]],
                "shares": [[1.0]],
                "entropy": {"mean": 1.5625, "deviation": 0.03},
                "ndcg": {"mean": 0.2, "deviation": 0.01},
                "ndcg_own": {"mean": None, "deviation": None},
            }
        ],
    }
    other = made_up_run({("raw", "<i>mine</i>"): LOW}, truth="ff" * 8)
    runs = {"e1": e1, "e2": e2, "bare": e1, "damaged": e1, "other": other, "e3": e3}
    for day, (identity, run) in enumerate(runs.items()):
        store(home, database, identity, {"k": 10}, by="schedule", **run)
        with database.write() as connection:
            at = FIRST + timedelta(days=day)
            connection.execute(update(evaluations).where(evaluations.c.id == identity).values(at=at))
    (home.evaluations / "bare").rename(root / "bare")
    flip_a_byte(home.evaluations / "damaged" / "queries.parquet")
    jobs = Jobs(settings, database)
    job, _ = jobs.submit(JobKind.EVALUATE, EvaluateParams(truth="nowhere"), by="ann")
    with serving(home.root, root / "serve.log") as address:
        while jobs.get(job.id).state is not JobState.FAILED:  # by the service's own worker
            httpx.get(f"{address}/v1/jobs/{job.id}/events", timeout=60)
        yield Evaluated(address, truth, job.id)
    jobs.close()
    database.close()


@pytest.fixture
def page(open_page: OpenPage) -> Page:
    """A page whose clock is UTC's."""
    opened: Page = open_page(timezone_id="UTC")
    return opened


def heading(page: Page) -> Locator:
    return page.get_by_role("heading", level=1)


def runs(page: Page) -> Locator:
    return page.get_by_role("list", name="Runs").get_by_role("listitem")


def cells(page: Page, table: str, row: int) -> list[str]:
    found = page.get_by_role("region", name=table).get_by_role("row").nth(row).get_by_role("cell")
    return [cell.inner_text().replace("\n", " ") for cell in found.all()]


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
        "nDCG at 10, editorial, raw: 5 runs, the newest 0.406",
        "nDCG at 10, editorial, fmc: 5 runs, the newest 0.750",
        "nDCG at 10, editorial, own: 4 runs, the newest 0.250",
    ]
    raw = charts.first
    expect(raw.locator("circle")).to_have_count(5)
    expect(raw.locator(".whisker")).to_have_count(5)
    heights = [float(point.get_attribute("cy") or "nan") for point in raw.locator("circle").all()]
    x = [float(point.get_attribute("cx") or "nan") for point in raw.locator("circle").all()]
    # the oldest to the left; 0.25, 0.75, 0.25, 0.25, 0.406: up is more
    assert x == sorted(x)
    assert heights[0] == heights[2] == heights[3] > heights[4] > heights[1]
    assert (heights[0] - heights[4]) / (heights[0] - heights[1]) == pytest.approx((0.40625 - 0.25) / 0.5)
    texts = raw.locator("text").all_text_contents()
    assert texts[-2:] == ["1 Mar 2026", "6 Mar 2026"]
    assert texts[:-2] == ["0.2", "0.4", "0.6", "0.8"]


def test_two_are_chosen_by_keyboard_and_compared(evaluated: Evaluated, page: Page) -> None:
    page.goto(evaluated.page)
    compare, status = page.get_by_role("button", name="Compare"), page.get_by_role("status")
    expect(compare).to_be_disabled()
    expect(status).to_have_text("Choose two to compare.")
    page.get_by_label("Compare the evaluation of 2 Mar 2026, 02:10").focus()
    page.keyboard.press("Space")
    expect(status).to_have_text("Choose one more.")
    expect(compare).to_be_disabled()
    for day in (1, 3):
        page.get_by_label(f"Compare the evaluation of {day} Mar 2026, 02:10").focus()
        page.keyboard.press("Space")
    expect(status).to_have_text("3 chosen; choose two.")
    expect(compare).to_be_disabled()
    page.keyboard.press("Space")
    expect(compare).to_be_enabled()
    compare.press("Enter")
    expect(page).to_have_url(f"{evaluated.page}?a=e2&b=e1")
    expect(heading(page)).to_have_text("Is A better than B?")
    # raw 0.75 - 0.25 of every query, fmc the other way round, own 0.5 more of half of them
    verdicts = page.locator(".verdict")
    assert verdicts.all_inner_texts() == ["A is better", "A is worse", "A is better"]
    differences = [text.split() for text in page.locator(".difference").all_inner_texts()]
    assert differences[0][:8] == ["nDCG", "0.750", "against", "0.250:", "+0.5000", "+0.5000", "to", "+0.5000"]
    assert differences[1][:5] == ["nDCG", "0.250", "against", "0.750:", "−0.5000"]
    gained = cells(page, "Where A is most above B", 1)
    assert gained == ["Artist 0", "0.750", "0.250", "+0.5000"]
    page.get_by_role("link", name="B against A").click()
    expect(verdicts.first).to_have_text("A is worse")
    page.go_back()
    expect(verdicts.first).to_have_text("A is better")


def test_systems_of_one_run_are_compared_and_none_is_better(evaluated: Evaluated, page: Page) -> None:
    page.goto(f"{evaluated.page}?a=e3&b=e3")
    expect(page.locator(".verdict")).to_have_text(["No difference that the queries can tell"] * 2)
    page.get_by_role("combobox", name="B", exact=True).select_option("pca")
    page.get_by_role("button", name="Compare").click()
    expect(page).to_have_url(f"{evaluated.page}?a=e3&b=e3&system_a=mine&system_b=pca")
    expect(page.locator(".verdict")).to_have_text(["No difference that the queries can tell"])
    # 13/16 - 0.25 of a013; 0 - 0.75 of a000
    assert cells(page, "Where A is most above B", 1) == ["Artist 13", "0.813", "0.250", "+0.5625"]
    assert cells(page, "Where A is most below B", 1) == ["Artist 0", "0.000", "0.750", "−0.7500"]


def test_a_run_shows_its_figures_and_what_ran_on_what(evaluated: Evaluated, page: Page) -> None:
    page.goto(f"{evaluated.page}?id=e3")
    expect(page.get_by_role("heading", name="raw")).to_contain_text("artists of whom anything is known · 14 queries")
    first = cells(page, "Systems, raw", 1)
    assert [*first[:1], *first[2:]] == ["mine", "0.406 0.281 to 0.531", "", "0.203", "0.750"]
    second = cells(page, "Systems, raw", 2)
    assert [*second[:1], *second[2:4]] == ["pca", "0.500 0.375 to 0.625", "+0.0938 −0.0125 to +0.2000"]
    assert page.get_by_role("region", name="Systems, raw").get_by_role("columnheader").all_inner_texts() == [
        "system", "picture", "nDCG@10", "minus mine", "Gini", "coverage",
    ]  # fmt: skip
    assert cells(page, "Modality groups", 1) == ["mine", "1.563 ± 0.030", "0.200 ± 0.010", "–"]
    terms, definitions = page.get_by_role("term"), page.get_by_role("definition")
    facts = dict(zip(terms.all_inner_texts(), definitions.all_inner_texts(), strict=True))
    assert facts == {
        "truth": f"editorial {evaluated.truth.id}, undirected",
        "snapshot": "5e1f5e1f5e1f5e1f: 1,200 artists (audio 1,100, tags 900)",
        "version": "5f2a9c0e41d7b386",
        "models": "mine a0de1a0de1a0de1a (seed 3)",
        "chance": "seed 1, 100 bootstrap rounds",
        "by": "schedule",
    }
    page.get_by_text("How this was measured").click()
    expect(page.get_by_text("By hand.")).to_be_visible()


def test_the_report_is_shown_with_its_own_style_and_runs_nothing(evaluated: Evaluated, page: Page) -> None:
    page.goto(f"{evaluated.page}?id=e3")
    page.get_by_role("link", name="Full report").click()
    expect(page.get_by_text("By hand.")).to_have_css("color", "rgb(0, 128, 0)")
    expect(page).to_have_url(f"{evaluated.address}/v1/evaluations/e3/report")
    page.go_back()
    expect(heading(page)).to_have_text("editorial, 6 Mar 2026, 02:10")


def test_failing_artists_come_by_name_with_what_was_expected_and_what_came(evaluated: Evaluated, page: Page) -> None:
    page.goto(f"{evaluated.page}?id=e3")
    page.get_by_role("link", name="Artists that fail").click()
    expect(page).to_have_url(f"{evaluated.page}?id=e3&artists=worst")
    names = page.locator(".queries h3")
    expect(names).to_have_count(10)
    assert names.nth(0).inner_text().split("\n") == ["Artist 0", "nDCG 0.000"]
    assert names.nth(3).inner_text().split("\n") == [HTML_NAME, "nDCG 0.188"]
    expect(page.locator("main img, main b")).to_have_count(0)
    first = page.locator(".queries > li").first
    wanted = first.locator("ul > li").all_inner_texts()
    assert wanted == [f"{SHARED_NAME}\ncame as 2.", "Artist 12\nnot in the first 10"]
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
    page.get_by_role("link", name="Those after").click()
    expect(names).to_have_text([SHARED_NAME, "Artist 11", "Artist 12", "Artist 13"])
    expect(page.get_by_role("main")).to_contain_text("11 to 14 of 14 queries")
    expect(page.get_by_role("link", name="Those after")).to_have_count(0)
    page.reload()
    expect(names).to_have_count(4)
    page.get_by_role("link", name="Those before").click()
    expect(names).to_have_count(10)
    expect(names.first).to_have_text("Artist 0")
    page.get_by_label("order").select_option("best first")
    page.get_by_label("system").select_option("pca")
    page.get_by_role("button", name="Show").click()
    expect(page).to_have_url(f"{evaluated.page}?id=e3&artists=best&condition=raw&system=pca")
    expect(names.nth(1)).to_have_text("Artist 2")
    # of the condition chosen anew the system was not measured
    page.get_by_label("condition").select_option("fmc")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_label("system")).to_have_value("mine")
    page.go_back()
    expect(names.nth(1)).to_have_text("Artist 2")
    page.goto(f"{evaluated.page}?id=e3&artists=worst&offset=20")
    expect(page.get_by_role("main")).to_contain_text("There are no more.")


def test_a_job_that_failed_is_listed_and_says_why(evaluated: Evaluated, page: Page) -> None:
    page.goto(evaluated.page)
    job = page.get_by_role("list", name="Not stored").get_by_role("listitem")
    expect(job).to_contain_text("there is no truth 'nowhere'")
    expect(job).to_contain_text("by ann")
    job.get_by_role("link", name="failed").click()
    expect(heading(page)).to_have_text("This evaluation failed")
    expect(page.get_by_role("main")).to_contain_text("there is no truth 'nowhere'")


@pytest.mark.parametrize(
    ("query", "title", "text"),
    [
        ("?id=nobody", "No such evaluation", "There is none with the id nobody."),
        ("?id=%3Cb%3E/", "No such evaluation", "There is none with the id <b>/."),
        ("?id=nobody&artists=worst", "That is not here", "nobody"),
        ("?a=e1&b=nobody", "That is not here", "there is no stored evaluation 'nobody'"),
        ("?a=e1&b=X", "No such evaluation", "The address asks for none that there is."),
        ("?a=e1&b=bare", "That is not here", "found no folder evaluations/bare in this home"),
        ("?id=bare&artists=worst", "That is not here", "found no folder evaluations/bare in this home"),
        ("?a=e1&b=other", "These two cannot be compared", "found truth"),
        ("?a=e1&b=damaged", "This evaluation is damaged", "queries.parquet: damaged"),
        ("?id=damaged&artists=best", "This evaluation is damaged", "queries.parquet: damaged"),
        ("?before=nobody", "That is not here", "there is no stored evaluation 'nobody'"),
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


def test_a_run_without_its_files_shows_its_figures(evaluated: Evaluated, page: Page) -> None:
    page.goto(f"{evaluated.page}?id=bare")
    expect(page.get_by_role("main")).to_contain_text("Its report and its artists are not in this home.")
    assert cells(page, "Systems, raw", 1)[2] == "0.250 0.125 to 0.375"
    expect(page.get_by_role("link", name="Full report")).to_have_count(0)


def test_older_ones_are_a_page_of_their_own(evaluated: Evaluated, page: Page) -> None:
    page.goto(f"{evaluated.page}?before=e2")
    expect(runs(page)).to_have_count(1)
    expect(runs(page).get_by_role("link")).to_have_text("1 Mar 2026, 02:10")
    page.goto(f"{evaluated.page}?before=e1")
    expect(page.get_by_role("main")).to_contain_text("There are no older ones.")


def test_a_home_without_an_evaluation_says_how_to_run_one(bare_site: str, page: Page) -> None:
    page.goto(f"{bare_site}/evaluations")
    expect(page.get_by_role("main")).to_contain_text("None is stored yet. Run one with riyl evaluate --truth NAME.")


def test_a_service_that_cannot_be_reached_is_said_so(evaluated: Evaluated, page: Page) -> None:
    page.route("**/v1/**", lambda route: route.abort("connectionrefused"))
    page.goto(evaluated.page)
    expect(heading(page)).to_have_text("The service cannot be reached")
    page.unroute_all()
    page.get_by_role("button", name="Try again").click()
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
