"""The search for an artist by name."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.answers import ask
from tests.browser.conftest import SHARED_NAME
from tests.browser.locators import enter, field, heading, similar, suggestions

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_a_typed_name_is_chosen_by_keyboard_and_answered(site: str, page: Page) -> None:
    page.goto(site)
    expect(field(page)).to_be_focused()
    page.keyboard.type("artist 7")
    expect(suggestions(page).first).to_contain_text("Artist 7")
    expect(field(page)).to_have_attribute("aria-expanded", "true")
    page.keyboard.press("ArrowDown")
    expect(suggestions(page).first).to_have_attribute("aria-selected", "true")
    active = suggestions(page).first.get_attribute("id")
    assert active
    expect(field(page)).to_have_attribute("aria-activedescendant", active)
    page.keyboard.press("Enter")
    expect(heading(page)).to_have_text("Artist 7")
    expect(heading(page)).to_be_focused()
    expect(suggestions(page)).to_have_count(0)
    expect(page).to_have_url(f"{site}/?artist=a007")
    expect(page).to_have_title("Artist 7 · RIYL")

    answer = ask(site, "/v1/artists/a007/similar", k=20)
    expect(similar(page)).to_have_count(20)
    for shown, wanted in zip(similar(page).all(), answer["similar"], strict=True):
        expect(shown.get_by_role("link")).to_have_text(wanted["name"])
        expect(shown.locator(".score")).to_have_text(f"score {wanted['score']:.2f}".replace("-", "−"))
        words = [w for m, w in (("tags", "tags"), ("cf", "listeners"), ("audio", "sound")) if m in wanted["modalities"]]
        assert shown.locator(".badge").all_inner_texts() == words
    expect(page.locator("#version")).to_have_text(f"index {answer['version'][:12]}")


def test_arrows_go_round_and_escape_closes_then_clears(site: str, page: Page) -> None:
    page.goto(site)
    field(page).fill("artist")
    expect(suggestions(page)).to_have_count(8)
    page.keyboard.press("ArrowUp")
    expect(suggestions(page).last).to_have_attribute("aria-selected", "true")
    page.keyboard.press("ArrowDown")
    expect(page.locator("[aria-selected=true]")).to_have_count(0)
    page.keyboard.press("ArrowDown")
    expect(suggestions(page).first).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Escape")
    expect(page.locator("#popup")).to_be_hidden()
    expect(field(page)).to_have_attribute("aria-expanded", "false")
    expect(field(page)).to_have_value("artist")
    page.keyboard.press("ArrowDown")
    expect(page.locator("#popup")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    expect(field(page)).to_have_value("")


def test_a_suggestion_is_chosen_by_pointer(site: str, page: Page) -> None:
    page.goto(site)
    field(page).fill("artist 12")
    suggestions(page).first.click()
    expect(heading(page)).to_have_text("Artist 12")


def test_a_whole_name_and_enter_lead_to_the_artist(site: str, page: Page) -> None:
    page.goto(site)
    enter(page, "ARTIST 30")
    expect(heading(page)).to_have_text("Artist 30")
    expect(page).to_have_url(f"{site}/?artist=a030")
    page.go_back()
    expect(page).to_have_url(f"{site}/")


def test_a_name_that_two_artists_share_is_asked_about(site: str, page: Page) -> None:
    page.goto(site)
    enter(page, SHARED_NAME)
    expect(heading(page)).to_have_text(f"Several artists are called {SHARED_NAME}")
    expect(page.locator("main").get_by_role("link")).to_have_count(2)
    page.locator("main").get_by_role("link").first.click()
    expect(page).to_have_url(re.compile(r"artist=a0[12]0$"))


def test_nothing_found_is_said_and_near_names_are_offered(site: str, page: Page) -> None:
    page.goto(site)
    field(page).fill("artichoke heart")
    expect(page.locator("#popup")).to_have_text("No artist called “artichoke heart”.")
    expect(page.get_by_role("status")).to_have_text("No artist called “artichoke heart”.")
    page.keyboard.press("Enter")
    expect(heading(page)).to_have_text("No artist called artichoke heart")
    expect(page).to_have_url(f"{site}/?q=artichoke%20heart")
    page.reload()
    expect(heading(page)).to_have_text("No artist called artichoke heart")
    expect(field(page)).to_have_value("artichoke heart")
    enter(page, "the doubbles")
    expect(page.get_by_role("heading", name="Similar names")).to_be_visible()
    expect(page.locator("main").get_by_role("link").first).to_have_text(SHARED_NAME)


def test_a_late_answer_to_an_older_text_never_shows(site: str, page: Page) -> None:
    page.goto(site)
    expect(heading(page)).to_be_visible()
    held: list[Route] = []
    page.route("**/v1/artists?q=artist%201&**", lambda route: held.append(route))
    with page.expect_request("**/v1/artists?q=artist%201&**"):
        field(page).fill("artist 1")
    field(page).fill("artist 44")
    expect(suggestions(page).first).to_contain_text("Artist 44")
    for route in held:
        route.continue_()
    page.unroute_all(behavior="wait")
    expect(suggestions(page).first).to_contain_text("Artist 44")


def test_what_is_typed_while_an_answer_is_under_way_is_kept(site: str, page: Page) -> None:
    held: list[Route] = []
    page.route(re.compile("/v1/(index|artists/a007)"), lambda route: held.append(route))
    page.goto(site)
    expect(field(page)).to_be_focused()
    page.keyboard.type("artist 7")
    expect(suggestions(page).first).to_contain_text("Artist 7")
    held.pop().continue_()
    expect(heading(page)).to_have_text("Who else will you like?")
    expect(suggestions(page).first).to_contain_text("Artist 7")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(field(page)).to_have_value("")
    page.keyboard.type("artist 4")
    for route in held:
        route.continue_()
    expect(heading(page)).to_have_text("Artist 7")
    expect(field(page)).to_be_focused()
    expect(field(page)).to_have_value("artist 4")
    expect(suggestions(page).first).to_contain_text("Artist 4")
