"""A question of several parts: its address, what the service refuses of it, and late answers."""

from __future__ import annotations

import json
import re
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, Request, Route, expect

from tests.browser.answers import answer
from tests.browser.conftest import SHARED_NAME, OpenPage, contrast
from tests.browser.locators import chips, enter, fine_tune, heading, names, rows

pytestmark = [pytest.mark.browser, pytest.mark.slow]

FULL = (
    "/?artist=a007&artist=a013&avoid=a022&tag=noise&tag=zzqq&where=founded%3E%3D1970&having=audio"
    "&min_listeners=1&max_listeners=90&diversity=0.3&popularity=-0.5&k=5"
)
"""An address that asks all there is, and what it says to the API."""
FULL_BODY = {
    "seeds": [{"id": "a007"}, {"id": "a013"}],
    "avoid": [{"id": "a022"}],
    "tags": {"noise": 1, "zzqq": 1},
    "k": 5,
    "filters": {
        "attributes": {"founded": {"gte": 1970}},
        "listeners": {"gte": 1, "lte": 90},
        "modalities": ["audio"],
    },
    "diversity": 0.3,
    "popularity": -0.5,
    "explain": True,
}


def test_a_name_that_is_none_can_be_asked_for_as_a_tag(site: str, page: Page) -> None:
    page.goto(f"{site}/?artist=a006")
    enter(page, "dub")
    expect(heading(page)).to_have_text("No artist called dub")
    expect(chips(page)).to_have_count(1)
    page.get_by_role("link", name="Find artists with this tag").click()
    expect(page).to_have_url(f"{site}/?artist=a006&tag=dub")
    expect(heading(page)).to_have_text("Like Artist 6, tagged dub")


def test_a_name_of_several_is_settled_beside_what_is_asked_already(site: str, page: Page) -> None:
    page.goto(f"{site}/?artist=a007&diversity=0.2")
    enter(page, SHARED_NAME)
    expect(heading(page)).to_have_text(f"Several artists are called {SHARED_NAME}")
    page.locator("main").get_by_role("link").first.click()
    expect(page).to_have_url(re.compile(r"/\?artist=a007&artist=a0[12]0&diversity=0\.2$"))


def test_what_the_service_refuses_is_said_in_its_words_and_nothing_is_lost(site: str, page: Page) -> None:
    page.goto(f"{site}/?artist=a007&artist=a013&where=planet%3DMars&tag=dub")
    expect(heading(page)).to_have_text("This query cannot be answered")
    expect(page.get_by_role("main")).to_contain_text("found 'planet'; wanted one of country, founded")
    expect(chips(page).locator(".name")).to_have_text(["Artist 7", "Artist 13", "dub", "planet=Mars"])
    page.get_by_role("button", name="Remove planet=Mars").click()
    expect(heading(page)).to_have_text("Like Artist 7 and Artist 13, tagged dub")
    page.goto(f"{site}/?artist=a007&where=planet")
    expect(heading(page)).to_have_text("Invalid condition")
    expect(page.locator(".chip.doubtful")).to_have_text(re.compile("planet.*not understood"))
    page.goto(f"{site}/?artist=a007&artist=nobody")
    expect(heading(page)).to_have_text("One of the artists was not found")
    expect(page.get_by_role("main")).to_contain_text("there is no artist 'nobody'")
    expect(chips(page).locator(".name")).to_have_text(["Artist 7", "nobody"])
    page.goto(f"{site}/?artist=a059&diversity=0.5")
    expect(page.get_by_role("main")).to_contain_text("There is no data yet")


def test_a_whole_question_is_in_its_address(site: str, page: Page) -> None:
    with page.expect_request("**/v1/similar") as request_info:
        page.goto(f"{site}{FULL}")
    assert json.loads(request_info.value.post_data or "") == FULL_BODY
    expect(heading(page)).to_have_text("Like Artist 7 and Artist 13, tagged noise, unlike Artist 22")
    expect(chips(page).locator(".name")).to_have_text(
        ["Artist 7", "Artist 13", "Artist 22", "noise", "zzqq", "founded>=1970"]
    )
    wanted = answer(site, **FULL_BODY)
    assert names(page) == [artist["name"] for artist in wanted["similar"]]
    fine_tune(page)
    expect(page.get_by_role("slider", name="Variety")).to_have_value("0.3")
    expect(page.get_by_role("slider", name="Popularity")).to_have_value("-0.5")
    expect(page.get_by_role("checkbox", name="sound")).to_be_checked()
    expect(page.get_by_label("at least")).to_have_value("1")
    expect(page.get_by_label("at most")).to_have_value("90")
    page.get_by_role("button", name="Show more").click()
    expect(page).to_have_url(f"{site}{FULL.replace('k=5', 'k=20')}")


