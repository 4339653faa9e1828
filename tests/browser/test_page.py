"""The page, used in a real browser against the real service."""

from __future__ import annotations

import httpx
import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.answers import ask
from tests.browser.conftest import HTML_NAME, OpenPage, contrast, luminance
from tests.browser.locators import field, heading, similar, suggestions

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_click_back_forward_and_reload_show_what_the_address_says(site: str, page: Page) -> None:
    page.goto(f"{site}/?artist=a007")
    expect(heading(page)).to_have_text("Artist 7")
    row = similar(page).nth(9)
    name = row.get_by_role("link").inner_text()
    row.scroll_into_view_if_needed()
    page.evaluate("scrollTo(0, 300)")
    row.get_by_role("link").click()
    expect(heading(page)).to_have_text(name)
    expect(page).not_to_have_url(f"{site}/?artist=a007")
    assert page.evaluate("scrollY") == 0
    page.go_back()
    expect(heading(page)).to_have_text("Artist 7")
    expect(page).to_have_url(f"{site}/?artist=a007")
    page.wait_for_function("scrollY === 300")
    page.go_forward()
    expect(heading(page)).to_have_text(name)
    page.reload()
    expect(heading(page)).to_have_text(name)
    expect(similar(page)).to_have_count(20)


def test_a_shared_link_opens_the_same_view_and_more_is_part_of_it(site: str, page: Page, open_page: OpenPage) -> None:
    page.goto(f"{site}/?artist=a007&k=5")
    expect(similar(page)).to_have_count(5)
    page.get_by_role("button", name="Show more").click()
    expect(similar(page)).to_have_count(20)
    expect(page).to_have_url(f"{site}/?artist=a007&k=20")
    expect(similar(page).nth(5).get_by_role("link")).to_be_focused()
    other = open_page()
    other.goto(f"{page.url}")
    expect(similar(other)).to_have_count(20)
    assert similar(other).all_inner_texts() == similar(page).all_inner_texts()


@pytest.mark.parametrize(("k", "shown"), [("0", 1), ("-3", 20), ("many", 20), ("", 20), ("99999", 58)])
def test_a_k_out_of_range_in_a_link_is_put_right(site: str, page: Page, k: str, shown: int) -> None:
    page.goto(f"{site}/?artist=a007&k={k}")
    expect(similar(page)).to_have_count(shown)


def test_a_link_to_an_artist_that_is_gone_says_so(site: str, page: Page) -> None:
    page.goto(f"{site}/?artist=nobody%2F%3Cb%3E")
    expect(heading(page)).to_have_text("No artist nobody/<b>")


def test_an_artist_of_whom_nothing_is_known_is_shown_as_such(site: str, page: Page) -> None:
    page.goto(f"{site}/?artist=a059")
    expect(heading(page)).to_have_text("Artist 59")
    expect(page.get_by_role("main")).to_contain_text("There is no data yet")
    expect(page.get_by_role("main")).to_contain_text("country IS")


def test_html_in_a_name_is_text(site: str, page: Page) -> None:
    page.goto(site)
    field(page).fill("bold")
    field(page).fill(HTML_NAME[:6])
    expect(suggestions(page).first).to_contain_text(HTML_NAME)
    page.goto(f"{site}/?artist=a003")
    expect(heading(page)).to_have_text(HTML_NAME)
    page.goto(f"{site}/?q={HTML_NAME.replace('Bold', 'Bald')}!!!!!!!")
    expect(heading(page)).to_contain_text("<b>Bald</b> <img src=x")
    expect(page.locator("main img, main b")).to_have_count(0)


def test_a_service_without_a_version_says_what_to_do_and_can_be_asked_again(bare_site: str, page: Page) -> None:
    page.goto(bare_site)
    expect(heading(page)).to_have_text("The service is not ready")
    expect(page.get_by_role("main")).to_contain_text("riyl index build --promote")
    with page.expect_response("**/v1/index"):
        page.get_by_role("button", name="Try again").click()


