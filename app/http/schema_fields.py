"""Fields of a request as rows of a table, from the schemas of an OpenAPI document."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from riyl.app.http.examples import OpenApi

BOUNDS = (
    ("minimum", "maximum", ""),
    ("minLength", "maxLength", " characters"),
    ("minItems", "maxItems", " items"),
    ("minProperties", "maxProperties", " entries"),
)
"""Keywords of a schema for the minimum and the maximum, and their unit."""


@dataclass(frozen=True)
class FieldRow:
    """A field of a request.

    Attributes:
        name: with the fields around it: `filters.listeners.gte`; `[]` is an item of a list, `{key}` a key of an object.
        kind: type, and bounds in brackets.
        default: "required", or the value of a field that is left out; empty where there is no default.
    """

    name: str
    kind: str
    default: str
    description: str


def fields_of(document: OpenApi, schema: OpenApi, prefix: str = "") -> Iterator[FieldRow]:
    """Yield every field of a schema, each followed by the fields of the schemas inside it."""
    schema = resolved(document, schema)
    choices = [resolved(document, choice) for choice in (*schema.get("oneOf", ()), *schema.get("anyOf", ()))]
    if "discriminator" in schema:
        told_by = schema["discriminator"]["propertyName"]
        for choice in choices:
            yield FieldRow(prefix, f"where {told_by} is {_value(choice['properties'][told_by])}", "", _text(choice))
            yield from fields_of(document, choice, prefix)
        return
    for choice in choices:
        yield from fields_of(document, choice, prefix)
    if "items" in schema:
        yield from fields_of(document, schema["items"], f"{prefix}[]")
    if isinstance(schema.get("additionalProperties"), dict):
        yield from fields_of(document, schema["additionalProperties"], f"{prefix}.{{key}}" if prefix else "{key}")
    for name, field in schema.get("properties", {}).items():
        full_name = f"{prefix}.{name}" if prefix else name
        required = name in schema.get("required", ())
        yield FieldRow(full_name, kind_of(document, field), "required" if required else default_of(field), _text(field))
        yield from fields_of(document, field, full_name)


def kind_of(document: OpenApi, schema: OpenApi) -> str:
    """Return the type and bounds of a value, in words."""
    schema = resolved(document, schema)
    if choices := [*schema.get("oneOf", ()), *schema.get("anyOf", ())]:
        return " or ".join(dict.fromkeys(kind_of(document, choice) for choice in choices))
    kind, bounds = _type(document, schema), ", ".join(_bounds(schema))
    return f"{kind} ({bounds})" if bounds else kind


def default_of(schema: OpenApi) -> str:
    """Return the default of a value; empty where there is none."""
    if "default" not in schema or schema["default"] is None:
        return ""
    default = schema["default"]
    return "{}" if isinstance(default, dict) else default if isinstance(default, str) else json.dumps(default)


def resolved(document: OpenApi, schema: OpenApi) -> OpenApi:
    """Return the schema, or the one that it refers to; members beside the reference take precedence."""
    if "$ref" not in schema:
        return schema
    referred: OpenApi = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    overriding = {name: value for name, value in schema.items() if name != "$ref"}
    return {**resolved(document, referred), **overriding}


def _type(document: OpenApi, schema: OpenApi) -> str:
    if "const" in schema or "enum" in schema:
        return _value(schema)
    match schema.get("type", "anything"):
        case "array":
            return f"list of {kind_of(document, schema.get('items', {}))}"
        case "object" if isinstance(schema.get("additionalProperties"), dict):
            return f"object of {kind_of(document, schema['additionalProperties'])}"
        case "string" if schema.get("format") == "binary":
            return "file"
        case kind:
            return str(kind)


def _value(schema: OpenApi) -> str:
    return str(schema["const"]) if "const" in schema else " or ".join(str(value) for value in schema["enum"])


def _bounds(schema: OpenApi) -> Iterator[str]:
    for least, most, what in BOUNDS:
        if least in schema and most in schema:
            yield f"{_number(schema[least])} to {_number(schema[most])}{what}"
        elif least in schema:
            yield f"at least {_number(schema[least])}{what}"
        elif most in schema:
            yield f"at most {_number(schema[most])}{what}"
    if "exclusiveMinimum" in schema:
        yield f"more than {_number(schema['exclusiveMinimum'])}"
    if "exclusiveMaximum" in schema:
        yield f"less than {_number(schema['exclusiveMaximum'])}"
    if "pattern" in schema:
        yield f"matching {schema['pattern']}"


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{int(value):,}" if value.is_integer() else str(value)


def _text(schema: OpenApi) -> str:
    return str(schema.get("description", ""))
