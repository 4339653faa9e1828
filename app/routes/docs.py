"""The API's reference at /docs: one page without any script, made from the OpenAPI document."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from html import escape
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

router = APIRouter(include_in_schema=False)

OpenApi = Mapping[str, Any]
"""A part of an OpenAPI document."""

NULL = {"type": "null"}

STYLE = """\
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 56rem; padding: 1rem; }
h2 { border-top: 1px solid color-mix(in srgb, currentColor 25%, transparent); margin-top: 2.5rem; padding-top: 1rem; }
code, pre { font: 0.9rem/1.45 ui-monospace, monospace; }
pre { background: color-mix(in srgb, currentColor 7%, transparent); border-radius: 6px; overflow-x: auto;
  padding: .8rem; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid color-mix(in srgb, currentColor 15%, transparent); padding: .35rem .8rem .35rem 0;
  text-align: left; vertical-align: top; }
"""


@router.get("/docs")
async def docs(request: Request) -> HTMLResponse:
    """Every operation with its parameters, an example request, its answer, and its errors."""
    return HTMLResponse(render(request.app.openapi()), headers={"cache-control": "no-cache"})


@router.get("/docs/style.css")
async def style() -> Response:
    """The style of the reference."""
    return Response(STYLE, headers={"cache-control": "no-cache"}, media_type="text/css")


def render(document: OpenApi) -> str:
    """The OpenAPI document as a page."""
    operations = [
        (f"{method.upper()} {path}", operation)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]
    contents = "".join(
        f'<li><a href="#{_anchor(operation)}"><code>{escape(line)}</code></a> {escape(operation["summary"])}</li>'
        for line, operation in operations
    )
    body = "".join(_operation(document, line, operation) for line, operation in operations)
    title = escape(document["info"]["title"])
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}: API</title>'
        '<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">'
        '<link rel="stylesheet" href="/docs/style.css"></head><body>'
        f"<h1>{title}: API</h1><p>{escape(document['info']['description'])}</p>"
        f'<ul>{contents}</ul><p>For programs: <a href="/openapi.json">openapi.json</a>.</p>{body}</body></html>'
    )


def _operation(document: OpenApi, line: str, operation: OpenApi) -> str:
    rows = "".join(_parameter(document, parameter) for parameter in operation.get("parameters", []))
    table = f"<table><tr><th>parameter</th><th>type</th><th>meaning</th></tr>{rows}</table>" if rows else ""
    success = next(response for status, response in operation["responses"].items() if status < "3")
    failures = {status: r for status, r in operation["responses"].items() if status >= "4"}
    errors = "".join(
        f"<tr><td>{status}</td><td>{_prose(response['description'])}</td></tr>" for status, response in failures.items()
    )
    described = "".join(f"<p>{_prose(part)}</p>" for part in operation["description"].split("\n\n"))
    return (
        f'<h2 id="{_anchor(operation)}">{escape(operation["summary"])}</h2><p><code>{escape(line)}</code></p>'
        f"{described}{table}<h3>Example</h3><pre>{escape(_curl(document, line, operation))}</pre>"
        f"{_answer(document, success)}"
        + (f"<h3>Errors</h3><table><tr><th>status</th><th>meaning</th></tr>{errors}</table>" if errors else "")
    )


def _parameter(document: OpenApi, parameter: OpenApi) -> str:
    schema = parameter["schema"]
    choices = [_resolved(document, choice) for choice in schema.get("anyOf", [schema])]
    kind = " or ".join(
        ", ".join(choice["enum"]) if "enum" in choice else choice["type"] for choice in choices if choice != NULL
    )
    if "minimum" in schema:
        kind += f", {schema['minimum']} to {schema['maximum']}"
    if "maxLength" in schema:
        kind += f", at most {schema['maxLength']} characters"
    if "default" in schema:
        kind += f", {_written(schema['default'])} if not given"
    name, meaning = escape(parameter["name"]), escape(parameter.get("description", ""))
    return f"<tr><td><code>{name}</code></td><td>{escape(kind)}</td><td>{meaning}</td></tr>"


def _curl(document: OpenApi, line: str, operation: OpenApi) -> str:
    method, path = line.split(" ")
    query = []
    for parameter in operation.get("parameters", []):
        value = quote(_written(parameter["schema"]["examples"][0]))
        if parameter["in"] == "path":
            path = path.replace("{" + parameter["name"] + "}", value)
        elif parameter["in"] == "query":
            query.append(f"{parameter['name']}={value}")
    options = [] if method == "GET" else [f"-X {method}"]
    if "security" in operation:
        options.append('-H "Authorization: Bearer $RIYL_KEY"')
    if "requestBody" in operation:
        media, content = next(iter(operation["requestBody"]["content"].items()))
        schema = _resolved(document, content["schema"])
        body = schema["examples"][0] if "examples" in schema else schema["example"]
        if media == "application/x-ndjson":
            options.append(f"-H 'Content-Type: {media}' --data-binary '{body}'")
        elif media == "application/json":
            options.append(f"-H 'Content-Type: {media}' -d '{json.dumps(body, ensure_ascii=False)}'")
        else:
            options += [f"-F {name}={value}" for name, value in body.items()]
    address = f"'http://127.0.0.1:8000{path}{'?' if query else ''}{'&'.join(query)}'"
    return " \\\n  ".join([f"curl {address}", *options])


def _written(value: object) -> str:
    """A parameter's value as an address holds it."""
    return value if isinstance(value, str) else json.dumps(value)


def _answer(document: OpenApi, response: OpenApi) -> str:
    if "content" not in response:
        return "<p>answers with no body.</p>"
    media, example = _example(document, response)
    return f"<p>answers, as {escape(media)}:</p><pre>{escape(example)}</pre>"


def _example(document: OpenApi, response: OpenApi) -> tuple[str, str]:
    """The media type of a response, and its example."""
    ((media, content),) = response["content"].items()
    if "example" in content:
        return media, content["example"] if isinstance(content["example"], str) else _pretty(content["example"])
    return media, _pretty(_resolved(document, content["schema"])["example"])


def _resolved(document: OpenApi, schema: OpenApi) -> OpenApi:
    """The schema, the one that it refers to, or the first of several; what stands beside one counts for more."""
    if "anyOf" in schema:
        return _resolved(document, schema["anyOf"][0])
    if "$ref" not in schema:
        return schema
    referred: OpenApi = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    return {**referred, **schema}


def _prose(text: str) -> str:
    return re.sub("`([^`]+)`", r"<code>\1</code>", escape(text))


def _pretty(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _anchor(operation: OpenApi) -> str:
    return str(operation["operationId"])