def test_a_service_that_cannot_be_reached_is_said_so(site: str, page: Page) -> None:
    page.goto(f"{site}/?artist=a007")
    expect(similar(page)).to_have_count(20)
    page.route("**/v1/**", lambda route: route.abort("connectionrefused"))
    field(page).fill("artist")
    expect(page.locator("#popup")).to_have_text("The service cannot be reached.")
    page.keyboard.press("Escape")
    similar(page).first.get_by_role("link").click()
    expect(heading(page)).to_have_text("The service cannot be reached")
    page.unroute_all()
    page.get_by_role("button", name="Try again").click()
    expect(similar(page)).to_have_count(20)


def test_while_an_answer_is_under_way_its_place_is_kept(site: str, page: Page) -> None:
    held: list[Route] = []
    page.route("**/v1/artists/a007**", lambda route: held.append(route))
    page.goto(f"{site}/?artist=a007&k=10")
    expect(page.get_by_role("main")).to_have_attribute("aria-busy", "true")
    expect(page.locator("ol.ghost > li")).to_have_count(10)
    for route in held:
        route.continue_()
    expect(similar(page)).to_have_count(10)
    expect(page.get_by_role("main")).not_to_have_attribute("aria-busy", "true")
    assert page.evaluate("shifts") < 0.02


@pytest.mark.parametrize("path", ["/", "/?artist=a007", "/?artist=a059", "/?q=artichoke", "/?artist=a003"])
def test_a_phone_of_360_pixels_shows_all_of_it(site: str, open_page: OpenPage, path: str) -> None:
    page = open_page(viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    page.goto(f"{site}{path}")
    expect(page.locator("footer")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    for link in page.locator("main").get_by_role("link").all():
        box = link.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 360
    field(page).fill("artist")
    expect(suggestions(page).first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


TEXTS = (
    *("h1", "h2", "h2 .what", ".rank", ".score", ".artists a", ".badge.tags", ".badge.cf", ".badge.audio"),
    *("#version", "footer a", ".brand a", ".brand strong", "button"),
)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_its_ground_in_both_schemes(site: str, open_page: OpenPage, scheme: str) -> None:
    page = open_page(color_scheme=scheme)
    page.goto(f"{site}/?artist=a007")
    expect(similar(page)).to_have_count(20)
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (luminance(ground) < 0.1) == (scheme == "dark")
    for selector in TEXTS:
        assert contrast(page, selector) >= 4.5, selector


def test_what_has_the_focus_is_seen(site: str, page: Page) -> None:
    page.goto(f"{site}/?artist=a007&k=2")
    expect(similar(page)).to_have_count(2)
    seen = []
    for _ in range(15):
        page.keyboard.press("Tab")
        seen.append(
            page.evaluate(
                """() => {
                  const at = document.activeElement;
                  const outlines = [null, "::after"].map((part) => getComputedStyle(at, part).outlineStyle);
                  return [at.ariaLabel || at.textContent.trim() || at.id, outlines.includes("solid")];
                }"""
            )
        )
    first, second = [item["name"] for item in ask(site, "/v1/artists/a007/similar", k=2)["similar"]]
    assert [name for name, _ in seen] == [
        "Skip to the results", "RIYL recommended if you like", "q", "Remove Artist 7", "Refine",
        first, f"More like {first}", f"Less like {first}", f"Why {first}",
        second, f"More like {second}", f"Less like {second}", f"Why {second}",
        "Show more", "Evaluations",
    ]  # fmt: skip
    assert all(outlined for _, outlined in seen)


def test_the_policy_lets_in_nothing_inline_and_nothing_from_elsewhere(site: str) -> None:
    policy = httpx.get(site).headers["content-security-policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";") if rule.strip())
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == rules["style-src"] == rules["connect-src"] == "'self'"
    assert rules["img-src"] == "'self' data:"
