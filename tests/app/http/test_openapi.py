"""The OpenAPI document describes all requests and responses of the service, under unique names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from riyl.core.settings import Home, Settings
from tests.app.conftest import asked

Operation = dict[str, Any]


@pytest.fixture
def document(home: Home) -> dict[str, Any]:
    body: dict[str, Any] = asked(home, "/openapi.json")[0].json()
    return body


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, Operation]]:
    """Yield path, method and description of every operation."""
    for path, by_method in document["paths"].items():
        for method, operation in by_method.items():
            yield path, method, operation


def references(value: Any) -> Iterator[str]:
    """Yield all references in a document."""
    if isinstance(value, dict):
        yield from [value["$ref"]] if "$ref" in value else []
        for each in value.values():
            yield from references(each)
    elif isinstance(value, list):
        for each in value:
            yield from references(each)


def test_no_two_schemas_and_no_two_operations_have_one_name(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    titles = Counter(schema["title"] for schema in schemas.values())
    assert [title for title, n in titles.items() if n > 1] == []
    assert {name: schema["title"] for name, schema in schemas.items()} == {name: name for name in schemas}
    ids = Counter(operation["operationId"] for _, _, operation in operations(document))
    assert [id for id, n in ids.items() if n > 1] == []


def test_whatever_is_referred_to_is_there(document: dict[str, Any]) -> None:
    schema_references = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert set(references(document)) - schema_references == set()


def test_every_body_and_answer_has_a_schema_and_every_error_is_a_problem(document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        contents = list(operation.get("requestBody", {}).get("content", {}).values())
        for status, response in operation["responses"].items():
            assert response["description"], (path, method, status)
            if status >= "4":
                schema = {"$ref": "#/components/schemas/Problem"}
                assert response["content"] == {"application/problem+json": {"schema": schema}}, (path, method, status)
            contents += response.get("content", {}).values()
        assert all("schema" in content for content in contents), (path, method)


def test_every_operation_names_what_any_request_may_be_refused_for(document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        if path.startswith("/v1/"):
            assert {"414", "422", "500", "503"} <= operation["responses"].keys(), (path, method)
            body = "requestBody" in operation
            assert ({"408", "413", "415"} <= operation["responses"].keys()) == body, (path, method)
            if body:
                accepted = sorted(operation["requestBody"]["content"])
                assert all(kind in operation["responses"]["415"]["description"] for kind in accepted)


def test_what_depends_on_a_database_names_what_its_storage_may_meet(document: dict[str, Any], home: Home) -> None:
    storing = {
        (path, method)
        for path, method, operation in operations(document)
        if "507" in operation["responses"] and "damaged" in operation["responses"]["503"]["description"]
    }
    queries = {
        *(("/v1/similar", "post"), ("/v1/similar:batch", "post"), ("/v1/index", "get")),
        *(("/v1/artists", "get"), ("/v1/artists:resolve", "get")),
        *(("/v1/artists/{id}", "get"), ("/v1/artists/{id}/similar", "get")),
        *(("/v1/truths", "get"), ("/v1/truths/{id}", "get")),
        *(("/v1/embeddings", "get"), ("/v1/embeddings/{id}", "get"), ("/v1/export/neighbours", "get")),
    }
    everything = {(path, method) for path, method, _ in operations(document) if path.startswith("/v1/")}
    assert queries < everything
    assert storing == everything - queries
    closed = asked(home, "/openapi.json", settings=Settings(home=home.root, require_key=True))[0].json()
    for path, method, operation in operations(closed):
        assert ("507" in operation["responses"]) == path.startswith("/v1/"), (path, method)


def test_a_batch_is_described_as_an_object_and_as_lines(document: dict[str, Any]) -> None:
    operation = document["paths"]["/v1/artists:batch"]["post"]
    kinds = {"application/json", "application/x-ndjson"}
    assert operation["requestBody"]["content"].keys() == operation["responses"]["200"]["content"].keys() == kinds
    items = document["components"]["schemas"]["ChangeBatch"]["properties"]["items"]["items"]
    assert set(items["discriminator"]["mapping"]) == {"put", "patch", "delete", "merge"}


def test_limits_are_described_where_they_are_set(home: Home) -> None:
    settings = Settings(home=home.root, require_key=True, rate_limit="10/minute")
    limited = asked(home, "/openapi.json", settings=settings)[0].json()
    for path, _, operation in operations(limited):
        if path.startswith("/v1/"):
            assert {"401", "429"} <= operation["responses"].keys()
            assert operation["security"] == [{"key": []}]
