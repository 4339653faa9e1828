from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from riyl.app.python.parameters import build, check_names, with_fields_of
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
    given = {"names": "mine", "file": Path("a.txt"), "files": {"gnn": Path("b.npy")}, "k": np.int64(7)}
    built = build("f", Parameters, given)
    assert built == Parameters(["mine"], "a.txt", {"gnn": "b.npy"}, 7)
    assert type(built.k) is int
    assert build("f", Parameters, {"names": ("x", Path("y"))}).names == ["x", "y"]
    assert build("f", Parameters, {"names": None}) == build("f", Parameters, {}) == Parameters()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"kk": 1}, r"^f: found the keyword 'kk'; wanted 'k'$"),
        ({"k": "a"}, r"^f: k: Input should be a valid integer \(found 'a'\)$"),
        ({"k": 2.5}, r"^f: k: Input should be a valid integer \(found 2.5\)$"),
        ({"k": True}, r"^f: k: Input should be a valid integer \(found True\)$"),
        ({"names": [3]}, r"^f: names: 0: Input should be a valid string \(found 3\)$"),
        ({"files": "b.npy"}, r"^f: files: Input should be a valid dictionary \(found 'b.npy'\)$"),
        ({"file": list(range(100))}, r"^f: file: Input should be a valid string$"),
    ],
)
def test_a_value_of_another_type_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        build("f", Parameters, given)
