"""Errors of training configs: each names the source, the key, the value found and the values wanted."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from riyl.core.errors import ConfigError
from riyl.training.config_fields import SettingField, fields_of
from riyl.training.config_files import KIND, METHOD, Key, Layer, Table, merged, source_of

NEAR = 0.8
"""Similarity from which on a name of another section counts as a misspelling, from 0 to 1."""


def method_error(method: object, methods: Iterable[str], layers: Sequence[Layer]) -> ConfigError:
    """Return the error of a config without a method, or with one that does not exist."""
    near = difflib.get_close_matches(str(method), list(methods), 1)
    missing = "none" if method is None else repr(method)
    return ConfigError(
        f"{_source(layers, (METHOD,))}: {METHOD}: found {missing}; wanted one of {', '.join(methods)}"
        f"{f'; the nearest is {near[0]}' if near else ''}"
    )


def settings_error(
    error: ValidationError, settings: type[BaseModel], layers: Sequence[Layer], renamed: Mapping[str, str]
) -> ConfigError:
    """Return the error that describes all faults of a config.

    Args:
        error: faults that pydantic found in the merged layers.
        settings: model of the method's settings.
        layers: sources of the settings, each of which takes precedence over those after it.
        renamed: names of settings of earlier releases, each with its present name.
    """
    table, fields = merged(layers), fields_of(settings)
    faults = []
    for fault in error.errors(include_url=False):
        key = _key(fault, table)
        faults.append(f"{_source(layers, key)}: {_written(fault, key)}: {_wrong(fault, key, table, fields, renamed)}")
    return ConfigError("; ".join(faults))


def _wrong(
    fault: ErrorDetails, key: Key, table: Table, fields: Sequence[SettingField], renamed: Mapping[str, str]
) -> str:
    """Describe a fault: the value found and the values wanted."""
    value = fault["input"]
    match fault["type"]:
        case "extra_forbidden" if key[-1] in renamed:
            return f"found a name of an earlier release; wanted {renamed[key[-1]]}"
        case "extra_forbidden":
            return f"found an unknown setting with the value {value!r}; wanted {_known(key, table, fields)}"
        case "missing":
            return "found no value; wanted one"
        case "union_tag_not_found":
            return f"found no {KIND}; wanted {_kinds(key, fields)}"
        case "union_tag_invalid":
            return f"found {value.get(KIND)!r}; wanted {_kinds(key, fields)}"
        case "model_type" | "model_attributes_type" | "dict_type":
            return f"found {value!r}; wanted a section"
        case "value_error":
            return fault["msg"].removeprefix("Value error, ")
    wanted = fault["msg"].removeprefix("Input should be ")
    return f"found {value!r}; wanted {'a number ' if wanted.startswith(('greater', 'less')) else ''}{wanted}"


def _known(key: Key, table: Table, fields: Sequence[SettingField]) -> str:
    """Name the known key that is nearest to an unknown one; without a near one, all keys of its section."""
    kind = _at(table, key[:-1]).get(KIND)
    siblings = [
        field
        for field in fields
        if len(field.key) == len(key) and field.describes((*key[:-1], field.key[-1])) and field.kind in (None, kind)
    ]
    named = ", ".join(field.key[-1] for field in siblings)
    if other := [field.kind for field in fields if field.describes(key)]:
        return f'{KIND} = "{other[0]}", which has this setting, or one of {named}'
    near = difflib.get_close_matches(key[-1], [field.key[-1] for field in siblings], 1)
    if near:
        return f"{'.'.join((*key[:-1], near[0]))}, the nearest known one"
    # a setting of another section, whose name was left out
    if near := difflib.get_close_matches(key[-1], [field.key[-1] for field in fields], 1, cutoff=NEAR):
        return " or ".join(dict.fromkeys(".".join(field.key) for field in fields if field.key[-1] == near[0]))
    return f"one of {named}"


def _kinds(key: Key, fields: Sequence[SettingField]) -> str:
    return next(field.values for field in fields if field.describes(key if key[-1] == KIND else (*key, KIND)))


def _key(fault: ErrorDetails, table: Table) -> Key:
    """Return the key of a fault; its location also contains kinds of sections and positions in lists."""
    node: Any = table
    key: list[str] = []
    location = fault["loc"]
    for position, part in enumerate(location):
        last = position == len(location) - 1
        if isinstance(node, Mapping) and part in node:
            node = node[part]
            key.append(str(part))
        elif isinstance(node, Mapping) and last and fault["type"] == "missing":
            key.append(str(part))
    if fault["type"] == "union_tag_invalid":
        key.append(KIND)
    return tuple(key)


def _written(fault: ErrorDetails, key: Key) -> str:
    """Write a key with dots, and a position in a list in brackets."""
    position = fault["loc"][-1]
    return ".".join(key) + (f"[{position}]" if isinstance(position, int) else "")


def _at(table: Table, key: Key) -> Table:
    node: Any = table
    for part in key:
        node = node[part]
    return node if isinstance(node, Mapping) else {}


def _source(layers: Sequence[Layer], key: Key) -> str:
    """Return the source of a setting; of a missing one, the config that has no base."""
    return source_of(layers, key) or layers[-1].source
