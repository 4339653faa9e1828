"""Keyword arguments of the Python interface that are the fields of another class."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_origin, get_type_hints

from riyl.core.errors import InputError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Function = TypeVar("Function", bound=Callable[..., Any])


def with_fields_of(kind: type[DataclassInstance]) -> Callable[[Function], Function]:
    """Give a function with **parameters the signature that `help` and editors show: the fields of a dataclass.

    Parameters that the function names itself come where it has them, and are not repeated.
    """

    def decorate(function: Function) -> Function:
        named = inspect.signature(function)
        listed = [each for each in named.parameters.values() if each.kind is not inspect.Parameter.VAR_KEYWORD]
        taken = {each.name for each in listed}
        listed += [
            inspect.Parameter(each.name, inspect.Parameter.KEYWORD_ONLY, default=_default(each), annotation=each.type)
            for each in fields(kind)
            if each.name not in taken
        ]
        vars(function)["__signature__"] = named.replace(parameters=listed)
        return function

    return decorate


def check_names(function: str, given: Collection[str], wanted: Collection[str]) -> None:
    """Refuse keywords that a function does not take.

    Raises:
        InputError: there is one; the message has the nearest known name, or else all of them.
    """
    for name in given:
        if name not in wanted:
            near = difflib.get_close_matches(name, wanted, 1)
            meant = repr(near[0]) if near else f"one of {', '.join(sorted(wanted))}"
            raise InputError(f"{function}: found the keyword {name!r}; wanted {meant}")


def plain_values(kind: type[DataclassInstance], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return values for the fields of a dataclass: paths as texts, and a single text for a sequence as a list."""
    hints = get_type_hints(kind)
    return {name: _plain(value, _takes_sequence(hints.get(name))) for name, value in given.items()}


def _plain(value: Any, as_list: bool) -> Any:
    if isinstance(value, Path):
        value = str(value)
    if isinstance(value, str):
        return [value] if as_list else value
    if isinstance(value, Mapping):
        return {name: _plain(each, False) for name, each in value.items()}
    if isinstance(value, Sequence):
        return [_plain(each, False) for each in value]
    return value


def _takes_sequence(hint: Any) -> bool:
    return any(get_origin(each) is Sequence for each in (hint, *get_args(hint)))


def _default(field: Field[Any]) -> Any:
    if field.default is not MISSING:
        return field.default
    return inspect.Parameter.empty if field.default_factory is MISSING else field.default_factory()
