"""Examples of requests and their responses from the demo's catalog: shown at /docs and in the OpenAPI document.

They are recorded, not written by hand: see tests/app/examples.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

FILE = Path(__file__).with_name("examples.json")

OpenApi = Mapping[str, Any]
"""A part of an OpenAPI document."""


@dataclass(frozen=True)
class Example:
    """A request to an operation, and its response.

    Attributes:
        parameters: of path, query and header, by name.
        content_type: of the body; None where there is no body, or a form.
        files: of a form, by part: the file's `name` and `content`; with the `encoding` base64 where it is no text.
        answer: JSON as parsed, other text as its first lines; None where there is no body.
    """

    operation: str
    parameters: Mapping[str, Any]
    body: Any
    content_type: str | None
    files: Mapping[str, Mapping[str, str]]
    status: int
    answer_type: str | None
    answer: Any


def load_examples(file: Path = FILE) -> list[Example]:
    """Read the recorded examples, in the order in which they were requested."""
    return [Example(**entry) for entry in json.loads(file.read_text(encoding="utf-8"))]


def save_examples(examples: Iterable[Example], file: Path = FILE) -> None:
    """Record examples."""
    written = json.dumps([asdict(each) for each in examples], indent=1, ensure_ascii=False)
    file.write_text(written + "\n", encoding="utf-8")


def request_of(document: OpenApi, example: Example) -> tuple[str, str, dict[str, str]]:
    """Return the method, path with query, and headers of an example, without the headers of its key or of a form."""
    path, method, operation = find_operation(document, example.operation)
    query, headers = list[str](), dict[str, str]()
    for parameter in operation.get("parameters", []):
        name = parameter["name"]
        if name not in example.parameters:
            continue
        value = example.parameters[name]
        text = value if isinstance(value, str) else json.dumps(value)
        match parameter["in"]:
            case "path":
                path = path.replace("{" + name + "}", quote(text, safe=""))
            case "query":
                query.append(f"{name}={quote(text, safe='')}")
            case _:
                headers[name] = text
    if example.content_type is not None:
        headers["Content-Type"] = example.content_type
    return method.upper(), path + ("?" if query else "") + "&".join(query), headers


def find_operation(document: OpenApi, identity: str) -> tuple[str, str, dict[str, Any]]:
    """Return the path, method and description of the operation with this id.

    Raises:
        KeyError: no operation has this id.
    """
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if operation["operationId"] == identity:
                return path, method, operation
    raise KeyError(identity)


def add_examples(document: OpenApi, examples: Iterable[Example]) -> None:
    """Add examples to the operations of a document; of several examples of the same kind, the first."""
    for example in examples:
        _, _, operation = find_operation(document, example.operation)
        for parameter in operation.get("parameters", []):
            if parameter["name"] in example.parameters:
                parameter.setdefault("example", example.parameters[parameter["name"]])
        if example.content_type is not None:
            operation["requestBody"]["content"][example.content_type].setdefault("example", example.body)
        if example.answer_type is not None:
            content = operation["responses"][str(example.status)]["content"]
            content[example.answer_type].setdefault("example", example.answer)
