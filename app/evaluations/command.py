"""Command line of an evaluation, from its parameters: the report shows it, so that the evaluation can be repeated."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def option(name: str | None = None, *, repeated: bool = False) -> Mapping[str, Any]:
    """Return metadata for a field of parameters whose option does not follow the rules of `evaluate_command`.

    Args:
        name: the option, such as "--run" for a field `runs`; None is named after the field.
        repeated: whether a sequence repeats the option for each value, instead of separating values by commas.
    """
    return {"option": name, "repeated": repeated}


def evaluate_command(parameters: DataclassInstance) -> str:
    """Return the line `riyl evaluate ...` that gives these parameters, quoted for a POSIX shell.

    It has the parameters that differ from the default of their field, in the order of the fields. Without metadata
    (`option`), field `some_name` is option `--some-name`, and a field of one letter is `-k`. A sequence is one value,
    separated by commas; a mapping repeats the option with NAME=VALUE (VALUE for the name ""), as a repeated sequence of
    pairs does; True and
    False are `--some-name` and `--no-some-name`. None and empty sequences and mappings are left out: they have no
    option, and mean the same as the default.

    Args:
        parameters: a dataclass whose values are texts, numbers, truth values, paths, and sequences or mappings of them.
    """
    words = ["riyl", "evaluate"]
    for field in fields(parameters):
        value = vars(parameters)[field.name]
        if value is None or _plain(value) == _plain(_default(field)):
            continue
        for text in _values(value, repeated=field.metadata.get("repeated", False)):
            words += _words(_option(field), text)
    return shlex.join(words)


def _default(field: Field[Any]) -> Any:
    if field.default_factory is not MISSING:
        return field.default_factory()
    return field.default


def _option(field: Field[Any]) -> str:
    dashes = "-" if len(field.name) == 1 else "--"
    return str(field.metadata.get("option") or dashes + field.name.replace("_", "-"))


def _words(name: str, value: str | bool) -> list[str]:
    if isinstance(value, bool):
        return [name if value else f"--no-{name.removeprefix('--')}"]
    return [name, value]


def _values(value: Any, *, repeated: bool) -> Iterator[str | bool]:
    """Yield the values of an option, one for each time that it is given."""
    if isinstance(value, bool):
        yield value
    elif isinstance(value, Mapping):
        yield from (f"{name}={each}" if name else str(each) for name, each in value.items())
    elif not _is_sequence(value):
        yield str(value)
    elif repeated:
        yield from ("=".join(map(str, each)) if isinstance(each, tuple) else str(each) for each in value)
    elif value:
        yield ",".join(map(str, value))


def _plain(value: Any) -> Any:
    """Return a value for comparison: a list equals a tuple, and a path its text."""
    if isinstance(value, Path):
        return str(value)
    return [_plain(each) for each in value] if _is_sequence(value) else value


def _is_sequence(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)
