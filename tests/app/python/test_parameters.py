from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from riyl.app.python.parameters import check_names, plain_values, with_fields_of
from riyl.core.errors import InputError


@dataclass(frozen=True)
class Parameters:
    names: Sequence[str] | None = None
    file: str | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    k: int = 5


@with_fields_of(Parameters)
def function(names: Sequence[str] | None = None, *, loud: bool = False, **parameters: Any) -> dict[str, Any]:
    return parameters


def test_the_signature_has_each_field_once_with_its_default() -> None:
    parameters = inspect.signature(function).parameters
    assert {name: each.default for name, each in parameters.items()} == {
        "names": None,
        "loud": False,
        "file": None,
        "files": {},
        "k": 5,
    }
    assert parameters["names"].kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
    assert parameters["k"].kind is inspect.Parameter.KEYWORD_ONLY
    assert function(k=3, other=1) == {"k": 3, "other": 1}


def test_an_unknown_keyword_names_the_nearest_or_all() -> None:
    check_names("f", ["conditions"], ["conditions", "k"])
    with pytest.raises(InputError, match=r"^f: found the keyword 'condition'; wanted 'conditions'$"):
        check_names("f", ["k", "condition"], ["conditions", "k"])
    with pytest.raises(InputError, match=r"^f: found the keyword 'zzz'; wanted one of conditions, k$"):
        check_names("f", ["zzz"], ["k", "conditions"])


def test_values_become_those_of_the_command_line() -> None:
    given = {"names": "mine", "file": Path("a.txt"), "files": {"gnn": Path("b.npy")}, "k": 7}
    assert plain_values(Parameters, given) == {
        "names": ["mine"],
        "file": "a.txt",
        "files": {"gnn": "b.npy"},
        "k": 7,
    }
    assert plain_values(Parameters, {"names": ("x", Path("y"))}) == {"names": ["x", "y"]}
    assert plain_values(Parameters, {"names": None}) == {"names": None}
