"""The API's reference at /docs: one page without any script, made from the OpenAPI document."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from html import escape

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

from riyl.app.http.examples import Example, OpenApi, load_examples, request_of
from riyl.app.http.schema_fields import FieldRow, default_of, fields_of, kind_of

router = APIRouter(include_in_schema=False)


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
def docs(request: Request) -> HTMLResponse:
    """Every operation with its parameters, all fields of its body, its examples, and its errors."""
    page = render(request.app.openapi(), load_examples(), str(request.base_url).rstrip("/"))
    return HTMLResponse(page, headers={"cache-control": "no-cache"})


@router.get("/docs/style.css")
async def style() -> Response:
    """The style of the reference."""
    return Response(STYLE, headers={"cache-control": "no-cache"}, media_type="text/css")


def render(document: OpenApi, examples: Sequence[Example], address: str) -> str:
    """The OpenAPI document as a page.

    Args:
        address: of the service, as examples are to ask it.
    """
    operations = [
        (f"{method.upper()} {path}", operation)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]
    contents = "".join(
        f'<li><a href="#{_anchor(operation)}"><code>{escape(line)}</code></a> {escape(operation["summary"])}</li>'
        for line, operation in operations
    )
    body = "".join(_operation(document, line, operation, examples, address) for line, operation in operations)
    title = escape(document["info"]["title"])
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}: API</title>'
        '<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">'
        '<link rel="stylesheet" href="/docs/style.css"></head><body>'
        f"<h1>{title}: API</h1><p>{escape(document['info']['description'])}</p>"
        "<p>The examples were asked of the catalog that <code>riyl demo</code> makes, from the first to the last; what "
        "comes back elsewhere differs in ids that are made by chance, times, the version, and the last digits of "
        f"scores.</p><ul>{contents}</ul>"
        f'<p>For programs: <a href="/openapi.json">openapi.json</a>.</p>{body}</body></html>'
    )


def _operation(document: OpenApi, line: str, operation: OpenApi, examples: Sequence[Example], address: str) -> str:
    rows = [
        FieldRow(
            parameter["name"],
            kind_of(document, parameter["schema"]),
            "required" if parameter.get("required") else default_of(parameter["schema"]),
            parameter.get("description", ""),
        )
        for parameter in operation.get("parameters", [])
    ]
    failures = {status: r for status, r in operation["responses"].items() if status >= "4"}
    errors = "".join(
        f"<tr><td>{status}</td><td>{_prose(response['description'])}</td></tr>" for status, response in failures.items()
    )
    described = "".join(f"<p>{_prose(part)}</p>" for part in operation["description"].split("\n\n"))
    shown = [_shown(document, each, operation, address) for each in examples if each.operation == _anchor(operation)]
    return (
        f'<h2 id="{_anchor(operation)}">{escape(operation["summary"])}</h2><p><code>{escape(line)}</code></p>'
        f"{described}{_table('parameter', rows)}{_body(document, operation)}<h3>Example</h3>{''.join(shown)}"
        + (f"<h3>Errors</h3><table><tr><th>status</th><th>meaning</th></tr>{errors}</table>" if errors else "")
    )


def _body(document: OpenApi, operation: OpenApi) -> str:
    """The fields of the body, by content type."""
    contents = operation.get("requestBody", {}).get("content", {})
    parts = []
    for media, content in contents.items():
        rows = list(fields_of(document, content["schema"]))
        described = "" if rows else f"<p>{_prose(content['schema'].get('description', ''))}</p>"
        parts.append(f"<h3>Body, as {escape(media)}</h3>{described}{_table('field', rows)}")
    return "".join(parts)


def _table(what: str, rows: Iterable[FieldRow]) -> str:
    cells = "".join(
        f"<tr><td><code>{escape(row.name)}</code></td><td>{escape(row.kind)}</td><td>{escape(row.default)}</td>"
        f"<td>{_prose(row.description)}</td></tr>"
        for row in rows
    )
    head = f"<tr><th>{what}</th><th>type</th><th>default</th><th>meaning</th></tr>"
    return f"<table>{head}{cells}</table>" if cells else ""


def _shown(document: OpenApi, example: Example, operation: OpenApi, address: str) -> str:
    """An example: the files that it sends, the request, and the answer."""
    files = "".join(
        f"<p>with {escape(file['name'])}:</p><pre>{escape(file['content'])}</pre>" for file in example.files.values()
    )
    request = f"<pre>{escape(_curl(document, example, operation, address))}</pre>"
    if example.answer is None:
        return f"{files}{request}<p>answers {example.status} with no body.</p>"
    answer = example.answer if isinstance(example.answer, str) else _pretty(example.answer)
    kind = escape(str(example.answer_type))
    return f"{files}{request}<p>answers {example.status}, as {kind}:</p><pre>{escape(answer)}</pre>"


def _curl(document: OpenApi, example: Example, operation: OpenApi, address: str) -> str:
    method, path, headers = request_of(document, example)
    options = [] if method == "GET" else [f"-X {method}"]
    if "security" in operation:
        options.append('-H "Authorization: Bearer $RIYL_KEY"')
    options += [f"-H {_quoted(f'{name}: {value}')}" for name, value in headers.items()]
    if isinstance(example.body, str):
        options.append(f"--data-binary {_quoted(example.body)}")
    elif example.body is not None:
        options.append(f"-d {_quoted(json.dumps(example.body, ensure_ascii=False))}")
    options += [f"-F {part}=@{file['name']}" for part, file in example.files.items()]
    return " \\\n  ".join([f"curl {_quoted(address + path)}", *options])


def _quoted(text: str) -> str:
    """A text as a shell takes it literally."""
    return "'" + text.replace("'", "'\\''") + "'"


def _prose(text: str) -> str:
    return re.sub("`([^`]+)`", r"<code>\1</code>", escape(text))


def _pretty(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _anchor(operation: OpenApi) -> str:
    return str(operation["operationId"])
