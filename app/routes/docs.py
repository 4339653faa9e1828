"""Reference of the API at /docs: one page without scripts, rendered from the OpenAPI document by docs.html."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import orjson
from fastapi import APIRouter, Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import FileResponse, HTMLResponse, Response

from riyl.app.http.dependencies import held
from riyl.app.http.examples import Example, OpenApi, load_examples, request_of
from riyl.app.http.media_types import JSON
from riyl.app.http.proxy import address_of_service, root_path_of
from riyl.app.http.route_facts import OPEN
from riyl.app.http.schema_fields import default_of, fields_of, kind_of

router = APIRouter(include_in_schema=False)

FOLDER = Path(__file__).parent

TEMPLATES = Environment(
    loader=FileSystemLoader(FOLDER), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)


@router.get("/docs")
@OPEN
def docs(request: Request) -> HTMLResponse:
    """Show every operation with its parameters, the fields of its body, its examples, and its errors."""
    page = render(request.app.openapi(), load_examples(), address_of_service(request.scope))
    return HTMLResponse(page, headers={"cache-control": "no-cache"})


@router.get("/openapi.json")
@OPEN
async def openapi(request: Request) -> Response:
    """Return the OpenAPI document, for programs; it is serialized once, but for the prefix of the paths."""
    document = held(request.app, "openapi", bytes)
    if root_path := root_path_of(request.scope):
        document = b'{"servers":' + orjson.dumps([{"url": root_path}]) + b"," + document[1:]
    return Response(document, media_type=JSON)


@router.get("/docs/style.css")
@OPEN
async def style() -> FileResponse:
    """Return the style sheet of the reference."""
    return FileResponse(FOLDER / "docs.css", headers={"cache-control": "no-cache"})


def render(document: OpenApi, examples: Sequence[Example], address: str) -> str:
    """Render the OpenAPI document and its examples as a page; the examples send requests to `address`."""
    operations = [
        (f"{method.upper()} {path}", operation)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]
    return TEMPLATES.get_template("docs.html").render(
        document=document,
        operations=operations,
        examples=examples,
        curl=partial(_curl, document, address),
        default_of=default_of,
        fields_of=partial(fields_of, document),
        kind_of=partial(kind_of, document),
        parts_of=re.compile("`([^`]+)`").split,
        pretty=partial(json.dumps, indent=2, ensure_ascii=False),
    )


def _curl(document: OpenApi, address: str, example: Example, operation: OpenApi) -> str:
    """Return the shell command that sends an example."""
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
    """Quote a text for a shell."""
    return "'" + text.replace("'", "'\\''") + "'"
