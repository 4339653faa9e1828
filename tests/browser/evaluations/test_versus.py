"""The view that compares two evaluations."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.evaluations.conftest import Evaluated, cells
from tests.browser.locators import heading

pytestmark = [pytest.mark.browser, pytest.mark.slow]


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
    page.get_by_role("link", name="Swap A and B").click()
    expect(verdicts.first).to_have_text("A is worse")
    page.go_back()
    expect(verdicts.first).to_have_text("A is better")


def test_systems_of_one_run_are_compared_and_none_is_better(evaluated: Evaluated, page: Page) -> None:
    page.goto(f"{evaluated.page}?a=e3&b=e3")
    expect(page.locator(".verdict")).to_have_text(["No clear difference"] * 2)
    page.get_by_role("combobox", name="B", exact=True).select_option("pca")
    page.get_by_role("button", name="Compare").click()
    expect(page).to_have_url(f"{evaluated.page}?a=e3&b=e3&system_a=mine&system_b=pca")
    expect(page.locator(".verdict")).to_have_text(["No clear difference"])
    # 13/16 - 0.25 of a013; 0 - 0.75 of a000
    assert cells(page, "Where A is most above B", 1) == ["Artist 13", "0.813", "0.250", "+0.5625"]
    assert cells(page, "Where A is most below B", 1) == ["Artist 0", "0.000", "0.750", "−0.7500"]
