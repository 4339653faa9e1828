from __future__ import annotations

from typing import Any

from riyl.app.evaluations.store import store
from riyl.core.settings import Home
from tests.app.conftest import database
from tests.conftest import made_up_run

SCORES = {
    ("raw", "mine"): {"a000": 0.5, "a001": 0.0, "a002": 1.0, "a003": 0.0, "gone": 0.75},
    ("raw", "pca"): {"a000": 0.25, "a001": 0.75, "a002": 1.0, "a003": 0.25, "gone": 0.0},
    ("fmc", "mine"): {"a000": 0.5},
    ("fmc", "pca"): {"a000": 0.0},
}
"""First four artists of the small world, and one that the version lacks."""


def kept(home: Home, identity: str, scores: dict[tuple[str, str], dict[str, float]] = SCORES, **options: Any) -> None:
    """Store a made-up run."""
    opened = database(home)
    store(home, opened, identity, {"k": 10}, by="ann", **made_up_run(scores, **options))
    opened.close()
