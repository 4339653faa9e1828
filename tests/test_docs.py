"""Whether what the documentation names is there: settings, commands, files, commits. A figure names how it was made."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup

from riyl.app.cli import app
from riyl.core.settings import Settings
from tests.conftest import REPOSITORY

DOCS = sorted([*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md")])
PAGES = pytest.mark.parametrize("page", DOCS, ids=[path.name for path in DOCS])

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMITS = re.compile(r"\bcommits?\s+((?:[0-9a-f]{7,40}(?:\s*,\s*|\s+and\s+)?)+)")
MEASURED = re.compile(r"(?<![\w.])(?:\d\.\d{4}(?!\d)|\d+\.\d+ (?:us|ms|s|MB|MiB|GB|GiB)\b)")
"""A score in four decimals, or a time or size that is not a round number."""

BEFORE = re.compile(r"^\s*(do\s+|\w+=('[^']*'|\S*)\s+|docker compose exec (-\S+ )*\S+\s+)*")
"""What may stand before a program: variables, a loop, the container that it runs in."""

OUR_PATH = re.compile(r"(?<![\w./-])(?:app|core|docs|evaluation|index|scripts|tests|training)/[\w./-]*")


def test_the_operators_manual_names_every_setting_and_no_other() -> None:
    text = (REPOSITORY / "docs" / "operations" / "install.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `RIYL_([A-Z_]+)` \|", text, re.MULTILINE))
    assert named == {name.upper() for name in Settings.model_fields}


@PAGES
def test_every_riyl_command_in_the_docs_exists_with_its_options(page: Path) -> None:
    wrong = [f"{command}: {what}" for command in commands(page, "riyl") if (what := wrong_with_riyl(command))]
    assert wrong == []


@PAGES
def test_every_pytest_command_in_the_docs_names_tests_and_markers_that_exist(page: Path) -> None:
    wrong = [f"{command}: {what}" for command in commands(page, "pytest") if (what := wrong_with_pytest(command))]
    assert wrong == []


@PAGES
def test_every_make_target_in_the_docs_exists(page: Path) -> None:
    targets = set(re.findall(r"^([\w-]+):(?!=)", (REPOSITORY / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {word for command in commands(page, "make") for word in command.split()[1:] if "=" not in word}
    assert named - targets == set()


@PAGES
def test_every_file_of_ours_in_the_docs_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = {path for code in (*shell_lines(text), *spans(text)) for path in OUR_PATH.findall(code)}
    assert [path for path in sorted(named) if not (REPOSITORY / path).exists()] == []


def test_the_docs_name_commands_of_each_kind() -> None:
    by_kind = {kind: [c for page in DOCS for c in commands(page, kind)] for kind in ("riyl", "pytest", "make")}
    assert min(map(len, by_kind.values())) > 5
    assert "riyl keys create ops --role admin" in by_kind["riyl"]  # behind `docker compose exec`
    assert "riyl jobs watch ID" in by_kind["riyl"]  # from `riyl jobs list | watch ID | cancel ID`
    assert "riyl train --seed $seed" in by_kind["riyl"]  # in a loop


@pytest.mark.parametrize(
    ("command", "what"),
    [
        ("riyl index build --promote", None),
        ("riyl --home H --json index build", None),
        ("riyl [--home H] [--json] NOUN VERB", None),
        ("riyl evaluations compare A B [--system-a S --system-b S]", None),
        ("riyl export neighbours --out x -k 5 --no-rules", None),
        ("riyl serve --no-worker", None),
        ("riyl index built", "no command 'built'"),
        ("riyl index build --promoted", "no option '--promoted'"),
        ("riyl train -k 5", "no option '-k'"),
        ("riyl train --home H", "no option '--home'"),
    ],
)
def test_what_is_wrong_with_a_command_is_said(command: str, what: str | None) -> None:
    assert wrong_with_riyl(command) == what


@PAGES
def test_every_commit_in_the_docs_is_of_this_history(page: Path) -> None:
    hashes = history()
    unknown = [c for c in commits(page.read_text(encoding="utf-8")) if not any(k.startswith(c) for k in hashes)]
    assert unknown == []


@PAGES
def test_what_was_measured_names_a_commit(page: Path) -> None:
    """Of decisions each paragraph; of other pages each section, or one that it is part of."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    parts = [(part, part) for part in text.split("\n\n")] if page.name == "decisions.md" else list(sections(text))
    without = [part for part, context in parts if MEASURED.search(part) and not commits(context)]
    without += [p for p in text.split("\n\n") if re.search(r"\b[Mm]easured (by|at commit)\b", p) and not commits(p)]
    assert without == []


