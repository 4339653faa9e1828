"""Keyword arguments of the Python interface that are the fields of another class."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_origin, get_type_hints

import numpy as np
from pydantic import TypeAdapter, ValidationError

from riyl.core.errors import InputError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

MAX_SHOWN_LENGTH = 100
"""Maximum length of a value in an error, in characters; a longer one is left out."""

Function = TypeVar("Function", bound=Callable[..., Any])
Built = TypeVar("Built", bound="DataclassInstance")


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


def build(function: str, kind: type[Built], given: Mapping[str, Any]) -> Built:
    """Build a dataclass of plain values from the keywords of a function.

    Paths become texts, numbers of NumPy Python's, and a single text becomes a list where a sequence is wanted.

    Args:
        function: name of the function, for messages.
        kind: the dataclass.
        given: values by field.

    Raises:
        InputError: a keyword is unknown, or a value has another type; the message has the value found.
    """
    check_names(function, given, [each.name for each in fields(kind)])
    hints = get_type_hints(kind)
    values = {}
    for name, value in given.items():
        plain = _plain(value, _takes_sequence(hints[name]))
        try:
            values[name] = TypeAdapter[Any](hints[name]).validate_python(plain, strict=True)
        except ValidationError as error:
            raise InputError(f"{function}: {name}: {described(error)}") from error
    return kind(**values)


def described(error: ValidationError) -> str:
    """Describe the faults of a validation on one line: the field, the form wanted and the value found."""
    faults = []
    for each in error.errors():
        where = ".".join(map(str, each["loc"]))
        fault = f"{where}: {each['msg']}" if where else str(each["msg"])
        shown = repr(each["input"])
        faults.append(fault if len(shown) > MAX_SHOWN_LENGTH else f"{fault} (found {shown})")
    return "; ".join(faults)


def _plain(value: Any, as_list: bool) -> Any:
    if isinstance(value, Path):
        value = str(value)
    if isinstance(value, str):
        return [value] if as_list else value
    if isinstance(value, np.integer):
        return int(value)
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
