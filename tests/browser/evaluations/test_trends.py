"""Figures of stored evaluations over time: each system has a line, whatever was evaluated in between."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect
from sqlalchemy import update

from riyl.app.evaluations.store import store
from riyl.core.db.session import Database
from riyl.core.db.tables import evaluations
from riyl.core.settings import Home, Settings
from riyl.evaluation.figure_layout import COLOURS
from tests.browser.conftest import OpenPage, serving
from tests.browser.locators import heading
from tests.conftest import REPOSITORY, made_up_run

pytestmark = [pytest.mark.browser, pytest.mark.slow]

FIRST = datetime(2026, 3, 1, 2, 10, tzinfo=UTC)
VERSIONS = ("5f2a9c0e41d7b386", "0a1b2c3d4e5f6071")
FEW = [
    *({("raw", "mine"): 0.25, ("fmc", "mine"): 0.75}, {("raw", "pca"): 0.5}),
    *({("raw", "mine"): 0.75, ("fmc", "mine"): 0.5}, {("raw", "pca"): 0.25, ("raw", "mine"): 0.875}),
    *({("raw", f"version {version}"): 0.5} for version in VERSIONS),
    *({("raw", "once"): 0.875}, {("raw", "mine"): 0.5}),
]
"""By run, the oldest first: nDCG by condition and system; the first system is the one that listings show."""

LONG = "contrastive-of-tags-listeners-and-sound-with-a-temperature-of-0.07"
MANY = [{("raw", f"{LONG}-{n}"): n / 16, ("fmc", f"{LONG}-{n}"): n / 16} for _ in range(2) for n in range(1, 13)]


def served(root: Path, runs: list[dict[tuple[str, str], float]]) -> Iterator[str]:
    home = Home(root / "home")
    database = Database.of(Settings(home=home.root))
    for day, scores in enumerate(runs):
        ((_, first), *_) = scores
        version = first.removeprefix("version ") if first.startswith("version ") else None
        run = made_up_run({key: {"a0": ndcg, "a1": ndcg} for key, ndcg in scores.items()}, version=version)
        run["figures"]["command"] = f"riyl evaluate --systems {first}"
        identity = f"run{day:02d}"
        store(home, database, identity, {"k": 10}, by="schedule", **run)
        with database.write() as connection:
            at = FIRST + timedelta(days=day)
            connection.execute(update(evaluations).where(evaluations.c.id == identity).values(at=at))
    database.close()
    with serving(home.root, root / "serve.log") as address:
        yield f"{address}/evaluations"


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    yield from served(tmp_path_factory.mktemp("few"), FEW)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    yield from served(tmp_path_factory.mktemp("many"), MANY)


@pytest.fixture
def page(open_page: OpenPage) -> Page:
    opened: Page = open_page(timezone_id="UTC")
    return opened


def points(series: Locator) -> list[tuple[float, float]]:
    """Return the corners of a line."""
    pairs = (series.locator("polyline").get_attribute("points") or "").split()
    return [(float(x), float(y)) for x, y in (pair.split(",") for pair in pairs)]


def test_each_system_has_a_line_of_its_runs_alone(few: str, page: Page) -> None:
    page.goto(few)
    charts = page.get_by_role("img")
    expect(charts).to_have_count(2)
    assert [chart.get_attribute("aria-label") for chart in charts.all()] == [
        "nDCG at 10, editorial, raw. mine: 3 runs, the newest 0.500; pca: 2 runs, the newest 0.250; "
        "index versions: 2 runs, the newest 0.500",
        "nDCG at 10, editorial, fmc. mine: 2 runs, the newest 0.500",
    ]
    mine, pca, versions = (points(series) for series in charts.first.locator(".series").all())
    # seven runs are drawn, evenly spaced; that of `once` is not
    step = pca[0][0] - mine[0][0]
    assert [round((x - mine[0][0]) / step, 6) for x, _ in (*mine, *pca, *versions)] == [0, 2, 6, 1, 3, 4, 5]
    # 0.25, 0.75, 0.5 and 0.5, 0.25 and 0.5, 0.5: up is more
    half, quarter = versions[0][1], mine[0][1]
    assert [y for _, y in (*mine, *pca, *versions)] == pytest.approx(
        [quarter, 2 * half - quarter, half, half, quarter, half, half]
    )
    assert quarter > half
    assert [series.locator(".point").count() for series in charts.first.locator(".series").all()] == [3, 2, 2]
    assert charts.first.locator(".whisker").count() == 7


def test_a_legend_tells_the_lines_apart_by_colour_and_shape(few: str, page: Page) -> None:
    page.goto(few)
    legend = page.locator("figure").first.get_by_role("list")
    expect(legend.get_by_role("listitem")).to_have_text(["mine 0.500", "pca 0.250", "index versions 0.500"])
    chart = page.get_by_role("img").first
    marks = [
        [(point.get_attribute("d"), point.evaluate("e => getComputedStyle(e).fill")) for point in marks.all()]
        for marks in (legend.locator(".point"), chart.locator(".series .point:first-of-type"))
    ]
    assert marks[0] == marks[1]
    assert len({shape for shape, _ in marks[0]}) == len({colour for _, colour in marks[0]}) == 3
    # a system has the same mark in every chart
    other = page.get_by_role("img").nth(1).locator(".point").first
    assert other.get_attribute("d") == marks[0][0][0]


def test_the_colours_are_those_of_the_report() -> None:
    style = (REPOSITORY / "app" / "web" / "evaluations.css").read_text(encoding="utf-8")
    colours = dict(re.findall(r"\.series-(\d+) \{\n  --series: (#[0-9a-f]{6});", style))
    assert [colours[str(n)] for n in range(1, 11)] == list(COLOURS)


def test_at_most_ten_systems_are_drawn_and_the_others_are_counted(many: str, page: Page) -> None:
    page.goto(many)
    charts = page.get_by_role("img")
    expect(charts).to_have_count(2)
    series = charts.first.locator(".series")
    assert [each.get_attribute("class") for each in series.all()] == [f"series series-{n}" for n in range(1, 11)]
    assert len({each.locator(".point").first.get_attribute("d") for each in series.all()}) == 10
    expect(page.get_by_text("2 more systems, measured less often, not shown.")).to_be_visible()


@pytest.mark.parametrize("view", ["", "?id=run00", "?id=run00&artists=worst", "?a=run01&b=run00"])
def test_a_phone_scrolls_wide_tables_but_not_the_page(many: str, open_page: OpenPage, view: str) -> None:
    page = open_page(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page.goto(f"{many}{view}")
    expect(heading(page)).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate("innerWidth") == 390
    for table in page.locator(".scroll").all():
        table.evaluate("e => e.scrollTo(e.scrollWidth, 0)")
        last = table.get_by_role("columnheader").last.bounding_box()
        assert last is not None
        assert last["x"] + last["width"] <= 390


def test_a_run_shows_its_command(few: str, page: Page) -> None:
    page.goto(f"{few}?id=run01")
    expect(page.get_by_text("How this was measured")).to_be_visible()
    facts = dict(
        zip(
            page.get_by_role("term").all_inner_texts(), page.get_by_role("definition").all_inner_texts(), strict=True
        )
    )  # fmt: skip
    assert facts["command"] == "riyl evaluate --systems pca"
