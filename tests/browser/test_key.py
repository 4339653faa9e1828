"""The pages of a service that lets in only those who have a key."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from riyl.app.evaluations.store import store
from riyl.core.db.keys import Role, create_key, revoke_key
from riyl.core.db.session import Database
from riyl.core.settings import Settings
from riyl.core.storage.ground_truth import find_truth
from tests.browser.conftest import named_home, serving
from tests.conftest import made_up_run

pytestmark = [pytest.mark.browser, pytest.mark.slow]

OpenPage = Callable[..., Page]

ARTISTS = {f"a{i:03d}": i / 16 for i in range(14)}


@dataclass(frozen=True)
class Closed:
    """A service that needs a key to be read, its database, and an evaluation in it."""

    address: str
    database: Database

    def key(self) -> tuple[str, str]:
        api_key, token = create_key(self.database, "reader", Role.READ)
        return api_key.id, token


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Closed]:
    root = tmp_path_factory.mktemp("closed")
    home = named_home(root)
    database = Database.of(Settings(home=home.root))
    run = made_up_run({("raw", "mine"): ARTISTS}, truth=find_truth(home.truths, None).id)
    store(home, database, "e1", {}, by="test", **run)
    with serving(home.root, root / "serve.log", RIYL_REQUIRE_KEY="true") as address:
        yield Closed(address, database)


def enter(page: Page, token: str) -> None:
    page.get_by_label("Key", exact=True).fill(token)
    page.get_by_role("button", name="Continue").click()


def heading(page: Page, text: str) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text(text)


def test_the_page_asks_for_a_key_and_answers_with_it_until_the_tab_is_closed(closed: Closed, page: Page) -> None:
    _, token = closed.key()
    page.goto(f"{closed.address}/?artist=a007")
    heading(page, "A key is needed")
    enter(page, token)
    heading(page, "Artist 7")
    assert token not in page.url
    page.reload()
    heading(page, "Artist 7")
    page.get_by_role("combobox", name="Artist").fill("artist 8")
    expect(page.get_by_role("option").first).to_contain_text("Artist 8")
    other = page.context.new_page()
    other.goto(closed.address)
    heading(other, "A key is needed")


def test_a_key_that_is_none_is_not_sent(closed: Closed, page: Page) -> None:
    page.goto(closed.address)
    enter(page, "letmein")
    assert page.evaluate("document.getElementById('key').validity.patternMismatch")
    assert page.evaluate("sessionStorage.length") == 0
    heading(page, "A key is needed")


def test_a_key_that_opens_nothing_is_said_so_and_another_asked_for(closed: Closed, page: Page) -> None:
    identity, revoked = closed.key()
    revoke_key(closed.database, identity)
    page.goto(f"{closed.address}/evaluations")
    enter(page, revoked)
    expect(page.get_by_text("the key is unknown or revoked")).to_be_visible()
    enter(page, f"  {closed.key()[1]} ")
    heading(page, "Evaluations")
    assert page.url == f"{closed.address}/evaluations"


def test_files_that_the_page_links_to_are_saved_with_the_key(closed: Closed, page: Page, tmp_path: Path) -> None:
    page.goto(f"{closed.address}/evaluations?id=e1")
    enter(page, closed.key()[1])
    for link, name, content in [
        ("Full report", "evaluations-e1-report.html", "<!doctype html>"),
        ("Figures as JSON", "evaluations-e1.json", '"e1"'),
    ]:
        with page.expect_download() as downloading:
            page.get_by_role("link", name=link).click()
        assert downloading.value.suggested_filename == name
        downloading.value.save_as(tmp_path / name)
        assert content in (tmp_path / name).read_text()
