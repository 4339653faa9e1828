"""The requests of `tests.app.example_requests` and what a service answers: the examples that /docs shows.

`python -m tests.app.examples` makes a demo catalog, asks it, and writes what was asked and answered to
app/http/examples.json; tests/app/http/test_examples.py does so again and compares.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import pytest

from riyl.app.http.examples import Example, request_of, save_examples
from riyl.app.http.media_types import JSON
from riyl.core.db.evaluations import list_evaluations
from riyl.core.settings import Home, Settings
from riyl.core.storage.model import Model
from riyl.index.versions.lifecycle import current
from tests.app.conftest import database, key_headers, running
from tests.app.example_requests import Step, World, filled, steps

DIFFERENT = re.compile(r"\b[0-9a-f]{32}\b|\b[0-9a-f]{16}\b|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)")
"""Ids of jobs, evaluations and contents, and times."""


def comparable(value: Any, *, loosely: bool = False) -> Any:
    """Return a request or an answer without ids by chance or by content, times, and the commit of a model.

    Args:
        value: request or answer, as JSON has it.
        loosely: let floats be equal to floats that are near.
    """
    if isinstance(value, dict):
        return {name: comparable(each, loosely=loosely) for name, each in value.items() if name != "commit"}
    if isinstance(value, list):
        return [comparable(each, loosely=loosely) for each in value]
    if isinstance(value, float) and loosely:
        return pytest.approx(value, rel=1e-3, abs=1e-4)
    return DIFFERENT.sub("...", value) if isinstance(value, str) else value


async def play(document: Mapping[str, Any], client: httpx.AsyncClient, steps: Sequence[Step]) -> list[Example]:
    """Ask one request after another, and keep what came back.

    Raises:
        RuntimeError: a request was refused.
    """
    answers: dict[str, Any] = {}
    played = []
    for template in steps:
        step = filled(template, answers)
        parameters, body = step.parameters, step.body
        files = {part: _shown_file(name, content) for part, (name, content) in step.files.items()}
        example = Example(step.operation, parameters, body, step.content_type, files, 0, None, None)
        method, address, headers = request_of(document, example)
        content = body if isinstance(body, str) else None if body is None else json.dumps(body)
        answer = await client.request(method, address, headers=headers, content=content, files=dict(step.files) or None)
        if answer.status_code >= 300:
            raise RuntimeError(f"{method} {address}: found {answer.status_code} {answer.text}; wanted a success")
        kind = answer.headers.get("content-type", "").split(";")[0] or None
        answer_body = answer.json() if kind == JSON else answer.text or None
        answers.setdefault(step.operation, answer_body)
        shown = _excerpt(step, answer_body) if isinstance(answer_body, str) else answer_body
        played.append(replace(example, status=answer.status_code, answer_type=kind, answer=shown))
    return played


def _shown_file(name: str, content: str | bytes) -> dict[str, str]:
    if isinstance(content, str):
        return {"name": name, "content": content}
    return {"name": name, "content": base64.b64encode(content).decode(), "encoding": "base64"}


def _excerpt(step: Step, text: str) -> str:
    if not step.lines:
        return text
    lines = text.splitlines()
    start = next(place for place, line in enumerate(lines) if line.startswith(step.first))
    return "\n".join([line[:200] for line in lines[start : start + step.lines]] + ["..."])


def demo_home(root: Path) -> tuple[Home, World]:
    """Return the demo's catalog, with another version and an evaluation, made by the command line."""

    def riyl(*arguments: str) -> None:
        subprocess.run([Path(sys.executable).with_name("riyl"), "--home", root, *arguments], check=True)

    riyl("demo", "--no-serve")
    riyl("evaluate", "--systems", "default,pca", "--conditions", "raw", "--rounds", "100")
    (pca,) = [path.name for path in Home(root).models.iterdir() if Model.open(path).name == "pca"]
    riyl("index", "build", "--model", pca)
    return Home(root), demo_world(Home(root))


def demo_world(home: Home) -> World:
    """Return the ids and names of the demo's catalog that the requests use."""
    (other,) = {path.name for path in home.versions.iterdir() if path.is_dir()} - {current(home.versions)}
    newest, *_ = list_evaluations(database(home), truth=None, version=None, limit=1, before=None)
    return World(
        artist="a0000337",
        near="a0003177",
        far="a0000771",
        gone="a0002431",
        name="Nupramer Jorira",
        beginning="nupramer",
        tags={"glass metal": 3.0, "silver thrash": 1.0},
        attribute={"genre": {"in": ["metal", "rock"]}},
        version=other,
        evaluation=newest.id,
        systems=("default", "pca"),
    )


def ask_all(home: Home, world: World) -> list[Example]:
    """Every request and its answer, by a service of this home."""

    async def ask() -> list[Example]:
        async with running(home, Settings(home=home.root)) as (app, client):
            client.headers.update(key_headers(home))
            return await play(app.openapi(), client, steps(world))

    return asyncio.run(ask())


if __name__ == "__main__":
    save_examples([])  # those of before may not fit the operations as they are now
    with TemporaryDirectory() as folder:
        save_examples(ask_all(*demo_home(Path(folder) / "home")))
