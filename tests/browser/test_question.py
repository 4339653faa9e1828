"""The page asked with several artists, tags, sliders and conditions, and its reasons."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from playwright.sync_api import Locator, Page, Request, Route, expect

from tests.browser.conftest import SHARED_NAME, contrast

pytestmark = [pytest.mark.browser, pytest.mark.slow]

OpenPage = Callable[..., Page]

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


def field(page: Page) -> Locator:
    return page.get_by_role("combobox", name="Artist")


def heading(page: Page) -> Locator:
    return page.get_by_role("heading", level=1)


def chips(page: Page) -> Locator:
    return page.get_by_role("list", name="Asked with").locator(".chip")


def rows(page: Page) -> Locator:
    return page.locator(".found > li")


def names(page: Page) -> list[str]:
    return page.locator(".found .who > a").all_inner_texts()


def pick(page: Page, name: str) -> None:
    field(page).fill(name)
    expect(page.get_by_role("option").first).to_contain_text(name)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")


def answer(site: str, **asked: Any) -> dict[str, Any]:
    got = httpx.post(f"{site}/v1/similar", json={"k": 20, **asked})
    assert got.status_code == 200, got.text
    found: dict[str, Any] = got.json()
    return found


def answered(site: str, **asked: Any) -> list[str]:
    return [artist["name"] for artist in answer(site, **asked)["similar"]]


def refine(page: Page) -> None:
    page.locator("#refine summary").click()
    expect(page.get_by_role("checkbox")).to_have_count(3)


def test_artists_picked_one_after_another_are_chips_and_are_asked_together(site: str, open_page: OpenPage) -> None:
    page = open_page()
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
    page.get_by_role("link", name="Start anew").click()
    expect(page).to_have_url(f"{site}/")


def test_a_result_asks_for_more_like_it_or_for_less(site: str, open_page: OpenPage) -> None:
    page = open_page()
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


def test_words_behind_tag_are_tags_and_those_not_known_are_marked(site: str, open_page: OpenPage) -> None:
    page = open_page()
    page.goto(site)
    field(page).fill("tag:")
    expect(page.locator("#popup")).to_have_text("A tag comes behind the colon, as in tag:dub.")
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
    expect(page.get_by_role("main")).to_contain_text("Not known as a tag, and left out: <b>zz</b>")
    expect(heading(page)).to_have_text("Tagged dub and roots")
    assert names(page) == answered(site, tags={"dub": 1, "roots": 1})
    pick(page, "Artist 6")
    expect(heading(page)).to_have_text("Like Artist 6, tagged dub and roots")


def test_tags_of_which_none_is_known_stay_and_are_said_to_be_so(site: str, open_page: OpenPage) -> None:
    page = open_page()
    page.goto(f"{site}/?tag=zzqq")
    expect(heading(page)).to_have_text("Tagged zzqq")
    expect(page.get_by_role("main")).to_contain_text("Not known as a tag, and left out: zzqq")
    expect(page.locator(".chip.doubtful")).to_have_count(1)
    page.goto(f"{site}/?avoid=a007")
    expect(heading(page)).to_have_text("Like whom?")
    expect(chips(page)).to_have_count(1)


def test_a_name_that_is_none_can_be_asked_for_as_a_tag(site: str, open_page: OpenPage) -> None:
    page = open_page()
    page.goto(f"{site}/?artist=a006")
    field(page).fill("dub")
    page.keyboard.press("Enter")
    expect(heading(page)).to_have_text("No artist called dub")
    expect(chips(page)).to_have_count(1)
    page.get_by_role("link", name="Ask for artists with it").click()
    expect(page).to_have_url(f"{site}/?artist=a006&tag=dub")
    expect(heading(page)).to_have_text("Like Artist 6, tagged dub")


def test_a_name_of_several_is_settled_beside_what_is_asked_already(site: str, open_page: OpenPage) -> None:
    page = open_page()
    page.goto(f"{site}/?artist=a007&diversity=0.2")
    field(page).fill(SHARED_NAME)
    page.keyboard.press("Enter")
    expect(heading(page)).to_have_text(f"Several artists are called {SHARED_NAME}")
    page.locator("main").get_by_role("link").first.click()
    expect(page).to_have_url(re.compile(r"/\?artist=a007&artist=a0[12]0&diversity=0\.2$"))


def test_sliders_are_moved_by_keyboard_and_keep_the_focus(site: str, open_page: OpenPage) -> None:
    page = open_page()
    page.goto(f"{site}/?artist=a007&k=5")
    expect(rows(page)).to_have_count(5)
    refine(page)
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


def test_what_must_be_known_and_how_many_listeners(site: str, open_page: OpenPage) -> None:
    page = open_page()
    page.goto(f"{site}/?artist=a007")
    refine(page)
    expect(page.get_by_role("group", name="Known by").locator("label")).to_have_text(["tags", "listeners", "sound"])
    page.get_by_role("checkbox", name="tags").check()
    expect(page).to_have_url(f"{site}/?artist=a007&having=tags")
    most = page.get_by_label("at most")
    most.fill("x9")
    most.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("At most: found “x9”; wanted a whole number of listeners.")
    expect(most).to_have_attribute("aria-invalid", "true")
    expect(most).to_have_value("x9")
    page.get_by_label("at least").fill("6")
    most.fill("5")
    most.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("Found at least 6 and at most 5 listeners; nobody has both.")
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
    expect(page.locator("#refined")).to_have_text("known by tags · at least 5 listeners · at most 5 listeners")


def test_conditions_on_attributes_are_typed_and_are_chips(site: str, open_page: OpenPage) -> None:
    page = open_page()
    page.goto(f"{site}/?artist=a007")
    refine(page)
    expect(page.locator("#attributes-hint")).to_have_text("The catalog has country, founded.")
    typed = page.get_by_label("Attribute")
    typed.fill("country")
    typed.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("Found “country”; wanted a name, = or >= or <=")
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
    expect(page.get_by_role("alert")).to_contain_text("two conditions of one kind on country")
    typed.fill("founded>=2010")
    page.get_by_role("button", name="Add").click()
    expect(chips(page).locator(".name")).to_have_text(["Artist 7", "country=IS", "founded>=2010"])
    expect(page.get_by_role("main")).not_to_have_attribute("aria-busy", "true")
    # founded in 1960 + i, of odd i: 51, 53, 55, 57; of the last, 59, nothing is known
    assert sorted(names(page)) == ["Artist 51", "Artist 53", "Artist 55", "Artist 57"]
    expect(page.get_by_role("main")).to_contain_text("That is all: 4 artists.")
    typed.fill("founded<=2010")
    typed.press("Enter")
    expect(page.get_by_role("main")).to_contain_text("No artist fits all of this.")
    page.get_by_role("link", name="Ask without the conditions").click()
    expect(page).to_have_url(f"{site}/?artist=a007")


def test_what_the_service_refuses_is_said_in_its_words_and_nothing_is_lost(site: str, open_page: OpenPage) -> None:
    page = open_page()
    page.goto(f"{site}/?artist=a007&artist=a013&where=planet%3DMars&tag=dub")
    expect(heading(page)).to_have_text("That cannot be answered")
    expect(page.get_by_role("main")).to_contain_text("found 'planet'; wanted one of country, founded")
    expect(chips(page).locator(".name")).to_have_text(["Artist 7", "Artist 13", "dub", "planet=Mars"])
    page.get_by_role("button", name="Remove planet=Mars").click()
    expect(heading(page)).to_have_text("Like Artist 7 and Artist 13, tagged dub")
    page.goto(f"{site}/?artist=a007&where=planet")
    expect(heading(page)).to_have_text("That is no condition")
    expect(page.locator(".chip.doubtful")).to_have_text(re.compile("planet.*not understood"))
    page.goto(f"{site}/?artist=a007&artist=nobody")
    expect(heading(page)).to_have_text("One of them is not here")
    expect(page.get_by_role("main")).to_contain_text("there is no artist 'nobody'")
    expect(chips(page).locator(".name")).to_have_text(["Artist 7", "nobody"])
    page.goto(f"{site}/?artist=a059&diversity=0.5")
    expect(page.get_by_role("main")).to_contain_text("Nothing is known yet")


def test_a_whole_question_is_in_its_address(site: str, open_page: OpenPage) -> None:
    page = open_page()
    with page.expect_request("**/v1/similar") as asked:
        page.goto(f"{site}{FULL}")
    assert json.loads(asked.value.post_data or "") == FULL_BODY
    expect(heading(page)).to_have_text("Like Artist 7 and Artist 13, tagged noise, unlike Artist 22")
    expect(chips(page).locator(".name")).to_have_text(
        ["Artist 7", "Artist 13", "Artist 22", "noise", "zzqq", "founded>=1970"]
    )
    wanted = answer(site, **FULL_BODY)
    assert names(page) == [artist["name"] for artist in wanted["similar"]]
    refine(page)
    expect(page.get_by_role("slider", name="Variety")).to_have_value("0.3")
    expect(page.get_by_role("slider", name="Popularity")).to_have_value("-0.5")
    expect(page.get_by_role("checkbox", name="sound")).to_be_checked()
    expect(page.get_by_label("at least")).to_have_value("1")
    expect(page.get_by_label("at most")).to_have_value("90")
    page.get_by_role("button", name="Show more").click()
    expect(page).to_have_url(f"{site}{FULL.replace('k=5', 'k=20')}")


def test_one_artist_and_nothing_else_is_asked_by_get(site: str, open_page: OpenPage) -> None:
    page = open_page()
    asked: list[Request] = []
    page.on("request", lambda request: asked.append(request) if "similar" in request.url else None)
    page.goto(f"{site}/?artist=a007&diversity=0&popularity=none&min_listeners=-3&tag=")
    expect(rows(page)).to_have_count(20)
    assert [(one.method, one.url) for one in asked] == [("GET", f"{site}/v1/artists/a007/similar?k=20&explain=true")]


def test_a_result_is_opened_for_its_reasons(site: str, open_page: OpenPage) -> None:
    page = open_page()
    page.goto(f"{site}/?artist=a007")
    found = httpx.get(f"{site}/v1/artists/a007/similar", params={"k": 1, "explain": True}).json()["similar"][0]
    button = rows(page).first.get_by_role("button", name=f"Why {found['name']}")
    expect(button).to_have_attribute("aria-expanded", "false")
    expect(rows(page).first.get_by_role("list")).to_have_count(0)
    button.press("Enter")
    expect(button).to_have_attribute("aria-expanded", "true")
    shares = rows(page).first.get_by_role("list", name="Shares of the score")
    words = {
        ("tags", "tags"): "same tags",
        ("cf", "cf"): "same listeners",
        ("audio", "audio"): "sounds alike",
        ("tags", "audio"): "its sound fits their tags",
        ("cf", "audio"): "its sound fits their listeners",
        ("tags", "cf"): "its listeners fit their tags",
        ("audio", "cf"): "its listeners fit their sound",
        ("cf", "tags"): "its tags fit their listeners",
        ("audio", "tags"): "its tags fit their sound",
    }
    why = found["why"]
    assert len(why["pairs"]) > 1
    wanted = [(words[pair["asked"], pair["found"]], pair["share"]) for pair in why["pairs"]]
    wanted += [("corrections", why["hubness"] + why["calibration"]), ("together", found["score"])]
    for line, (text, share) in zip(shares.get_by_role("listitem").all(), wanted, strict=True):
        expect(line.locator(".part")).to_have_text(text)
        expect(line.locator(".figure")).to_have_text(re.sub(r"^-?0\.00$", "0.00", f"{share:.2f}").replace("-", "−"))
    panel = rows(page).first.locator(".why")
    assert panel.locator(".badge").all_inner_texts() == [term["term"] for term in why["common"].get("tags", [])]
    counts = [
        (m, why["evidence"].get(m, 0), word) for m, word in (("tags", "tag"), ("cf", "listener"), ("audio", "track"))
    ]
    said = ", ".join(f"{n} {word}{'s' if n != 1 else ''}" for _, n, word in counts if n)
    expect(panel.locator(".evidence")).to_have_text(f"rests on {said}")
    # a bar begins where the axis has 0, and goes to its left for what is taken off; all are to one scale
    lengths = []
    for bar, (_, share) in zip(shares.locator(".share").all(), wanted, strict=False):
        zero, start, end = (
            float(bar.evaluate("(bar, name) => bar.style.getPropertyValue(name)", f"--{name}"))
            for name in ("zero", "from", "to")
        )
        assert zero == pytest.approx(start if share > 0 else end)
        lengths.append((share, end - start))
    scale = sum(length for _, length in lengths) / sum(abs(share) for share, _ in lengths)
    assert all(length == pytest.approx(scale * abs(share), abs=1e-6) for share, length in lengths)
    button.click()
    expect(shares).to_be_hidden()


def test_reasons_tell_what_each_thing_asked_with_adds(site: str, open_page: OpenPage) -> None:
    page = open_page()
    page.goto(f"{site}/?artist=a007&artist=a013&avoid=a006&tag=noise&popularity=-0.5")
    asked = {"seeds": [{"id": "a007"}, {"id": "a013"}], "avoid": [{"id": "a006"}], "tags": {"noise": 1}}
    found = answer(site, **asked, popularity=-0.5, explain=True)["similar"][0]
    rows(page).first.get_by_role("button", name="Why").click()
    by = dict(zip(("Artist 7", "Artist 13", "the tags", "Artist 6"), found["why"]["seeds"], strict=True))
    said = ", ".join(f"{name} {one['share']:.2f}".replace("-", "−") for name, one in by.items())
    expect(rows(page).first.locator(".seeds")).to_have_text(f"by what was asked with: {said}")
    hubness, calibration, popularity = (found["why"][name] for name in ("hubness", "calibration", "popularity"))
    assert abs(popularity) > 0.005
    corrections = rows(page).first.locator(".shares li").filter(has_text="corrections")
    folded = f"{hubness + calibration + popularity:.2f}".replace("-", "−")
    expect(corrections.locator(".figure")).to_have_text(folded)
    expect(corrections.locator("small")).to_contain_text(f"{popularity:+.2f} for its popularity".replace("-", "−"))


def test_one_who_is_pinned_is_marked(site: str, open_page: OpenPage) -> None:
    page = open_page()
    page.goto(f"{site}/?artist=a030")
    expect(rows(page).first.get_by_role("link")).to_have_text("Artist 31")
    expect(rows(page).first.locator(".pinned")).to_have_text("pinned")
    expect(page.locator(".pinned")).to_have_count(1)
    page.goto(f"{site}/?artist=a030&artist=a033")
    expect(rows(page).first.locator(".pinned")).to_have_text("pinned")


def test_a_version_without_reasons_is_answered_without(site: str, open_page: OpenPage) -> None:
    page = open_page()
    refusal = {
        "type": "urn:riyl:problem:version-of-an-older-format",
        "title": "version of an older format",
        "status": 409,
        "detail": "the version holds no parts",
        "request_id": "x",
    }

    def without(route: Route) -> None:
        if "explain=true" in route.request.url or '"explain":true' in (route.request.post_data or ""):
            route.fulfill(status=409, json=refusal)
        else:
            route.continue_()

    page.route("**/similar**", without)
    for path in ("/?artist=a007", "/?artist=a007&artist=a013"):
        page.goto(f"{site}{path}")
        expect(rows(page)).to_have_count(20)
        expect(page.get_by_role("button", name="More like")).to_have_count(20)
        expect(page.get_by_role("button", name="Why")).to_have_count(0)


def test_a_late_answer_to_an_older_question_never_shows(site: str, open_page: OpenPage) -> None:
    page = open_page()
    page.goto(f"{site}/?artist=a007&artist=a013")
    expect(rows(page)).to_have_count(20)
    held: list[Route] = []

    def hold_dub(route: Route) -> None:
        asked = json.loads(route.request.post_data or "{}")
        if asked["tags"] == {"dub": 1}:
            held.append(route)
        else:
            route.continue_()

    page.route("**/v1/similar", hold_dub)
    with page.expect_request("**/v1/similar"):
        field(page).fill("tag:dub")
        page.keyboard.press("Enter")
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


def test_a_question_that_did_not_get_through_can_be_asked_again(site: str, open_page: OpenPage) -> None:
    page = open_page()
    page.goto(f"{site}/?artist=a007")
    expect(rows(page)).to_have_count(20)
    page.route("**/v1/similar", lambda route: route.abort("connectionrefused"))
    field(page).fill("tag:dub")
    page.keyboard.press("Enter")
    expect(heading(page)).to_have_text("The service cannot be reached")
    expect(chips(page).locator(".name")).to_have_text(["Artist 7", "dub"])
    page.unroute_all()
    page.get_by_role("button", name="Try again").click()
    expect(heading(page)).to_have_text("Like Artist 7, tagged dub")


def test_what_is_typed_in_the_panel_outlasts_an_answer(site: str, open_page: OpenPage) -> None:
    page = open_page()
    page.goto(f"{site}/?artist=a007")
    refine(page)
    page.get_by_label("Attribute").fill("founded>=19")
    page.get_by_label("at most").fill("many")
    page.get_by_label("at most").press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("found “many”")
    page.get_by_role("button", name="More like").first.click()
    expect(chips(page)).to_have_count(2)
    expect(page.get_by_label("at most")).to_have_value("many")
    expect(page.get_by_label("Attribute")).to_have_value("founded>=19")


@pytest.mark.parametrize(
    ("typed", "wanted"),
    [
        ("country=GB", {"country": {"eq": "GB"}}),
        (" country = GB ", {"country": {"eq": "GB"}}),
        ("country=GB|IS", {"country": {"in": ["GB", "IS"]}}),
        ('name="a|b"|c', {"name": {"in": ["a|b", "c"]}}),
        ("year>=1990", {"year": {"gte": 1990}}),
        ("loud<=-1.5", {"loud": {"lte": -1.5}}),
        ('year="1990"', {"year": {"eq": "1990"}}),
        ("live=true", {"live": {"eq": True}}),
        ("born<=1990-01-31", {"born": {"lte": "1990-01-31"}}),
        ("a=1e999", {"a": {"eq": "1e999"}}),
        ("country", "wanted a name, = or >= or <="),
        ("=GB", "the name of an attribute is missing before ="),
        ("country=", "a value is missing"),
        ("country=GB|", "a value is missing"),
        ("year>1990", "wanted >= in place of >"),
        ("year==1990", "wanted = in place of =="),
        ("year>=1990|1991", "wanted one value behind >="),
        ('name=a"b', "quotes go around a whole value"),
    ],
)
def test_a_condition_is_read_strictly(site: str, open_page: OpenPage, typed: str, wanted: object) -> None:
    page = open_page()
    page.goto(site)
    found = page.evaluate(
        """async (typed) => {
          const { conditions, ConditionError } = await import("/web/conditions.js");
          try { return conditions([typed]); } catch (error) { return [error instanceof ConditionError, error.message]; }
        }""",
        typed,
    )
    if isinstance(wanted, str):
        assert found[0]
        assert wanted in found[1]
    else:
        assert found == wanted


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_of_it_fits_is_labelled_and_stands_out(site: str, open_page: OpenPage, width: int, scheme: str) -> None:
    page = open_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page.goto(f"{site}{FULL}&where={quote('a' * 120 + '=b')}".replace("&where=founded%3E%3D1970", ""))
    expect(heading(page)).to_have_text("That cannot be answered")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.goto(f"{site}{FULL}")
    refine(page)
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
