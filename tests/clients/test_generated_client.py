"""A client that openapi-python-client generates asks every operation of a running service, and reads every answer."""

from __future__ import annotations

import importlib
import io
import json
import os
import subprocess
import sys
import typing
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from riyl.app.http.examples import find_operation
from riyl.app.http.media_types import JSON, JSON_KINDS, NDJSON
from riyl.core.db.keys import Role
from riyl.core.settings import Home
from riyl.core.storage.model import Model
from riyl.core.storage.snapshot import Snapshot
from riyl.index.artifact.version import Version
from tests.app.conftest import asked, database, home, key_headers, other_version, promoted_home  # noqa: F401
from tests.app.example_requests import Step, filled, steps
from tests.app.examples import comparable
from tests.app.http.test_examples import small_world
from tests.clients.service import serving
from tests.index.conftest import named_model, named_snapshot, version  # noqa: F401

pytestmark = pytest.mark.clients

CONFIG = "content_type_overrides:\n  application/x-ndjson: application/octet-stream\n"
"""Config that docs/api.md gives to the generator, which does not know lines of JSON by that name."""


def generate(folder: Path, document: Any, config: str) -> tuple[ModuleType, str]:
    """Return the generated package, imported, and what the generator said."""
    (folder / "openapi.json").write_text(json.dumps(document), encoding="utf-8")
    (folder / "config.yaml").write_text(config, encoding="utf-8")
    done = subprocess.run(
        [
            Path(sys.executable).with_name("openapi-python-client"),
            *("generate", "--meta", "none", "--output-path", "generated_riyl"),
            *("--path", "openapi.json", "--config", "config.yaml"),
        ],
        cwd=folder,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    return importlib.import_module("generated_riyl"), done.stdout + done.stderr


class Generated:
    """The generated client, asked by operation and with plain values.

    Args:
        package: what was generated.
        client: of its kind, with an address and a key.
    """

    def __init__(self, package: ModuleType, client: Any, document: Mapping[str, Any]) -> None:
        self._package = package
        self._client = client
        self._document = document

    def ask(self, step: Step) -> Any:
        """Return what the client parsed, after checking that it is whole and of the right model.

        Raises:
            AssertionError: it is not.
        """
        _, _, operation = find_operation(self._document, step.operation)
        module = importlib.import_module(f"{self._package.__name__}.api.{operation['tags'][0]}.{step.operation}")
        hints = typing.get_type_hints(module.sync_detailed)
        arguments = {_python_name(name, hints): value for name, value in step.parameters.items()}
        arguments = {name: _as_hinted(hints[name], value) for name, value in arguments.items()}
        if step.content_type in JSON_KINDS:
            arguments["body"] = _model(hints["body"], step.body)
        elif step.files:
            types = importlib.import_module(f"{self._package.__name__}.types")
            files = {
                part: types.File(
                    payload=io.BytesIO(content if isinstance(content, bytes) else content.encode()), file_name=name
                )
                for part, (name, content) in step.files.items()
            }
            arguments["body"] = hints["body"](**files)
        answer = module.sync_detailed(client=self._client, **arguments)
        self._check(operation, step, answer)
        return answer.parsed if isinstance(answer.parsed, str | bytes | None) else answer.parsed.to_dict()

    def _check(self, operation: Mapping[str, Any], step: Step, answer: Any) -> None:
        assert answer.status_code < 300, (step.operation, answer.content)
        described = operation["responses"][str(int(answer.status_code))].get("content", {})
        if not described:
            assert answer.content == b""
            return
        if JSON not in described:
            # lines are bytes to the generator, see CONFIG
            assert answer.parsed == (answer.content if NDJSON in described else answer.content.decode())
            return
        schema = described[JSON]["schema"]
        names = [each["$ref"].rsplit("/", 1)[1] for each in schema.get("anyOf", [schema])]
        assert type(answer.parsed).__name__ in names, step.operation
        body = json.loads(answer.content)
        assert comparable(answer.parsed.to_dict()) == comparable(body), step.operation


def _python_name(name: str, hints: Mapping[str, Any]) -> str:
    """Return a parameter's name as the generator spells it."""
    spelled = name.lower().replace("-", "_")
    return spelled if spelled in hints else f"{spelled}_"


def _choices(hint: Any) -> list[Any]:
    return list(typing.get_args(hint)) or [hint]


def _as_hinted(hint: Any, value: Any) -> Any:
    """Return a value as an enum of the client's, where the parameter is one."""
    kinds = [kind for kind in _choices(hint) if isinstance(kind, type) and issubclass(kind, Enum)]
    return kinds[0](value) if kinds else value


def _model(hint: Any, body: Any) -> Any:
    """Return the model of the client's that reads a body and writes it alike."""
    for kind in _choices(hint):
        try:
            model = kind.from_dict(body)
        except (AttributeError, KeyError, TypeError, ValueError):
            continue
        if model.to_dict() == body:
            return model
    raise AssertionError(f"{hint}: found none that holds {body}; wanted one")


@pytest.fixture
def generated_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a folder to generate into, which can be imported from."""
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in [name for name in sys.modules if name.split(".")[0] == "generated_riyl"]:
        del sys.modules[name]


def test_every_operation_is_asked_and_every_answer_read(
    home: Home,  # noqa: F811
    version: Version,  # noqa: F811
    other_version: Version,  # noqa: F811
    named_model: Model,  # noqa: F811
    named_snapshot: Snapshot,  # noqa: F811
    generated_folder: Path,
) -> None:
    document = asked(home, "/openapi.json")[0].json()
    package, output = generate(generated_folder, document, CONFIG)
    assert "warning" not in output.lower()
    world = small_world(home, version, other_version, named_model, named_snapshot)
    token = key_headers(home, Role.ADMIN)["authorization"].removeprefix("Bearer ")
    answers: dict[str, Any] = {}
    with serving(home) as address, package.AuthenticatedClient(base_url=address, token=token) as client:
        generated = Generated(package, client, document)
        for step in steps(world):
            if step.content_type != NDJSON:
                answers.setdefault(step.operation, generated.ask(filled(step, answers)))
    operations = {o["operationId"] for by_method in document["paths"].values() for o in by_method.values()}
    assert answers.keys() == operations


def test_an_error_is_read_too(home: Home, generated_folder: Path) -> None:  # noqa: F811
    document = asked(home, "/openapi.json")[0].json()
    package, _ = generate(generated_folder, document, CONFIG)
    module = importlib.import_module("generated_riyl.api.artists.get_artist")
    with serving(home) as address, package.Client(base_url=address) as client:
        answer = module.sync_detailed(client=client, id="Radiohed")
    assert type(answer.parsed).__name__ == "Problem"
    assert (answer.parsed.status, answer.parsed.title) == (404, "unknown artist")
    assert answer.parsed.near[0].id == "a001"


def test_without_a_setting_lines_of_json_are_all_that_the_generator_lacks(home: Home, generated_folder: Path) -> None:  # noqa: F811
    document = asked(home, "/openapi.json")[0].json()
    _, output = generate(generated_folder, document, "{}")
    assert output.count("WARNING") == 2  # the body of batches, and the export
    assert "Unsupported content type application/x-ndjson" in output
    assert importlib.import_module("generated_riyl.api.changes.change_artists")
