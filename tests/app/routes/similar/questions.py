from __future__ import annotations

import json
from typing import Any

import httpx
import numpy as np
import pytest

from riyl.index.artifact.version import Version
from riyl.index.scoring.popularity import popularity_of
from tests.app.routes.test_artists import Asking

N = 150


def post(asking: Asking, **question: Any) -> httpx.Response:
    async def ask() -> httpx.Response:
        return await asking.client.post(
            "/v1/similar", content=json.dumps(question), headers={"content-type": "application/json"}
        )

    return asking.run(ask())


def found(asking: Asking, **question: Any) -> dict[str, Any]:
    response = post(asking, **question)
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


def row(artist: str) -> int:
    return int(artist[1:])


def brute(
    version: Version,
    weights: dict[int, float],
    avoid: dict[int, float] | None = None,
    *,
    popularity: float = 0.0,
    uncorrected: bool = False,
) -> np.ndarray:
    """Return (n,) scores of all artists by the formula of the docs."""
    e, h, c, p = version.embeddings.astype(float), version.scoring.h, version.scoring.c, version.patterns
    total = sum(weights.values())
    q = sum(w / total * e[r] for r, w in weights.items())
    for r, w in (avoid or {}).items():
        q = q - 0.5 * w / sum((avoid or {}).values()) * e[r]
    scores = e @ (q / np.linalg.norm(q)) + 0.1 * popularity * popularity_of(version.listeners)
    if not uncorrected:
        scores += sum(w / total * c[p[r]][p] for r, w in weights.items()) - h
    scores[~version.has_embedding] = -np.inf
    scores[[*weights, *(avoid or {})]] = -np.inf
    return np.asarray(scores)


def agrees(body: dict[str, Any], scores: np.ndarray, allowed: np.ndarray, k: int) -> None:
    """Check that the answer holds the k best allowed artists with their scores, best first."""
    best = np.sort(scores[allowed & np.isfinite(scores)])[::-1][:k]
    assert [s["score"] for s in body["similar"]] == pytest.approx(best.tolist(), abs=2e-6)
    for artist in body["similar"]:
        assert allowed[row(artist["id"])]
        assert artist["score"] == pytest.approx(scores[row(artist["id"])], abs=2e-6)
