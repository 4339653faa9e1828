"""Examples of /docs: repeated requests give the recorded responses; each operation has an example that fits it."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from riyl.app.evaluations.store import store
from riyl.app.http.examples import Example, add_examples, find_operation, load_examples, request_of, save_examples
from riyl.app.http.media_types import JSON, JSON_KINDS
from riyl.core.settings import Home
from riyl.core.storage.model import Model
from riyl.core.storage.snapshot import Snapshot
from riyl.index.artifact.version import Version
from tests.app.conftest import asked, database
from tests.app.example_requests import World
from tests.app.examples import ask_all, comparable, demo_home
from tests.conftest import made_up_run

DOCUMENT: dict[str, Any] = {
    "paths": {
        "/v1/things/{id}": {
            "post": {
                "operationId": "change",
                "parameters": [
                    {"name": "id", "in": "path"},
                    {"name": "k", "in": "query"},
                    {"name": "left out", "in": "query"},
                    {"name": "Key", "in": "header"},
                ],
                "requestBody": {"content": {JSON: {}}},
                "responses": {"200": {"content": {JSON: {}}}},
            }
        }
    }
}
EXAMPLE = Example("change", {"id": "a/b c", "k": 2, "Key": "x"}, {"a": 1}, JSON, {}, 200, JSON, {"b": 2})


def small_world(home: Home, version: Version, other: Version, model: Model, snapshot: Snapshot) -> World:
    """Return the names that the requests use, and put the files that they need into the small world's home."""
    (home.root / "models").symlink_to(model.folder.parent)
    (home.root / "snapshots").symlink_to(snapshot.folder.parent)
    run = made_up_run({("raw", "mine"): {"a000": 0.5, "a001": 0.25}, ("raw", "pca"): {"a000": 0.25, "a001": 0.25}})
    store(home, database(home), "e1", {}, by="test", **run)
    return World(
        artist="a001",
        near="a004",
        far="a003",
        gone="a007",
        name="Radiohead",
        beginning="radio",
        tags={"ska": 3.0, "dub": 1.0},
        attribute={"year": {"gte": 1986}},
        version=other.id,
        evaluation="e1",
        systems=("mine", "pca"),
    )


def valid(document: dict[str, Any], schema: dict[str, Any], value: Any) -> bool:
    """Return whether a value matches a schema of the document, by an independent library."""
    return jsonschema_rs.validator_for({**schema, "components": document["components"]}).is_valid(value)


def test_a_request_is_made_of_an_example() -> None:
    address = "/v1/things/a%2Fb%20c?k=2"
    assert request_of(DOCUMENT, EXAMPLE) == ("POST", address, {"Key": "x", "Content-Type": JSON})
    with pytest.raises(KeyError, match="nothing"):
        find_operation(DOCUMENT, "nothing")


def test_the_first_example_of_an_operation_stands_in_the_document() -> None:
    add_examples(DOCUMENT, [EXAMPLE, replace(EXAMPLE, body={"a": 3}, answer={"b": 4})])
    operation = DOCUMENT["paths"]["/v1/things/{id}"]["post"]
    assert operation["requestBody"]["content"][JSON]["example"] == {"a": 1}
    assert operation["responses"]["200"]["content"][JSON]["example"] == {"b": 2}
    assert [parameter.get("example") for parameter in operation["parameters"]] == ["a/b c", 2, None, "x"]


def test_examples_are_read_as_they_were_recorded(tmp_path: Path) -> None:
    save_examples([EXAMPLE], tmp_path / "examples.json")
    assert load_examples(tmp_path / "examples.json") == [EXAMPLE]


def test_every_operation_has_an_example_that_its_description_allows(home: Home) -> None:
    document = asked(home, "/openapi.json")[0].json()
    examples = load_examples()
    operations = {o["operationId"] for by_method in document["paths"].values() for o in by_method.values()}
    assert {each.operation for each in examples} == operations
    for each in examples:
        _, _, operation = find_operation(document, each.operation)
        names = {parameter["name"] for parameter in operation.get("parameters", [])}
        assert each.parameters.keys() <= names, each.operation
        if each.content_type in JSON_KINDS:
            schema = operation["requestBody"]["content"][each.content_type]["schema"]
            assert valid(document, schema, each.body), each.operation
        if each.answer_type == JSON:
            schema = operation["responses"][str(each.status)]["content"][JSON]["schema"]
            assert valid(document, schema, each.answer), each.operation


def test_the_requests_are_possible_in_this_order(
    home: Home, version: Version, other_version: Version, named_model: Model, named_snapshot: Snapshot
) -> None:
    played = ask_all(home, small_world(home, version, other_version, named_model, named_snapshot))
    recorded = load_examples()
    assert [(each.operation, each.status, each.answer_type) for each in played] == [
        (each.operation, each.status, each.answer_type) for each in recorded
    ]


@pytest.mark.slow
def test_the_demo_answers_what_is_shown(tmp_path: Path) -> None:
    again = ask_all(*demo_home(tmp_path / "home"))
    for shown, actual in zip(load_examples(), again, strict=True):
        assert comparable(asdict(actual)) == comparable(asdict(shown), loosely=True)
