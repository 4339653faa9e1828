"""The wheel in environments of its own: what a user or an image gets, without this checkout and without its extras."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from riyl.core.db.session import Database
from riyl.core.settings import Home, Settings
from riyl.core.storage.snapshot import Snapshot
from riyl.index.build.build import build_version
from riyl.index.versions.lifecycle import promote
from riyl.training.config import load_config
from riyl.training.train import train
from tests.conftest import REPOSITORY, small_world
from tests.test_imports import packages_of

HELP_OF_EVERY_COMMAND = """
import click, typer
from typer.testing import CliRunner
from riyl.app.cli import app

def walk(command, words):
    yield words
    for name, each in getattr(command, "commands", {}).items():
        yield from walk(each, [*words, name])

for words in walk(typer.main.get_command(app), []):
    done = CliRunner().invoke(app, [*words, "--help"], catch_exceptions=False)
    assert done.exit_code == 0, (words, done.output)
    print(" ".join(words))
"""


@dataclass(frozen=True)
class Environment:
    """A virtual environment that holds the wheel and what it requires."""

    folder: Path
    wheel: Path

    def install(self, *requirements: str) -> None:
        pip = [sys.executable, "-m", "pip", "--python", str(self.folder), "--disable-pip-version-check"]
        options = ["--quiet", "--no-compile", "--constraint", str(REPOSITORY / "constraints.txt")]
        self._call([*pip, "install", *options, *requirements])

    def python(self, code: str) -> str:
        return self._call([str(self.folder / "bin" / "python"), "-c", code])

    def riyl(self, home: Path, *arguments: str) -> str:
        return self._call([str(self.folder / "bin" / "riyl"), "--home", str(home), *arguments])

    def variables(self) -> dict[str, str]:
        hidden = ("RIYL_", "PYTHON")
        return {name: value for name, value in os.environ.items() if not name.startswith(hidden)}

    def _call(self, command: list[str]) -> str:
        done = subprocess.run(
            command, cwd=self.folder, env=self.variables(), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Return the wheel of this checkout, installed without extras."""
    folder = tmp_path_factory.mktemp("environment")
    wheels = folder / "wheels"
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*build, "--wheel-dir", str(wheels), str(REPOSITORY)], check=True, cwd=folder)
    (wheel,) = wheels.glob("riyl-*.whl")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    venv = Environment(folder, wheel)
    venv.install(str(wheel))
    return venv


@pytest.fixture(scope="module")
def ready_home(snapshot: Snapshot, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Return a home with a promoted version of the small world, and the model and the snapshot behind it."""
    home = Home(tmp_path_factory.mktemp("wheel") / "home")
    home.snapshots.mkdir(parents=True)
    (home.snapshots / snapshot.id).symlink_to(snapshot.folder)
    model = train(*load_config("default"), snapshot, home.models)
    version = build_version(model, snapshot, home.versions)
    database = Database.of(Settings(home=home.root))
    promote(home.versions, database, version.id, by="test", why="test")
    database.close()
    return home


@contextmanager
def served(environment: Environment, home: Home, log: Path) -> Iterator[httpx.Client]:
    """Return a client of `riyl serve` from the environment, without a worker."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(environment.folder / "bin" / "riyl"), "--home", str(home.root), "serve", "--no-worker"]
    variables = {**environment.variables(), "RIYL_PORT": str(port)}
    with (
        log.open("wb") as out,
        subprocess.Popen(command, cwd=environment.folder, env=variables, stdout=out, stderr=out) as process,
    ):
        try:
            transport = httpx.HTTPTransport(retries=8)
            with httpx.Client(transport=transport, base_url=f"http://127.0.0.1:{port}") as client:
                client.get("/healthz").raise_for_status()
                yield client
        finally:
            process.kill()


def test_no_package_of_the_extras_is_installed(environment: Environment) -> None:
    code = "import importlib.util, sys; print([p for p in {} if importlib.util.find_spec(p)])"
    assert (
        environment.python(code.format(sorted((packages_of("train") | packages_of("dev")) - {"riyl"}))).strip() == "[]"
    )


def test_every_command_prints_its_help(environment: Environment) -> None:
    commands = environment.python(HELP_OF_EVERY_COMMAND).splitlines()
    assert {"serve", "worker", "demo", "train", "evaluate", "snapshot build", "index build", "jobs run"} <= {*commands}
    assert "Usage: riyl" in environment.riyl(environment.folder, "--help")


def test_it_serves_a_home_that_was_made_elsewhere(environment: Environment, ready_home: Home, tmp_path: Path) -> None:
    with served(environment, ready_home, tmp_path / "log") as client:
        assert client.get("/readyz").json()["status"] == "ready"
        similar = client.get("/v1/artists/a000/similar", params={"k": 3}).raise_for_status().json()["similar"]
        assert [int(each["id"][1:]) % 3 for each in similar] == [0, 0, 0]  # of its own scene
        body = {"seeds": [{"id": "a000"}], "tags": {"ska": 1}, "k": 3, "explain": True}
        assert len(client.post("/v1/similar", json=body).raise_for_status().json()["similar"]) == 3
        for page in ("/", "/docs", "/docs/style.css", "/evaluations", "/openapi.json", "/metrics"):
            assert client.get(page).status_code == 200, page


def test_it_builds_and_promotes_a_version_without_the_extras(environment: Environment, ready_home: Home) -> None:
    environment.riyl(ready_home.root, "index", "build", "--promote")
    shown = json.loads(environment.riyl(ready_home.root, "--json", "similar", "a000", "-k", "3"))
    assert len(shown["similar"]) == 3


def test_what_needs_an_extra_says_which(environment: Environment, ready_home: Home) -> None:
    command = [str(environment.folder / "bin" / "riyl"), "--home", str(ready_home.root), "train", "--seed", "1"]
    done = subprocess.run(command, env=environment.variables(), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.strip().endswith("wanted the extra 'train': pip install 'riyl[train]'")
    assert "Traceback" not in done.stderr


def test_with_the_extra_it_makes_features_and_trains(environment: Environment, tmp_path: Path) -> None:
    environment.install(f"{environment.wheel}[train]")
    tables, home = small_world(tmp_path / "tables"), tmp_path / "home"
    environment.riyl(home, "snapshot", "build", str(tables))
    for config in ("default", "pca", "paper-msd"):
        environment.riyl(home, "train", "--config", config)
    environment.riyl(home, "index", "build", "--promote")
    shown = json.loads(environment.riyl(home, "--json", "similar", "a000", "-k", "3"))
    assert len(shown["similar"]) == 3
