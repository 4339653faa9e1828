"""The command line of an evaluation: it gives the same parameters again."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.core import TyperGroup, TyperOption

from riyl.app.cli import app
from riyl.app.commands.streams import named
from riyl.app.evaluations.command import evaluate_command, option
from riyl.app.evaluations.run import Question
from riyl.app.jobs import questions
from riyl.app.jobs.types import EvaluateParams
from riyl.core.settings import Home
from tests.app.conftest import as_json
from tests.app.evaluations.figures import figures

VALUES: dict[str, Any] = {
    "truth": 'by hand\'s "$HOME"',
    "systems": ("default", "pca raw"),
    "model": "mine",
    "version": "5f2a",
    "conditions": ("raw", "/data/some artists.txt"),
    "embeddings": {"gnn": "gnn.npy", "two": "two vectors.npy"},
    "ids": {"two": "two.txt", "": "ids.txt"},
    "runs": {"bm25": "run=1.txt"},
    "seen": {"gnn": "none"},
    "bias": ("own", "csls"),
    "seeds": 3,
    "queries": "test.txt",
    "candidates": "all.txt",
    "snapshot": "-5e1f",
    "catalogs": {"own": "5e1f"},
    "maps": {"own": "/data/a map.csv"},
    "k": 10,
    "rounds": 20,
    "seed": 7,
}
"""A value of each parameter that is not its default."""


def options() -> dict[str, TyperOption]:
    """Return the options of `riyl evaluate`, by name in Python."""
    root = typer.main.get_command(app)
    assert isinstance(root, TyperGroup)
    return {str(each.name): each for each in root.commands["evaluate"].params if isinstance(each, TyperOption)}


def parsed(command: str) -> dict[str, Any]:
    """Return the parameters that the command line gives, as typed; lists split as `riyl evaluate` splits them.

    Repeated NAME=VALUE is by name.
    """
    root = typer.main.get_command(app)
    assert isinstance(root, TyperGroup)
    program, name, *words = shlex.split(command)
    assert (program, name) == ("riyl", "evaluate")
    given = root.commands[name].make_context(name, words).params
    lists = {each for each in ("systems", "conditions", "bias") if given[each] is not None}
    given = {key: tuple(value.split(",")) if key in lists else value for key, value in given.items()}
    of_embeddings = named(given["embeddings"], "--embeddings")
    return {
        **given,
        "bias": given["bias"] or (),
        "embeddings": of_embeddings,
        "ids": named(given["ids"], "--ids", among=of_embeddings),
        "runs": named(given["run"], "--run"),
        "seen": named(given["seen"], "--seen"),
        "catalogs": named(given["catalogs"], "--catalog"),
        "maps": named(given["maps"], "--map"),
    }


def question_of(command: str) -> Question:
    given = parsed(command)
    return Question(**{each.name: given[each.name] for each in fields(Question) if each.name in VALUES})


def test_every_parameter_has_a_value_here() -> None:
    """A new field needs one, so that the tests below read its option too."""
    assert [each.name for each in fields(Question)] == list(VALUES)


def test_the_line_of_every_parameter_is_the_one_typed() -> None:
    assert evaluate_command(Question(**VALUES)) == (
        "riyl evaluate --truth 'by hand'\"'\"'s \"$HOME\"' --systems 'default,pca raw' --model mine --version 5f2a "
        "--conditions 'raw,/data/some artists.txt' --embeddings gnn=gnn.npy "
        "--embeddings 'two=two vectors.npy' --ids two=two.txt --ids ids.txt --run bm25=run=1.txt --seen gnn=none "
        "--bias own,csls --seeds 3 --queries test.txt --candidates all.txt --snapshot -5e1f --catalog own=5e1f "
        "--map 'own=/data/a map.csv' -k 10 --rounds 20 --seed 7"
    )
    assert evaluate_command(Question()) == "riyl evaluate"


def test_the_command_line_gives_the_parameters_again() -> None:
    assert question_of(evaluate_command(Question(**VALUES))) == Question(**VALUES)
    assert question_of(evaluate_command(Question())) == Question()


@pytest.mark.parametrize("name", VALUES)
def test_each_parameter_alone_is_an_option(name: str) -> None:
    names = [name, *(["embeddings"] if name == "ids" else [])]  # a file of ids belongs to embeddings
    question = replace(Question(), **{each: VALUES[each] for each in names})
    command = evaluate_command(question)
    counts = (len(VALUES[each]) if isinstance(VALUES[each], dict) else 1 for each in names)
    assert len(shlex.split(command)) == 2 + 2 * sum(counts)
    assert shlex.split(command)[-2] in options()["run" if name == "runs" else name].opts
    assert question_of(command) == question


def test_a_shell_reads_the_line_as_it_was_meant() -> None:
    command = evaluate_command(Question(**VALUES))
    words = subprocess.run(
        ["sh", "-c", f'for word in {command}; do printf "%s\\0" "$word"; done'], capture_output=True, check=True
    ).stdout.decode()
    assert words.split("\0")[:-1] == shlex.split(command)


def test_parameters_of_a_job_give_the_same_line() -> None:
    job = EvaluateParams(systems=["pca"], conditions=["raw", "fmc"], k=5)
    home = Home(Path("unused"))
    assert evaluate_command(questions.question_of(job, home)) == "riyl evaluate --systems pca -k 5"
    assert evaluate_command(questions.question_of(EvaluateParams(), home)) == "riyl evaluate"


@dataclass(frozen=True)
class Parameters:
    """Parameters of every kind."""

    embeddings: Mapping[str, Path] = field(default_factory=dict)
    runs: Sequence[tuple[str, str]] = field(default=(), metadata=option("--run", repeated=True))
    catalogs: Sequence[str] = field(default=(), metadata=option(repeated=True))
    ids_file: Path | None = None
    strict: bool = False
    ties: bool = True
    share: float = 0.5


def test_values_of_every_kind_are_written() -> None:
    assert evaluate_command(Parameters()) == "riyl evaluate"
    assert evaluate_command(Parameters(runs=[], catalogs=[], embeddings={})) == "riyl evaluate"
    given = Parameters(
        embeddings={"gnn": Path("a b.npy"), "walks": Path("w.npy")},
        runs=[("bm25", "x.run")],
        catalogs=["a", "b"],
        ids_file=Path("i.txt"),
        strict=True,
        ties=False,
        share=1,
    )
    assert evaluate_command(given) == (
        "riyl evaluate --embeddings 'gnn=a b.npy' --embeddings walks=w.npy --run bm25=x.run --catalogs a --catalogs b "
        "--ids-file i.txt --strict --no-ties --share 1"
    )


def test_an_evaluation_names_its_command(home: Home) -> None:
    arguments = ["-k", "10", "--rounds", "20", "--systems", "pca", "--conditions", "raw"]
    wanted = "riyl evaluate --systems pca --conditions raw -k 10 --rounds 20"
    assert as_json(home, "evaluate", *arguments)["command"] == wanted
    assert figures(home, systems=["pca"], conditions=["raw"], rounds=20)["command"] == wanted
