"""Fields of the settings of a method, as one flat list, from the JSON schema of their pydantic model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from riyl.training.config_files import KIND, Key

MODALITY = "MODALITY"
"""Part of a key that stands for the name of any modality."""

DEPTH = "DEPTH"
"""Part of a key that stands for the length of any list."""

_TYPES = {"integer": "whole number", "number": "number", "boolean": "true or false", "string": "text"}
_PLURALS = {"integer": "whole numbers", "number": "numbers", "string": "texts"}


@dataclass(frozen=True)
class SettingField:
    """Description of a setting.

    Attributes:
        key: path of the setting; `MODALITY` in it stands for any modality, and `DEPTH` for any length of a list.
        kind: kind of section that has the setting; None where all kinds have it.
        values: type and range.
        default: value where the setting is not given, as JSON; None where it must be given.
        meaning: meaning, unit and reason of the default, on one line.
        is_section: whether it holds further settings, which are fields of their own.
    """

    key: Key
    kind: str | None
    values: str
    default: Any
    meaning: str
    is_section: bool = False

    def describes(self, key: Key) -> bool:
        """Check whether `key` is this setting's key, with any name in the place of `MODALITY` or `DEPTH`."""
        return len(key) == len(self.key) and all(
            part in (MODALITY, DEPTH, other) for part, other in zip(self.key, key, strict=True)
        )


def fields_of(settings: type[BaseModel]) -> list[SettingField]:
    """List the fields of a model of settings, in their order; sections come before their fields."""
    schema = settings.model_json_schema()
    return list(_fields(schema, schema.get("$defs", {}), (), None))


def field_of(fields: Sequence[SettingField], key: Key, kind: str | None = None) -> SettingField | None:
    """Return the field of a key; of a section of this kind where several kinds have such a key; None if none has."""
    matching = [field for field in fields if field.describes(key)]
    return next((field for field in matching if field.kind in (None, kind)), matching[0] if matching else None)


def _fields(
    node: Mapping[str, Any], definitions: Mapping[str, Any], above: Key, kind: str | None
) -> Iterator[SettingField]:
    """Yield the fields of a section."""
    for name, field in node["properties"].items():
        key = (*above, name)
        if "const" in field:
            continue  # the method, and the kind of a section, which `_by_key` describes
        meaning, default = _one_line(field["description"]), field.get("default")
        reference = field.get("$ref")
        if reference is not None:
            section = _definition(reference, definitions)
            yield SettingField(key, kind, "section", None, meaning, is_section=True)
            yield from _fields(section, definitions, key, kind)
        elif isinstance(field.get("additionalProperties"), Mapping):
            yield from _by_key(field, definitions, key, meaning)
        else:
            yield SettingField(key, kind, _values(field), default, meaning)


def _by_key(field: Mapping[str, Any], definitions: Mapping[str, Any], key: Key, meaning: str) -> Iterator[SettingField]:
    """Yield a setting with a value, or with a section of some kind, for each modality or depth."""
    values, key_of_any = field["additionalProperties"], (*key, field.get("key_of_any", MODALITY))
    if "$ref" in values:
        yield SettingField(key, None, "section", None, meaning, is_section=True)
        section = _definition(values["$ref"], definitions)
        yield SettingField(key_of_any, None, "section", None, _one_line(section["description"]), is_section=True)
        yield from _fields(section, definitions, key_of_any, None)
        return
    if "discriminator" not in values:
        yield SettingField(key, None, "section", None, meaning, is_section=True)
        yield SettingField(key_of_any, None, _values(values), None, meaning)
        return
    references = values["discriminator"]["mapping"]
    kinds = {kind: _definition(reference, definitions) for kind, reference in references.items()}
    yield SettingField(key, None, "section", None, meaning, is_section=True)
    described = ", ".join(f'"{kind}"' for kind in kinds)
    means = " ".join(f"`{kind}`: {_one_line(section['description'])}" for kind, section in kinds.items())
    first = next(iter(kinds.values()))["properties"][KIND]["description"]
    yield SettingField((*key_of_any, KIND), None, f"one of {described}", None, f"{_one_line(first)} {means}")
    for kind, section in kinds.items():
        yield from _fields(section, definitions, key_of_any, kind)


def _definition(reference: str, definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    definition: Mapping[str, Any] = definitions[reference.rpartition("/")[2]]
    return definition


def _values(field: Mapping[str, Any]) -> str:
    """Describe type and range of a value."""
    if "enum" in field:
        return "one of " + ", ".join(f'"{value}"' for value in field["enum"])
    if field["type"] == "array":
        return f"list of {_PLURALS[field['items']['type']]}{_range(field['items'])}"
    return _TYPES[field["type"]] + _range(field)


def _range(field: Mapping[str, Any]) -> str:
    bounds = {"minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most", "exclusiveMaximum": "below"}
    stated = [f"{words} {field[name]:g}" for name, words in bounds.items() if name in field]
    return f", {' and '.join(stated)}" if stated else ""


def _one_line(text: str) -> str:
    return " ".join(text.split())
