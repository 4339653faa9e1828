"""What the service answers to what a page asks."""

from __future__ import annotations

from typing import Any

import httpx


def ask(site: str, path: str, **query: Any) -> dict[str, Any]:
    answer: dict[str, Any] = httpx.get(f"{site}{path}", params=query).json()
    return answer


def answer(site: str, **question: Any) -> dict[str, Any]:
    response = httpx.post(f"{site}/v1/similar", json={"k": 20, **question})
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


def answered(site: str, **question: Any) -> list[str]:
    return [artist["name"] for artist in answer(site, **question)["similar"]]
