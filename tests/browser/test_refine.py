"""The panel that fine-tunes a question: sliders, what must be known, listeners and conditions."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.answers import answered
from tests.browser.locators import chips, fine_tune, names, rows

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_sliders_are_moved_by_keyboard_and_keep_the_focus(site: str, page: Page) -> None:
    page.goto(f"{site}/?artist=a007&k=5")
    expect(rows(page)).to_have_count(5)
    fine_tune(page)
    variety = page.get_by_role("slider", name="Variety")
    variety.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    expect(page).to_have_url(f"{site}/?artist=a007&diversity=0.3&k=5")
    expect(page.locator("#refined")).to_have_text("variety 0.3")
    expect(variety).to_be_focused()
    seed = [{"id": "a007"}]
    expect(page.get_by_role("main")).not_to_have_attribute("aria-busy", "true")
    assert names(page) == answered(site, seeds=seed, diversity=0.3, k=5)
    page.get_by_role("slider", name="Popularity").focus()
    page.keyboard.press("Home")
    expect(page).to_have_url(f"{site}/?artist=a007&diversity=0.3&popularity=-1&k=5")
    expect(page.get_by_role("main")).not_to_have_attribute("aria-busy", "true")
    assert names(page) == answered(site, seeds=seed, diversity=0.3, popularity=-1, k=5)
    expect(page.locator("#refined")).to_have_text("variety 0.3 · obscure 1")
    page.go_back()
    page.go_back()
    expect(page).to_have_url(f"{site}/?artist=a007&k=5")
    expect(variety).to_have_value("0")
    expect(page.locator("#refined")).to_have_text("")


def test_what_must_be_known_and_how_many_listeners(site: str, page: Page) -> None:
    page.goto(f"{site}/?artist=a007")
    fine_tune(page)
    expect(page.get_by_role("group", name="Must have").locator("label")).to_have_text(["tags", "listeners", "sound"])
    page.get_by_role("checkbox", name="tags").check()
    expect(page).to_have_url(f"{site}/?artist=a007&having=tags")
    most = page.get_by_label("at most")
    most.fill("x9")
    most.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("At most: found “x9”; enter a whole number of listeners.")
    expect(most).to_have_attribute("aria-invalid", "true")
    expect(most).to_have_value("x9")
    page.get_by_label("at least").fill("6")
    most.fill("5")
    most.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("Found at least 6 and at most 5 listeners; no artist fits both.")
    expect(page).to_have_url(f"{site}/?artist=a007&having=tags")
    page.get_by_label("at least").fill("5")
    page.get_by_label("at least").press("Enter")
    expect(page).to_have_url(f"{site}/?artist=a007&having=tags&min_listeners=5&max_listeners=5")
    expect(page.get_by_role("alert")).to_have_text("")
    expect(page.get_by_role("main")).not_to_have_attribute("aria-busy", "true")
    filters = {"modalities": ["tags"], "listeners": {"gte": 5, "lte": 5}}
    wanted = answered(site, seeds=[{"id": "a007"}], filters=filters)
    assert names(page) == wanted
    assert 0 < len(wanted) == len([a for a in wanted if a != "Artist 7"])
    expect(page.locator("#refined")).to_have_text("has tags · at least 5 listeners · at most 5 listeners")


def test_conditions_on_attributes_are_typed_and_are_chips(site: str, page: Page) -> None:
    page.goto(f"{site}/?artist=a007")
    fine_tune(page)
    expect(page.locator("#attributes-hint")).to_have_text("Attributes of this catalog: country, founded.")
    typed = page.get_by_label("Attribute")
    typed.fill("country")
    typed.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("Found “country”; write a name, then = or >= or <=")
    expect(typed).to_have_value("country")
    typed.fill("country=IS")
    expect(page.get_by_role("alert")).to_have_text("")
    typed.press("Enter")
    expect(page).to_have_url(f"{site}/?artist=a007&where=country%3DIS")
    expect(typed).to_have_value("")
    expect(typed).to_be_focused()
    expect(page.get_by_role("main")).not_to_have_attribute("aria-busy", "true")
    # only artists of odd numbers have the country
    assert all(int(re.sub(r"\D", "", name)) % 2 for name in names(page) if name.startswith("Artist"))
    typed.fill("country=SE")
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_role("alert")).to_contain_text("two conditions of the same kind on country")
    typed.fill("founded>=2010")
    page.get_by_role("button", name="Add").click()
    expect(chips(page).locator(".name")).to_have_text(["Artist 7", "country=IS", "founded>=2010"])
    expect(page.get_by_role("main")).not_to_have_attribute("aria-busy", "true")
    # founded in 1960 + i, of odd i: 51, 53, 55, 57; of the last, 59, nothing is known
    assert sorted(names(page)) == ["Artist 51", "Artist 53", "Artist 55", "Artist 57"]
    expect(page.get_by_role("main")).to_contain_text("That is all: 4 artists.")
    typed.fill("founded<=2010")
    typed.press("Enter")
    expect(page.get_by_role("main")).to_contain_text("No artist meets all conditions.")
    page.get_by_role("link", name="Search without the conditions").click()
    expect(page).to_have_url(f"{site}/?artist=a007")


def test_what_is_typed_in_the_panel_outlasts_an_answer(site: str, page: Page) -> None:
    page.goto(f"{site}/?artist=a007")
    fine_tune(page)
    page.get_by_label("Attribute").fill("founded>=19")
    page.get_by_label("at most").fill("many")
    page.get_by_label("at most").press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("found “many”")
    page.get_by_role("button", name="More like").first.click()
    expect(chips(page)).to_have_count(2)
    expect(page.get_by_label("at most")).to_have_value("many")
    expect(page.get_by_label("Attribute")).to_have_value("founded>=19")
