from __future__ import annotations

import json
import shlex
from html import unescape
from typing import Any

import pytest

from riyl.app.http.examples import load_examples, request_of
from riyl.app.routes.docs import render
from riyl.core.settings import Home, Settings
from tests.app.conftest import asked


def section(page: str, operation: str) -> str:
    """Part of the page about one operation."""
    return page.split(f'<h2 id="{operation}">')[1].split("<h2 ")[0]


def rows(text: str) -> dict[str, tuple[str, str, str]]:
    """Type, default and description of each field or parameter, by its name."""
    fields = {}
    for row in text.split("<tr><td><code>")[1:]:
        name, *cells = (unescape(cell.split("</td>")[0]) for cell in row.split("<td>"))
        fields[name.removesuffix("</code>")] = (cells[0], cells[1], cells[2])
    return fields


def examples_of(text: str) -> list[str]:
    """Preformatted texts: commands and responses."""
    return [unescape(part.split("</pre>")[0]) for part in text.split("<pre>")[1:]]


def test_the_reference_fetches_nothing_and_has_an_example_of_every_operation(home: Home) -> None:
    docs, style, document = asked(home, "/docs", "/docs/style.css", "/openapi.json")
    assert style.headers["content-type"].startswith("text/css")
    assert "<script" not in docs.text
    assert "style=" not in docs.text
    assert "//" not in docs.text.replace("http://localhost/", "")
    operations = [
        f"{method.upper()} {path}" for path, operations in document.json()["paths"].items() for method in operations
    ]
    assert sorted(operations) == [
        "DELETE /v1/artists/{id}",
        "DELETE /v1/rules/{number}",
        "GET /healthz",
        "GET /metrics",
        "GET /readyz",
        "GET /v1/aliases",
        "GET /v1/artists",
        "GET /v1/artists/{id}",
        "GET /v1/artists/{id}/similar",
        "GET /v1/artists:resolve",
        "GET /v1/changes",
        "GET /v1/embeddings",
        "GET /v1/embeddings/{id}",
        "GET /v1/evaluations",
        "GET /v1/evaluations/compare",
        "GET /v1/evaluations/{id}",
        "GET /v1/evaluations/{id}/artists",
        "GET /v1/evaluations/{id}/report",
        "GET /v1/export/neighbours",
        "GET /v1/index",
        "GET /v1/index/versions",
        "GET /v1/jobs",
        "GET /v1/jobs/{id}",
        "GET /v1/jobs/{id}/events",
        "GET /v1/rules",
        "GET /v1/truths",
        "GET /v1/truths/{id}",
        "PATCH /v1/artists/{id}",
        "POST /v1/aliases/{kind}",
        "POST /v1/artists/{id}:merge",
        "POST /v1/artists:batch",
        "POST /v1/embeddings",
        "POST /v1/evaluations",
        "POST /v1/index/versions/{id}:promote",
        "POST /v1/index:rollback",
        "POST /v1/jobs",
        "POST /v1/jobs/{id}/cancel",
        "POST /v1/rules",
        "POST /v1/similar",
        "POST /v1/similar:batch",
        "POST /v1/truths",
        "PUT /v1/artists/{id}",
    ]
    assert docs.text.count("<h3>Example</h3>") == len(operations)
    for operation in operations:
        assert f"<code>{operation}</code>" in docs.text
    for by_method in document.json()["paths"].values():
        for described in by_method.values():
            assert described["summary"]
            assert described["description"]
            assert all(parameter["description"] for parameter in described.get("parameters", []))


def test_every_example_is_shown_as_a_command_that_asks_it_and_with_its_answer(home: Home) -> None:
    docs, document = asked(home, "/docs", "/openapi.json")
    for example in load_examples():
        shown = examples_of(section(docs.text, example.operation))
        method, address, headers = request_of(document.json(), example)
        (command,) = [
            words
            for words in map(shlex.split, shown)
            if words[:2] == ["curl", f"http://localhost{address}"]
            and all(f"{name}: {value}" in words for name, value in headers.items())
        ]
        assert method == (command[command.index("-X") + 1] if "-X" in command else "GET")
        if isinstance(example.body, str):
            assert command[command.index("--data-binary") + 1] == example.body
        elif example.body is not None:
            assert json.loads(command[command.index("-d") + 1]) == example.body
        for part, file in example.files.items():
            assert f"{part}=@{file['name']}" in command
            assert file["content"] in shown
        if isinstance(example.answer, str):
            assert example.answer in shown
        elif example.answer is not None:
            assert example.answer in [json.loads(text) for text in shown if text.startswith("{\n")]