def commits(text: str) -> list[str]:
    """Return the commits that a text names."""
    return [commit for mention in COMMITS.findall(text) for commit in re.findall(r"[0-9a-f]{7,40}", mention)]


@cache
def history() -> frozenset[str]:
    """Return the commits that led to this one; skips the test where the history is not at hand."""
    if not (REPOSITORY / ".git").exists() or shutil.which("git") is None:
        pytest.skip("found no git or no .git: the history is not at hand")
    git = ["git", "-C", str(REPOSITORY)]
    shallow = subprocess.run(
        [*git, "rev-parse", "--is-shallow-repository"], capture_output=True, text=True, check=False
    )
    if shallow.stdout.strip() != "false":
        pytest.skip(f"the history is not whole: shallow {shallow.stdout.strip() or shallow.stderr.strip()}")
    return frozenset(
        subprocess.run([*git, "rev-list", "HEAD"], capture_output=True, text=True, check=True).stdout.split()
    )


def sections(text: str) -> Iterator[tuple[str, str]]:
    """Each section up to the next heading, alone and behind those that it is part of."""
    above: list[tuple[int, str]] = []
    for part in re.split(r"^(?=#+ )", text, flags=re.MULTILINE):
        level = len(part) - len(part.lstrip("#"))
        above = [*((other, section) for other, section in above if other < level), (level, part)]
        yield part, "".join(section for _, section in above)


def shell_lines(text: str) -> list[str]:
    """Lines of the fenced shell blocks, continued ones whole, without comments."""
    blocks = [block for language, block in FENCE.findall(text) if language == "sh"]
    return [re.sub(r"(^|\s)#.*", "", line) for b in blocks for line in b.replace("\\\n", " ").splitlines()]


def spans(text: str) -> list[str]:
    """Return the texts in backticks."""
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", FENCE.sub("", text))]


def commands(page: Path, program: str) -> list[str]:
    """Return the commands of a page that call a program, from its name on."""
    text = page.read_text(encoding="utf-8")
    candidates = [part for line in shell_lines(text) for part in re.split(r"[;|]|&&", line)]
    for span in spans(text):
        first, *others = re.split(r"\s\|\s|\s&&\s", span)
        candidates += [first, *(f"{' '.join(first.split()[:2])} {other}" for other in others)]
    plain = (BEFORE.sub("", command).strip() for command in candidates)
    return [command for command in plain if re.match(rf"{program}(\s|$)", command)]


@cache
def command_line() -> TyperGroup:
    command = typer.main.get_command(app)
    assert isinstance(command, TyperGroup)
    return command


def wrong_with_riyl(command: str) -> str | None:
    """Return the part of a command line that the program lacks; words in capitals are placeholders."""
    at = command_line()
    words = iter(shlex.split(re.sub(r"[\[\]]", "", command))[1:])
    for word in words:
        if word.startswith("-"):
            name, _, value = word.partition("=")
            options = [p for p in at.params if name in (*p.opts, *p.secondary_opts)]
            if not options and name != "--help":
                return f"no option {name!r}"
            if options and not value and not getattr(options[0], "is_flag", False):
                next(words, None)
        elif isinstance(at, TyperGroup) and not word.isupper():
            if word not in at.commands:
                return f"no command {word!r}"
            at = at.commands[word]
    return None


def wrong_with_pytest(command: str) -> str | None:
    """Return the part of a pytest command that does not exist: a file, a test in it, a marker."""
    tools = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    markers = {marker.split(":")[0] for marker in tools["pytest"]["ini_options"]["markers"]}
    named = re.search(r"""-m (?:"([^"]+)"|'([^']+)'|(\S+))""", command)
    if named and (
        unknown := set(re.findall(r"\w+", "".join(filter(None, named.groups())))) - markers - {"and", "or", "not"}
    ):
        return f"no marker {', '.join(sorted(unknown))}"
    for word in command.split()[1:]:
        path, _, test = word.partition("::")
        if path.startswith("tests/"):
            if not (REPOSITORY / path).exists():
                return f"no file {path}"
            if test and f"def {test.split('[')[0]}(" not in (REPOSITORY / path).read_text(encoding="utf-8"):
                return f"no test {test} in {path}"
    return None