def test_one_artist_and_nothing_else_is_asked_by_get(site: str, page: Page) -> None:
    requests: list[Request] = []
    page.on("request", lambda request: requests.append(request) if "similar" in request.url else None)
    page.goto(f"{site}/?artist=a007&diversity=0&popularity=none&min_listeners=-3&tag=")
    expect(rows(page)).to_have_count(20)
    assert [(request.method, request.url) for request in requests] == [
        ("GET", f"{site}/v1/artists/a007/similar?k=20&explain=true")
    ]


def test_a_late_answer_to_an_older_question_never_shows(site: str, page: Page) -> None:
    page.goto(f"{site}/?artist=a007&artist=a013")
    expect(rows(page)).to_have_count(20)
    held: list[Route] = []

    def hold_dub(route: Route) -> None:
        question = json.loads(route.request.post_data or "{}")
        if question["tags"] == {"dub": 1}:
            held.append(route)
        else:
            route.continue_()

    page.route("**/v1/similar", hold_dub)
    with page.expect_request("**/v1/similar"):
        enter(page, "tag:dub")
    # a button of the answer that still stands there adds to what is asked now, not to what it answers
    first = names(page)[0]
    rows(page).first.get_by_role("button", name=f"Less like {first}").click()
    page.get_by_role("button", name="Remove dub").click()
    expect(heading(page)).to_have_text(f"Like Artist 7 and Artist 13, unlike {first}")
    assert held
    for route in held:
        route.continue_()
    page.unroute_all(behavior="wait")
    # by the time that later requests were answered, so was the held one, had it still been wanted
    page.evaluate("async () => { for (let i = 0; i < 10; i++) await (await fetch('/v1/index?late')).text(); }")
    expect(heading(page)).to_have_text(f"Like Artist 7 and Artist 13, unlike {first}")
    expect(chips(page)).to_have_count(3)


def test_a_question_that_did_not_get_through_can_be_asked_again(site: str, page: Page) -> None:
    page.goto(f"{site}/?artist=a007")
    expect(rows(page)).to_have_count(20)
    page.route("**/v1/similar", lambda route: route.abort("connectionrefused"))
    enter(page, "tag:dub")
    expect(heading(page)).to_have_text("The service cannot be reached")
    expect(chips(page).locator(".name")).to_have_text(["Artist 7", "dub"])
    page.unroute_all()
    page.get_by_role("button", name="Try again").click()
    expect(heading(page)).to_have_text("Like Artist 7, tagged dub")


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_of_it_fits_is_labelled_and_stands_out(site: str, open_page: OpenPage, width: int, scheme: str) -> None:
    page = open_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page.goto(f"{site}{FULL}&where={quote('a' * 120 + '=b')}".replace("&where=founded%3E%3D1970", ""))
    expect(heading(page)).to_have_text("This query cannot be answered")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.goto(f"{site}{FULL}")
    fine_tune(page)
    rows(page).first.get_by_role("button", name="Why").click()
    page.get_by_label("at most").fill("x")
    page.get_by_label("at most").press("Enter")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    texts = [
        *(".chip.seed .name", ".chip.avoid .name", ".chip.tag .name", ".chip.where .name", ".doubt", ".chip button"),
        *(".anew", "#refine summary", "#refined", ".told", ".ends span", "legend", "#having label", "#attributes-hint"),
        *("#refine-note", ".note", ".part", ".figure", ".shares small", ".why .what", ".why .badge", ".act"),
    ]
    if width > 360:
        texts.append(".terms")
    for selector in texts:
        expect(page.locator(selector).first).to_be_visible()
        assert contrast(page, selector) >= 4.5, selector
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll("button, input, a, summary")].filter((e) =>
          !(e.ariaLabel || e.textContent.trim() || e.labels?.length)).map((e) => e.outerHTML)"""
    )
    assert unnamed == []
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map((e) => e.id)")
    assert len(ids) == len(set(ids))
    dangling = page.evaluate(
        """() => [...document.querySelectorAll("[aria-controls], [aria-describedby], [aria-labelledby], label[for]")]
          .flatMap((e) => ["aria-controls", "aria-describedby", "aria-labelledby", "for"]
            .flatMap((name) => (e.getAttribute(name) ?? "").split(" ").filter(Boolean)))
          .filter((id) => !document.getElementById(id))"""
    )
    assert dangling == []
    # what a finger has to hit is 24 pixels at least, by WCAG 2.2
    for button in page.locator("main button, #asked button, #refine button, #refine summary").all():
        box = button.bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) >= 24
