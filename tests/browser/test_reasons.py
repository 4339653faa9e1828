"""The reasons that the page gives for its results."""

from __future__ import annotations

import re

import httpx
import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.answers import answer
from tests.browser.locators import rows

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_a_result_is_opened_for_its_reasons(site: str, page: Page) -> None:
    page.goto(f"{site}/?artist=a007")
    artist = httpx.get(f"{site}/v1/artists/a007/similar", params={"k": 1, "explain": True}).json()["similar"][0]
    button = rows(page).first.get_by_role("button", name=f"Why {artist['name']}")
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
    why = artist["why"]
    assert len(why["pairs"]) > 1
    wanted = [(words[pair["asked"], pair["found"]], pair["share"]) for pair in why["pairs"]]
    wanted += [("corrections", why["hubness"] + why["calibration"]), ("total", artist["score"])]
    for line, (text, share) in zip(shares.get_by_role("listitem").all(), wanted, strict=True):
        expect(line.locator(".part")).to_have_text(text)
        expect(line.locator(".figure")).to_have_text(re.sub(r"^-?0\.00$", "0.00", f"{share:.2f}").replace("-", "−"))
    panel = rows(page).first.locator(".why")
    assert panel.locator(".badge").all_inner_texts() == [term["term"] for term in why["common"].get("tags", [])]
    counts = [
        (m, why["evidence"].get(m, 0), word) for m, word in (("tags", "tag"), ("cf", "listener"), ("audio", "track"))
    ]
    evidence = ", ".join(f"{n} {word}{'s' if n != 1 else ''}" for _, n, word in counts if n)
    expect(panel.locator(".evidence")).to_have_text(f"based on {evidence}")
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


def test_reasons_tell_what_each_thing_asked_with_adds(site: str, page: Page) -> None:
    page.goto(f"{site}/?artist=a007&artist=a013&avoid=a006&tag=noise&popularity=-0.5")
    question = {"seeds": [{"id": "a007"}, {"id": "a013"}], "avoid": [{"id": "a006"}], "tags": {"noise": 1}}
    artist = answer(site, **question, popularity=-0.5, explain=True)["similar"][0]
    rows(page).first.get_by_role("button", name="Why").click()
    by = dict(zip(("Artist 7", "Artist 13", "the tags", "Artist 6"), artist["why"]["seeds"], strict=True))
    shares = ", ".join(f"{name} {seed['share']:.2f}".replace("-", "−") for name, seed in by.items())
    expect(rows(page).first.locator(".seeds")).to_have_text(f"by part of the query: {shares}")
    hubness, calibration, popularity = (artist["why"][name] for name in ("hubness", "calibration", "popularity"))
    assert abs(popularity) > 0.005
    corrections = rows(page).first.locator(".shares li").filter(has_text="corrections")
    folded = f"{hubness + calibration + popularity:.2f}".replace("-", "−")
    expect(corrections.locator(".figure")).to_have_text(folded)
    expect(corrections.locator("small")).to_contain_text(f"{popularity:+.2f} for its popularity".replace("-", "−"))


def test_one_who_is_pinned_is_marked(site: str, page: Page) -> None:
    page.goto(f"{site}/?artist=a030")
    expect(rows(page).first.get_by_role("link")).to_have_text("Artist 31")
    expect(rows(page).first.locator(".pinned")).to_have_text("pinned")
    expect(page.locator(".pinned")).to_have_count(1)
    page.goto(f"{site}/?artist=a030&artist=a033")
    expect(rows(page).first.locator(".pinned")).to_have_text("pinned")


def test_a_version_without_reasons_is_answered_without(site: str, page: Page) -> None:
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
