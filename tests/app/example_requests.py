"""Requests to every operation, in an order in which all of them are possible."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from riyl.app.http.media_types import JSON, MERGE_PATCH, NDJSON

Answers = Mapping[str, Any]
"""What was answered, by operation."""

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
        files: of a form, by part: file name and content.
        lines: as many of the answer are shown, from the first that begins with `first`; 0 is all.
    """

    operation: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None
    content_type: str | None = None
    files: Mapping[str, tuple[str, str | bytes]] = field(default_factory=dict)
    lines: int = 0
    first: str = ""


def steps(world: World) -> list[Step]:
    """Return a request to every operation."""
    return [
        *_readings(world),
        *_questions(world),
        *_changes(world),
        *_rules(world),
        *_jobs(),
        *_truths(world),
        *_embeddings(world),
        *_aliases(world),
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
        Step("export_neighbours", {"k": 1}, lines=2),
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
        Step("patch_artist", {"id": "a9001"}, {"tags": {"drone": 4}}, MERGE_PATCH),
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


def _embeddings(world: World) -> list[Step]:
    matrix = io.BytesIO()
    np.save(matrix, np.array([[1, 0], [0.6, 0.8]], np.float32))
    files = {"file": ("gnn.npy", matrix.getvalue()), "ids": ("gnn.txt", f"{world.artist}\n{world.near}\n")}
    return [
        Step("bring_embeddings", {"name": "gnn"}, files=files),
        Step("list_embeddings"),
        Step("get_embeddings", {"id": "{bring_embeddings.id}"}),
    ]


def _aliases(world: World) -> list[Step]:
    table = f"external_id,artist_id\n7Kvq2,{world.artist}\n8Lwr3,nobody\n"
    return [
        Step("import_aliases", {"kind": "navidrome"}, files={"file": ("navidrome.csv", table)}),
        Step("list_aliases"),
    ]


def _evaluations(world: World) -> list[Step]:
    run, (system, other) = world.evaluation, world.systems
    both = {"a": run, "b": run, "system_a": system, "system_b": other}
    request = {"truth": "editorial", "systems": ["pca"], "conditions": ["raw"], "k": 100}
    return [
        Step("ask_for_evaluation", body=request, content_type=JSON),
        Step("get_evaluations", {"limit": 1}),
        Step("compare_evaluations", both),
        Step("get_evaluation", {"id": run}),
        Step("get_report", {"id": run}, lines=1),
        Step("get_queries", {"id": run, "sort": "worst", "limit": 1}),
    ]


def filled(step: Step, answers: Answers) -> Step:
    """Return a request with what earlier answers had in the places that stand for it."""
    return replace(step, parameters=_filled(step.parameters, answers), body=_filled(step.body, answers))


def _filled(value: Any, answers: Answers) -> Any:
    if isinstance(value, dict):
        return {name: _filled(each, answers) for name, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, answers) for each in value]
    if isinstance(value, str) and (match := OF_AN_ANSWER.fullmatch(value)):
        filled = answers[match[1]]
        for name in match[2].split(".")[1:]:
            filled = filled[name]
        return filled
    return value
