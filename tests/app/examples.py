"""Requests to every operation, in an order in which all of them are possible: the examples that /docs shows.

`python -m tests.app.examples` makes a demo catalog, asks it, and writes what was asked and answered to
app/examples.json; tests/app/test_examples.py does so again and compares.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import pytest

from app.examples import JSON, NDJSON, Example, request_of, save_examples
from core.model import Model
from core.settings import Home, Settings
from index import versions
from tests.app.conftest import key_headers, running

Answers = Mapping[str, Any]
"""What was answered, by operation."""

DIFFERENT = re.compile(r"\b[0-9a-f]{32}\b|\b[0-9a-f]{16}\b|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)")
"""Ids of jobs, evaluations and contents, and times."""

OF_AN_ANSWER = re.compile(r"\{(\w+)((?:\.\w+)+)\}")


@dataclass(frozen=True)
class World:
    """What the requests name of a catalog.

    Attributes:
        artist, near, far, gone: ids of artists; `gone` is deleted on the way.
        name, beginning: of one artist, and how it begins.
        tags: words by weight that the model knows.
        attribute: a condition that some artists fulfil, by the name of the attribute.
        version: of the index, to promote.
        evaluation: id of a stored one.
        systems: two that it measured.
    """

    artist: str
    near: str
    far: str
    gone: str
    name: str
    beginning: str
    tags: Mapping[str, float]
    attribute: Mapping[str, Any]
    version: str
    evaluation: str
    systems: tuple[str, str]


@dataclass(frozen=True)
class Step:
    """A request; `{operation.field}` in it stands for what an earlier answer had there.

    Attributes:
        parameters: of path, query and header, by name.
        files: of a form, by part: file name and text.
        lines: as many of the answer are shown, from the first that begins with `first`; 0 is all.
    """

    operation: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None
    content_type: str | None = None
    files: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    lines: int = 0
    first: str = ""


def steps(world: World) -> list[Step]:
    """A request to every operation."""
    return [
        *_readings(world),
        *_questions(world),
        *_changes(world),
        *_rules(world),
        *_jobs(),
        *_truths(world),
        *_evaluations(world),
        Step("promote_version", {"id": world.version}, {"why": "better on the editorial truth", "force": True}, JSON),
        Step("rollback_version", body={"why": "too many complaints"}, content_type=JSON),
    ]


def _readings(world: World) -> list[Step]:
    return [
        Step("healthz"),
        Step("readyz"),
        Step("metrics", lines=3, first="# HELP riyl_artists"),
        Step("search_artists", {"q": world.beginning, "limit": 2}),
        Step("resolve_artist", {"name": world.name}),
        Step("get_artist", {"id": world.artist}),
        Step("similar_artists", {"id": world.artist, "k": 2}),
        Step("get_index"),
        Step("list_versions"),
    ]


def _questions(world: World) -> list[Step]:
    question = {
        "seeds": [{"id": world.artist}, {"id": world.near, "weight": 0.5}],
        "avoid": [{"id": world.far}],
        "tags": {**world.tags, "no such word": 1},
        "k": 2,
        "filters": {"attributes": world.attribute, "listeners": {"lte": 100_000}},
        "exclude": [world.gone],
        "min_score": 0.1,
        "diversity": 0.2,
        "popularity": -0.3,
        "explain": True,
    }
    two = {"queries": [{"seeds": [{"name": world.name}], "k": 1}, {"seeds": [{"id": "nobody"}]}]}
    return [
        Step("similar_to", body=question, content_type=JSON),
        Step("similar_to_each", body=two, content_type=JSON),
    ]


def _changes(world: World) -> list[Step]:
    put = {"name": "Hildur Guðnadóttir", "aliases": ["Lost in Hildurness"], "tags": {**world.tags, "film score": 12}}
    changes = [
        {"kind": "put", "id": "a9002", "name": "Kajsa Magnarsson", "tags": dict(world.tags)},
        {"kind": "delete", "id": "nobody"},
        {"kind": "merge", "id": "a9003", "into": "a9001"},
    ]
    undone = [{"kind": "patch", "id": "a9002", "tags": {"drone": 2}}, {"kind": "delete", "id": "a9002"}]
    lines = "".join(json.dumps(change) + "\n" for change in undone)
    return [
        Step("put_artist", {"id": "a9001"}, put, JSON),
        Step("patch_artist", {"id": "a9001"}, {"tags": {"drone": 4}}, JSON),
        Step("merge_artist", {"id": "a9000"}, {"into": "a9001"}, JSON),
        Step("delete_artist", {"id": world.gone}),
        Step("change_artists", {"Idempotency-Key": "catalog-2026-03-01"}, {"items": changes}, JSON),
        Step("change_artists", {"Idempotency-Key": "catalog-2026-03-02"}, lines, NDJSON),
        Step("get_changes", {"since": 2, "limit": 2}),
    ]


def _rules(world: World) -> list[Step]:
    pin = {"kind": "pin", "artist": world.artist, "other": world.far, "why": "their new record together"}
    return [
        Step("make_rule", body=pin, content_type=JSON),
        Step("get_rules", {"artist": world.artist}),
        Step("remove_rule", {"number": "{make_rule.number}"}),
    ]


def _jobs() -> list[Step]:
    return [
        Step("ask_for_job", body={"kind": "reindex", "params": {"promote": False}}, content_type=JSON),
        Step("list_jobs", {"kind": "reindex", "limit": 10}),
        Step("get_job", {"id": "{ask_for_job.id}"}),
        Step("cancel_job", {"id": "{ask_for_job.id}"}),
        Step("job_events", {"id": "{ask_for_job.id}"}),
    ]


def _truths(world: World) -> list[Step]:
    pairs = f"artist_id,similar_id\n{world.artist},{world.near}\n{world.artist},a9999\n"
    return [
        Step("bring_truth", {"name": "editorial"}, files={"file": ("editorial.csv", pairs)}),
        Step("list_truths"),
        Step("get_truth", {"id": "{bring_truth.id}"}),
    ]


def _evaluations(world: World) -> list[Step]:
    run, (system, other) = world.evaluation, world.systems
    both = {"a": run, "b": run, "system_a": system, "system_b": other}
    asked = {"truth": "editorial", "systems": ["pca"], "conditions": ["raw"], "k": 100}
    return [
        Step("ask_for_evaluation", body=asked, content_type=JSON),
        Step("get_evaluations", {"limit": 1}),
        Step("compare_evaluations", both),
        Step("get_evaluation", {"id": run}),
        Step("get_report", {"id": run}, lines=1),
        Step("get_queries", {"id": run, "sort": "worst", "limit": 1}),
    ]


def comparable(value: Any, *, loosely: bool = False) -> Any:
    """A request or an answer without ids by chance or by content, times, and the commit of a model.

    Args:
        loosely: let floats be equal to floats that are near.
    """
    if isinstance(value, dict):
        return {name: comparable(each, loosely=loosely) for name, each in value.items() if name != "commit"}
    if isinstance(value, list):
        return [comparable(each, loosely=loosely) for each in value]
    if isinstance(value, float) and loosely:
        return pytest.approx(value, rel=1e-3, abs=1e-4)
    return DIFFERENT.sub("...", value) if isinstance(value, str) else value


async def play(document: Mapping[str, Any], client: httpx.AsyncClient, given: Sequence[Step]) -> list[Example]:
    """Ask one request after another, and keep what came back.

    Raises:
        RuntimeError: a request was refused.
    """
    answers: dict[str, Any] = {}
    played = []
    for given_step in given:
        step = filled(given_step, answers)
        parameters, body = step.parameters, step.body
        files = {part: {"name": name, "content": content} for part, (name, content) in step.files.items()}
        example = Example(step.operation, parameters, body, step.content_type, files, 0, None, None)
        method, address, headers = request_of(document, example)
        content = body if isinstance(body, str) else None if body is None else json.dumps(body)
        answer = await client.request(method, address, headers=headers, content=content, files=dict(step.files) or None)
        if answer.status_code >= 300:
            raise RuntimeError(f"{method} {address}: found {answer.status_code} {answer.text}; wanted a success")
        kind = answer.headers.get("content-type", "").split(";")[0] or None
        told = answer.json() if kind == JSON else answer.text or None
        answers.setdefault(step.operation, told)
        shown = _excerpt(step, told) if isinstance(told, str) else told
        played.append(replace(example, status=answer.status_code, answer_type=kind, answer=shown))
    return played


def filled(step: Step, answers: Answers) -> Step:
    """A request with what earlier answers had in the places that stand for it."""
    return replace(step, parameters=_filled(step.parameters, answers), body=_filled(step.body, answers))


def _filled(value: Any, answers: Answers) -> Any:
    if isinstance(value, dict):
        return {name: _filled(each, answers) for name, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, answers) for each in value]
    if isinstance(value, str) and (found := OF_AN_ANSWER.fullmatch(value)):
        filled = answers[found[1]]
        for name in found[2].split(".")[1:]:
            filled = filled[name]
        return filled
    return value


def _excerpt(step: Step, text: str) -> str:
    if not step.lines:
        return text
    lines = text.splitlines()
    start = next(place for place, line in enumerate(lines) if line.startswith(step.first))
    return "\n".join([line[:200] for line in lines[start : start + step.lines]] + ["..."])


def demo_home(root: Path) -> tuple[Home, World]:
    """The demo's catalog, with another version and an evaluation, made by the command line."""

    def riyl(*arguments: str) -> None:
        subprocess.run([Path(sys.executable).with_name("riyl"), "--home", root, *arguments], check=True)

    riyl("demo", "--no-serve")
    riyl("evaluate", "--systems", "default,pca", "--conditions", "raw", "--rounds", "100")
    (pca,) = [path.name for path in Home(root).models.iterdir() if Model.open(path).name == "pca"]
    riyl("index", "build", "--model", pca)
    return Home(root), demo_world(Home(root))


def demo_world(home: Home) -> World:
    """What the requests name of the demo's catalog."""
    current = versions.current(home.versions)
    (other,) = {path.name for path in home.versions.iterdir() if path.is_dir()} - {current}
    runs = [path for path in home.evaluations.iterdir() if path.is_dir()]  # the demo's own is the older one
    run = max(runs, key=lambda path: path.stat().st_mtime_ns).name
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
        evaluation=run,
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
    with TemporaryDirectory() as folder:
        save_examples(ask_all(*demo_home(Path(folder) / "home")))
