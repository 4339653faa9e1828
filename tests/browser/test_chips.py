"""What the page is asked with, as chips: several artists, those to be unlike, and tags."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.answers import answered
from tests.browser.locators import chips, field, heading, names, pick, rows

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_artists_picked_one_after_another_are_chips_and_are_asked_together(site: str, page: Page) -> None:
    page.goto(site)
    expect(page.locator("#refine")).to_be_hidden()
    pick(page, "Artist 7")
    expect(heading(page)).to_have_text("Artist 7")
    pick(page, "Artist 13")
    expect(heading(page)).to_have_text("Like Artist 7 and Artist 13")
    expect(heading(page)).to_be_focused()
    expect(page).to_have_url(f"{site}/?artist=a007&artist=a013")
    expect(page).to_have_title("Like Artist 7 and Artist 13 · RIYL")
    expect(chips(page).locator(".name")).to_have_text(["Artist 7", "Artist 13"])
    assert names(page) == answered(site, seeds=[{"id": "a007"}, {"id": "a013"}])

    pick(page, "Artist 7")
    expect(chips(page)).to_have_count(2)
    page.get_by_role("button", name="Remove Artist 7").click()
    expect(heading(page)).to_have_text("Artist 13")
    expect(page).to_have_url(f"{site}/?artist=a013")
    expect(page.get_by_role("button", name="Remove Artist 13")).to_be_focused()
    page.keyboard.press("Enter")
    expect(heading(page)).to_have_text("Who else will you like?")
    expect(field(page)).to_be_focused()
    expect(chips(page)).to_have_count(0)
    page.go_back()
    page.go_back()
    expect(heading(page)).to_have_text("Like Artist 7 and Artist 13")
    expect(chips(page).locator(".name")).to_have_text(["Artist 7", "Artist 13"])
    page.get_by_role("link", name="Clear all").click()
    expect(page).to_have_url(f"{site}/")


def test_a_result_asks_for_more_like_it_or_for_less(site: str, page: Page) -> None:
    page.goto(f"{site}/?artist=a007")
    expect(rows(page)).to_have_count(20)
    first, second = names(page)[:2]
    rows(page).nth(0).get_by_role("button", name=f"More like {first}").click()
    expect(heading(page)).to_have_text(f"Like Artist 7 and {first}")
    expect(chips(page).locator(".name")).to_have_text(["Artist 7", first])
    assert first not in names(page)
    page.get_by_role("button", name=f"Less like {second}").click()
    expect(heading(page)).to_have_text(f"Like Artist 7 and {first}, unlike {second}")
    expect(page.locator(".chip.avoid s")).to_have_text(second)
    expect(page.locator(".chip.avoid")).to_contain_text("not like")
    seeds = [{"id": "a007"}, {"name": first}]
    assert names(page) == answered(site, seeds=seeds, avoid=[{"name": second}])
    assert names(page) != answered(site, seeds=seeds)
    # one who was avoided and is picked is a seed from then on
    pick(page, second)
    expect(page.locator(".chip.avoid")).to_have_count(0)
    expect(chips(page)).to_have_count(3)


def test_words_behind_tag_are_tags_and_those_not_known_are_marked(site: str, page: Page) -> None:
    page.goto(site)
    field(page).fill("tag:")
    expect(page.locator("#popup")).to_have_text("Enter a tag after the colon, as in tag:dub.")
    field(page).fill("tag:dub")
    expect(page.get_by_role("option")).to_have_text(["Tagged dub"])
    page.keyboard.press("Enter")
    expect(heading(page)).to_have_text("Tagged dub")
    expect(page).to_have_url(f"{site}/?tag=dub")
    expect(field(page)).to_have_value("")
    assert names(page) == answered(site, tags={"dub": 1})

    field(page).fill("tag: roots, <b>zz</b>")
    page.get_by_role("option").click()
    expect(chips(page).locator(".name")).to_have_text(["dub", "roots", "<b>zz</b>"])
    expect(page.locator(".chip.doubtful")).to_have_text(re.compile("<b>zz</b>.*not known"))
    expect(page.get_by_role("main")).to_contain_text("Not known as a tag and ignored: <b>zz</b>")
    expect(heading(page)).to_have_text("Tagged dub and roots")
    assert names(page) == answered(site, tags={"dub": 1, "roots": 1})
    pick(page, "Artist 6")
    expect(heading(page)).to_have_text("Like Artist 6, tagged dub and roots")


def test_tags_of_which_none_is_known_stay_and_are_said_to_be_so(site: str, page: Page) -> None:
    page.goto(f"{site}/?tag=zzqq")
    expect(heading(page)).to_have_text("Tagged zzqq")
    expect(page.get_by_role("main")).to_contain_text("Not known as a tag and ignored: zzqq")
    expect(page.locator(".chip.doubtful")).to_have_count(1)
    page.goto(f"{site}/?avoid=a007")
    expect(heading(page)).to_have_text("Similar to which artist?")
    expect(chips(page)).to_have_count(1)
