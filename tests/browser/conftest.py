"""The real service over the small world, and a browser that notices whatever a page should not do."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pyarrow.parquet as pq
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect, sync_playwright

from riyl.core.catalog.tables import Tables
from riyl.core.db.rules import add_rule, copy_rules
from riyl.core.db.session import Database
from riyl.core.rules import RuleKind
from riyl.core.settings import Home, Settings
from riyl.index.build.build import build_version
from riyl.index.versions import lifecycle
from riyl.training.config import load_config
from riyl.training.features.build import build_snapshot, import_similar
from riyl.training.train import train
from tests.conftest import SMALL_RECIPE, small_world, write_tables

expect.set_options(timeout=15_000)

OpenPage = Callable[..., Page]

HTML_NAME = "<b>Bold</b> <img src=x onerror=alert(1)>"
"""Name of artist a003."""

SHARED_NAME = "The Doubles"
"""Name of the artists a010 and a020."""

QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

WATCH = """
window.violations = [];
addEventListener("securitypolicyviolation", (e) => violations.push(`${e.violatedDirective}: ${e.blockedURI}`));
window.shifts = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) shifts += entry.value;
}).observe({ type: "layout-shift", buffered: true });
"""


@contextmanager
def serving(home: Path, log: Path, **environment: str) -> Iterator[str]:
    """`riyl serve` over `home` on a free port; its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    riyl = Path(sys.executable).with_name("riyl")
    command = [str(riyl), "--home", str(home), "serve", "--port", str(port)]
    variables = {**os.environ, **environment}
    with log.open("wb") as out, subprocess.Popen(command, env=variables, stdout=out, stderr=out) as process:
        try:
            # retried with growing pauses, until it listens
            with httpx.Client(transport=httpx.HTTPTransport(retries=7)) as client:
                client.get(f"http://127.0.0.1:{port}/healthz").raise_for_status()
            yield f"http://127.0.0.1:{port}"
        except httpx.ConnectError as error:
            raise RuntimeError(f"riyl serve did not start: {log.read_text()}") from error
        finally:
            process.terminate()


def named_home(root: Path) -> Home:
    """Return a home with a promoted version of the small world and its truth, names harder than `Artist 7`, and a pin.

    Artist i has the country IS where i is odd, and was founded in 1960 + i; a031 is pinned to a030.
    """
    home = Home(root / "home")
    world = small_world(root / "tables")
    artists = pq.read_table(world / "artists.parquet").to_pydict()
    artists["name"][3] = HTML_NAME
    artists["name"][10] = artists["name"][20] = SHARED_NAME
    artists["country"] = ["IS" if i % 2 else None for i in range(len(artists["name"]))]
    artists["founded"] = [1960 + i for i in range(len(artists["name"]))]
    write_tables(world, artists=artists)
    tables = Tables.open(world)
    snapshot = build_snapshot(tables, SMALL_RECIPE, home.snapshots)
    import_similar(tables, home.truths)
    model = train(*load_config("pca"), snapshot, home.models)
    version = build_version(model, snapshot, home.versions)
    database = Database.of(Settings(home=home.root))
    lifecycle.promote(home.versions, database, version.id, by="test", why="test")
    add_rule(database, RuleKind.PIN, "a030", "a031", by="test", why="test")
    copy_rules(database, home.rules)
    return home


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a service over the small world."""
    root = tmp_path_factory.mktemp("site")
    with serving(named_home(root).root, root / "serve.log") as address:
        yield address


@pytest.fixture(scope="session")
def bare_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a service over a home that has no version."""
    root = tmp_path_factory.mktemp("bare")
    with serving(root / "home", root / "serve.log") as address:
        yield address


# of a module, not of the session: while Playwright runs, its event loop is in the way of other tests' asyncio.run
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("found no Chromium on the PATH (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=QUIET)
        yield started
        started.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Open a page in a context of its own; keywords go to the context.

    In the end it asserts of every page opened that there was no error but answers of the API that are refusals, no
    violation of the content security policy, and no request to another origin.
    """
    pages: list[Page] = []
    wrong: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        refusal = message.text.startswith("Failed to load resource") and "/v1/" in message.location["url"]
        if message.type in ("error", "warning") and not refusal:
            wrong.append(f"console: {message.text}")

    def see(request: Request) -> None:
        if not request.url.startswith(("http://127.0.0.1:", "data:")):
            wrong.append(f"request to elsewhere: {request.url}")

    def open_one(**options: Any) -> Page:
        page = browser.new_context(**options).new_page()
        page.set_default_timeout(10_000)
        page.add_init_script(WATCH)
        page.on("console", hear)
        page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
        page.on("request", see)
        page.on("dialog", lambda dialog: wrong.append(f"dialog: {dialog.message}"))
        pages.append(page)
        return page

    yield open_one
    for page in pages:
        wrong += page.evaluate("window.violations ?? []")
        page.context.close()
    assert wrong == []


@pytest.fixture
def page(open_page: OpenPage) -> Page:
    """Return a page with nothing in it yet."""
    opened: Page = open_page()
    return opened


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2) of `rgb(r, g, b)`."""
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(page: Page, selector: str) -> float:
    """Contrast (WCAG 2.2) of the first text of a selector with what is behind it."""
    colour, behind = page.locator(f"{selector} >> nth=0").evaluate(
        """(element) => {
          const clear = "rgba(0, 0, 0, 0)";
          let holder = element;
          while (getComputedStyle(holder).backgroundColor === clear) holder = holder.parentElement;
          return [getComputedStyle(element).color, getComputedStyle(holder).backgroundColor];
        }"""
    )
    dark, light = sorted((luminance(colour), luminance(behind)))
    return (light + 0.05) / (dark + 0.05)