def test_a_change_is_shown_with_its_key(home: Home) -> None:
    (docs,) = asked(home, "/docs")
    assert (
        "curl 'http://localhost/v1/jobs' \\\n  -X POST \\\n"
        '  -H "Authorization: Bearer $RIYL_KEY" \\\n'
        "  -H 'Content-Type: application/json' \\\n"
        """  -d '{"kind": "reindex", "params": {"promote": false}}'"""
    ) in examples_of(docs.text)
    assert (
        "curl 'http://localhost/v1/truths?name=editorial' \\\n  -X POST \\\n"
        '  -H "Authorization: Bearer $RIYL_KEY" \\\n  -F file=@editorial.csv'
    ) in examples_of(docs.text)


@pytest.mark.parametrize(
    ("host", "shown"),
    [("similar.example:8443", "http://similar.example:8443/v1/index"), ("[::1]:80", "http://[::1]:80/v1/index")],
)
def test_examples_ask_the_address_that_the_page_was_asked_at(home: Home, host: str, shown: str) -> None:
    (docs,) = asked(home, "/docs", headers={"host": host}, settings=any_host(home))
    assert f"curl '{shown}'" in examples_of(section(docs.text, "get_index"))
    assert "127.0.0.1" not in docs.text


def any_host(home: Home) -> Settings:
    return Settings(home=home.root, allowed_hosts="*")


def test_a_host_that_is_none_is_not_shown(home: Home) -> None:
    (docs,) = asked(home, "/docs", headers={"host": "'; rm -rf ~ #<b>"}, settings=any_host(home))
    assert docs.status_code == 200
    assert "rm -rf" not in docs.text


def test_every_field_of_a_question_is_shown_with_type_bounds_and_default(home: Home) -> None:
    (docs,) = asked(home, "/docs")
    fields = rows(section(docs.text, "similar_to"))
    assert fields["min_score"] == ("number (-10 to 10) or null", "", "Minimum score.")
    kind, default, meaning = fields["exclude"]
    assert (kind, default) == ("list of string (1 to 1,000 characters) (at most 10,000 items)", "[]")
    assert meaning.startswith("Ids or mbids of artists to omit")
    assert fields["k"][:2] == ("integer (1 to 1,000)", "10")
    assert fields["seeds[].weight"][:2] == ("number (at most 1,000,000,000, more than 0)", "1.0")
    assert fields["filters.attributes.{key}.missing"][0] == "boolean or null"
    assert fields["filters.listeners.gte"][0] == "number or null"
    assert rows(section(docs.text, "similar_to_each"))["queries[].min_score"] == fields["min_score"]
    assert rows(section(docs.text, "similar_to_each"))["queries"][1] == "required"


def test_texts_are_escaped_and_what_stands_in_backticks_is_code() -> None:
    described = {"operationId": "get", "summary": "<b>", "description": "A `<i>` and ` & \n\nmore", "responses": {}}
    page = render(
        {"info": {"title": "<x>", "description": "&"}, "paths": {"/p": {"get": described}}}, [], "http://localhost"
    )
    assert "<h1>&lt;x&gt;: API</h1>" in page
    assert '<h2 id="get">&lt;b&gt;</h2>' in page
    assert "<p>A <code>&lt;i&gt;</code> and ` &amp; </p>\n<p>more</p>" in page


def properties(document: dict[str, Any], schema: dict[str, Any]) -> set[str]:
    """Return the last names of all properties below a schema, at any depth."""
    names, text, seen = set[str](), json.dumps(schema), set[str]()
    while True:
        missing = {name for name in document["components"]["schemas"] if f'/{name}"' in text} - seen
        if not missing:
            break
        seen |= missing
        text += json.dumps([document["components"]["schemas"][name] for name in missing])
    for name in seen:
        names |= document["components"]["schemas"][name].get("properties", {}).keys()
    return names | schema.get("properties", {}).keys()


def test_no_field_of_any_request_is_left_out(home: Home) -> None:
    docs, answer = asked(home, "/docs", "/openapi.json")
    document = answer.json()
    for by_method in document["paths"].values():
        for operation in by_method.values():
            for media, content in operation.get("requestBody", {}).get("content", {}).items():
                text = section(docs.text, operation["operationId"])
                assert f"<h3>Body, as {media}</h3>" in text
                shown = {name.rpartition(".")[2] for name in rows(text)}
                assert properties(document, content["schema"]) <= shown, operation["operationId"]
