"""Whether docs/architecture.md names what is there, and every module is imported under its one name."""

from __future__ import annotations

import ast
import re
import sys
from importlib import import_module
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

PACKAGES = ("app", "core", "evaluation", "index", "training")
PAGE = (REPOSITORY / "docs" / "architecture.md").read_text(encoding="utf-8")
DOTTED = sorted(set(re.findall(r"`(riyl(?:\.\w+)+)`", PAGE)))
FOLDERS = sorted(set(re.findall(r"`((?:app|core|docs|evaluation|index|tests|training)/[\w./-]*)`", PAGE)))


def resolve(dotted: str) -> object:
    """Return the object of a dotted name.

    Raises:
        LookupError: no prefix of it is a module that has the rest.
    """
    parts = dotted.split(".")
    for end in range(len(parts), 1, -1):
        try:
            value: object = import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        try:
            for name in parts[end:]:
                value = getattr(value, name)
        except AttributeError as error:
            raise LookupError(dotted) from error
        return value
    raise LookupError(dotted)


@pytest.mark.parametrize("dotted", DOTTED)
def test_every_function_that_the_page_names_exists(dotted: str) -> None:
    resolve(dotted)


def test_a_name_that_does_not_exist_is_noticed() -> None:
    with pytest.raises(LookupError):
        resolve("riyl.core.files.no_such_function")


def test_the_page_has_its_four_flows() -> None:
    assert len(DOTTED) > 40
    assert PAGE.count("\n## ") == 5
    assert len(re.findall(r"^1\. ", PAGE, re.MULTILINE)) == 4


@pytest.mark.parametrize("name", FOLDERS)
def test_every_folder_and_file_that_the_page_names_exists(name: str) -> None:
    assert (REPOSITORY / name).exists()


def test_every_package_is_on_the_page() -> None:
    packages = {
        f"{path.parent.relative_to(REPOSITORY).as_posix()}/"
        for root in PACKAGES
        for path in (REPOSITORY / root).rglob("__init__.py")
        if "migrations" not in path.parts
    }
    listed = set(FOLDERS) | {"app/", "evaluation/", "index/", "training/"}
    assert packages - listed == set()


def test_no_module_is_loaded_under_its_bare_name() -> None:
    """Two copies of one module would have two of each class, and `except` would miss errors."""
    bare = {name for name in sys.modules if name.split(".")[0] in PACKAGES}
    assert {name for name in bare if str(REPOSITORY) in str(getattr(sys.modules[name], "__file__", ""))} == set()


@pytest.mark.parametrize("root", [*PACKAGES, "tests", "scripts"])
def test_no_file_imports_a_bare_name(root: str) -> None:
    lines = [
        f"{path.relative_to(REPOSITORY)}:{node.lineno}"
        for path in (REPOSITORY / root).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in imported(node)
        if name.split(".")[0] in PACKAGES
    ]
    assert lines == []


def imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) and node.level == 0 else []


def test_the_links_lead_to_the_packages() -> None:
    links = REPOSITORY / "src" / "riyl"
    assert {path.name: Path(path.readlink()).as_posix() for path in links.iterdir() if path.is_symlink()} == {
        name: f"../../{name}" for name in PACKAGES
    }
