"""Each example of docs/examples.md runs, and prints what the service answers."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from riyl.core.settings import Home
from riyl.core.storage.model import Model
from riyl.core.storage.snapshot import Snapshot
from tests.app.conftest import other_version, promoted_home  # noqa: F401
from tests.clients.service import serving
from tests.conftest import REPOSITORY
from tests.index.conftest import named_model, named_snapshot, version  # noqa: F401

pytestmark = pytest.mark.clients

TEXT = (REPOSITORY / "docs" / "examples.md").read_text(encoding="utf-8")
SECTIONS = re.findall(r"^## \d+\. (.+?)\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL)
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BASE = "http://localhost:8000"
COMMANDS = {"sh": ["bash", "-ec"], "python": [sys.executable, "-c"], "js": ["node", "--input-type=module", "-e"]}


def names(answer: Any) -> Iterator[str]:
    """Yield the names of the artists that an answer lists, or of the only one."""
    if "answers" in answer:
        for entry in answer["answers"]:
            yield from names(entry["answer"])
    else:
        artists = answer.get("similar", answer.get("artists"))
        yield from (artist["name"] for artist in ([answer["artist"]] if artists is None else artists))


def printed(language: str, code: str, address: str) -> str:
    """Run an example against a service, and return what it prints."""
    program = COMMANDS[language]
    if shutil.which(program[0]) is None:
        pytest.skip(f"{program[0]}, which runs this example, is not installed")
    if language == "sh" and shutil.which("curl") is None:
        pytest.skip("curl, which this example calls, is not installed")
    assert BASE in code
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ} | {"PYTHONUTF8": "1"}
    done = subprocess.run(
        [*program, code.replace(BASE, address)], capture_output=True, encoding="utf-8", env=environment, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_there_are_ten_in_three_languages_each() -> None:
    assert len(SECTIONS) == 10
    assert all([language for language, _ in BLOCK.findall(text)] == list(COMMANDS) for _, text in SECTIONS)


@pytest.fixture(scope="module")
def address(
    promoted_home: Home,  # noqa: F811
    named_model: Model,  # noqa: F811
    named_snapshot: Snapshot,  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    """Run a service of a home that also has the model, which encodes tags, and return its address."""
    home = Home(tmp_path_factory.mktemp("examples") / "home")
    shutil.copytree(promoted_home.root, home.root)
    shutil.copytree(named_model.folder, home.models / named_model.id)
    shutil.copytree(named_snapshot.folder, home.snapshots / named_snapshot.id)
    with serving(home) as url:
        yield url


@pytest.mark.parametrize("text", [text for _, text in SECTIONS], ids=[title for title, _ in SECTIONS])
@pytest.mark.parametrize("language", ["python", "js"])
def test_an_example_prints_the_artists_that_curl_gets(address: str, language: str, text: str) -> None:
    blocks = dict(BLOCK.findall(text))
    expected = list(names(json.loads(printed("sh", blocks["sh"], address))))
    assert expected
    lines = printed(language, blocks[language], address).splitlines()
    assert len(lines) == len(expected)
    assert all(line.startswith(name) for line, name in zip(lines, expected, strict=True))
