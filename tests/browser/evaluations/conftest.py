"""A service with stored evaluations, and parts of their page."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Locator, Page
from sqlalchemy import update

from riyl.app.evaluations.store import store
from riyl.app.jobs.client import Jobs
from riyl.app.jobs.types import EvaluateParams, JobKind, JobState
from riyl.core.db.session import Database
from riyl.core.db.tables import evaluations
from riyl.core.settings import Settings
from riyl.core.storage.ground_truth import Truth, find_truth
from tests.app.conftest import flip_a_byte
from tests.browser.conftest import OpenPage, named_home, serving
from tests.conftest import made_up_run

ARTISTS = [f"a{i:03d}" for i in range(14)]
LOW, HIGH = dict.fromkeys(ARTISTS, 0.25), dict.fromkeys(ARTISTS, 0.75)
MIXED = {artist: 0.25 if i % 2 else 0.75 for i, artist in enumerate(ARTISTS)}
WORST = {artist: i / 16 for i, artist in enumerate(ARTISTS)}
FIRST_TEN = {"condition": "raw", "depth": 10, "ndcg": 0.375, "gini": 0.25, "never_retrieved": 0.125}
FIRST = datetime(2026, 3, 1, 2, 10, tzinfo=UTC)


@dataclass(frozen=True)
class Evaluated:
    """A service with stored evaluations, a day between each, and a failed job.

    The evaluations are e1 to e3, `other` on another ground truth, `bare` without its files, and `damaged`.
    """

    address: str
    truth: Truth
    failed: str

    @property
    def page(self) -> str:
        return f"{self.address}/evaluations"


@pytest.fixture(scope="session")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Evaluated]:
    root = tmp_path_factory.mktemp("evaluated")
    home = named_home(root)
    settings = Settings(home=home.root)
    database, truth = Database.of(settings), find_truth(home.truths, None)
    e1 = made_up_run({("raw", "mine"): LOW, ("fmc", "mine"): HIGH, ("own", "mine"): LOW}, truth=truth.id)
    e2 = made_up_run({("raw", "mine"): HIGH, ("fmc", "mine"): LOW, ("own", "mine"): MIXED}, truth=truth.id)
    e3 = made_up_run(
        {("raw", "mine"): WORST, ("raw", "pca"): MIXED, ("fmc", "mine"): HIGH},
        truth=truth.id,
        version="5f2a9c0e41d7b386",
        retrieved={"a000": ["a003", "a010", "gone"]},
        expected={"a000": ["a010", "a012"]},
        n_relevant=5,
    )
    e3["figures"] |= {
        "catalog": {"artists": 1200, "modalities": {"audio": 1100, "tags": 900}},
        "differences": [
            {"condition": "raw", "system": "pca", "reference": "mine", "ndcg": 0.0938, "low": -0.0125, "high": 0.2}
        ],
        "depths": [
            {**FIRST_TEN, "system": "mine", "ndcg": 0.5, "ndcg_low": 0.375, "ndcg_high": 0.625},
            {**FIRST_TEN, "system": "mine", "depth": 50, "ndcg": 0.4375, "gini": None},
            {**FIRST_TEN, "system": "pca", "difference": -0.125, "difference_low": -0.25, "difference_high": 0.0625},
        ],
        "groups": [
            {
                "system": "mine",
                "subsets": [["audio"]],
                "shares": [[1.0]],
                "entropy": {"mean": 1.5625, "deviation": 0.03},
                "ndcg": {"mean": 0.2, "deviation": 0.01},
                "ndcg_own": {"mean": None, "deviation": None},
            }
        ],
    }
    other = made_up_run({("raw", "<i>mine</i>"): LOW}, truth="ff" * 8)
    runs = {"e1": e1, "e2": e2, "bare": e1, "damaged": e1, "other": other, "e3": e3}
    for day, (identity, run) in enumerate(runs.items()):
        store(home, database, identity, {"k": 10}, by="schedule", **run)
        with database.write() as connection:
            at = FIRST + timedelta(days=day)
            connection.execute(update(evaluations).where(evaluations.c.id == identity).values(at=at))
    (home.evaluations / "bare").rename(root / "bare")
    flip_a_byte(home.evaluations / "damaged" / "queries.parquet")
    jobs = Jobs(settings, database)
    job, _ = jobs.submit(JobKind.EVALUATE, EvaluateParams(truth="nowhere"), by="ann")
    with serving(home.root, root / "serve.log") as address:
        while jobs.get(job.id).state is not JobState.FAILED:  # by the service's own worker
            time.sleep(0.05)
        yield Evaluated(address, truth, job.id)
    jobs.close()
    database.close()


@pytest.fixture
def page(open_page: OpenPage) -> Page:
    """Return a page whose clock is UTC's."""
    opened: Page = open_page(timezone_id="UTC")
    return opened


def runs(page: Page) -> Locator:
    return page.get_by_role("list", name="Stored evaluations").get_by_role("listitem")


def cells(page: Page, table: str, row: int) -> list[str]:
    locator = page.get_by_role("region", name=table).get_by_role("row").nth(row).get_by_role("cell")
    return [cell.inner_text().replace("\n", " ") for cell in locator.all()]
