"""Parts of the page, and what is done with them again and again."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect


def field(page: Page) -> Locator:
    return page.get_by_role("combobox", name="Artist")


def heading(page: Page) -> Locator:
    return page.get_by_role("heading", level=1)


def suggestions(page: Page) -> Locator:
    return page.get_by_role("option")


def similar(page: Page) -> Locator:
    return page.get_by_role("list", name="Similar artists", exact=True).get_by_role("listitem")


def chips(page: Page) -> Locator:
    return page.get_by_role("list", name="Query").locator(".chip")


def rows(page: Page) -> Locator:
    return page.locator(".found > li")


def names(page: Page) -> list[str]:
    return page.locator(".found .who > a").all_inner_texts()


def enter(page: Page, text: str) -> None:
    field(page).fill(text)
    page.keyboard.press("Enter")


def pick(page: Page, name: str) -> None:
    field(page).fill(name)
    expect(page.get_by_role("option").first).to_contain_text(name)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")


def fine_tune(page: Page) -> None:
    page.locator("#refine summary").click()
    expect(page.get_by_role("checkbox")).to_have_count(3)
