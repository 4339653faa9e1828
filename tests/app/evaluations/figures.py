from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from riyl.app.evaluations.question import Question
from riyl.app.evaluations.run import run_evaluation
from riyl.core.settings import Home

BASELINES = ["pca", "pca-raw", "random-projection", "random-projection-raw", "single-audio", "single-cf", "single-tags"]
FLOORS = ["noise", "popularity"]
MASKED = [f"mine {subset}" for subset in ("audio", "cf", "tags", "audio+cf", "audio+tags", "cf+tags")]


def figures(home: Home, **fields: Any) -> dict[str, Any]:
    return run_evaluation(home, Question(**{"k": 10, "rounds": 50, **fields})).figures


def systems(evaluation: dict[str, Any]) -> Sequence[str]:
    return [row["system"] for row in evaluation["results"] if row["condition"] == "raw"]
