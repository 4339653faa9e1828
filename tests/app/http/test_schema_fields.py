from __future__ import annotations

from typing import Any

import pytest

from riyl.app.http.schema_fields import FieldRow, default_of, fields_of, kind_of

DOCUMENT: dict[str, Any] = {
    "components": {
        "schemas": {
            "Seed": {
                "type": "object",
                "required": ["id"],
                "properties": {
                    "id": {"type": "string", "minLength": 1, "description": "Who."},
                    "weight": {"type": "number", "exclusiveMinimum": 0, "maximum": 1e9, "default": 1.0},
                },
            },
            "Cat": {"type": "object", "description": "Meows.", "properties": {"kind": {"const": "cat"}}},
            "Dog": {"type": "object", "description": "Barks.", "properties": {"kind": {"const": "dog"}, "a": {}}},
        }
    }
}
SEED = {"$ref": "#/components/schemas/Seed"}


def seed_rows(place: str) -> list[FieldRow]:
    """Return the rows of a seed's fields at a given place."""
    return [
        FieldRow(f"{place}.id", "string (at least 1 characters)", "required", "Who."),
        FieldRow(f"{place}.weight", "number (at most 1,000,000,000, more than 0)", "1.0", ""),
    ]


def test_fields_inside_fields_are_rows_below_their_own() -> None:
    schema = {
        "properties": {
            "seeds": {"type": "array", "items": SEED, "maxItems": 3, "default": []},
            "by": {"anyOf": [{"type": "object", "additionalProperties": SEED}, {"type": "null"}], "default": None},
            "best": SEED | {"description": "Of all.", "default": {"id": "a"}},
        }
    }
    assert list(fields_of(DOCUMENT, schema)) == [
        FieldRow("seeds", "list of object (at most 3 items)", "[]", ""),
        *seed_rows("seeds[]"),
        FieldRow("by", "object of object or null", "", ""),
        *seed_rows("by.{key}"),
        FieldRow("best", "object", "{}", "Of all."),
        *seed_rows("best"),
    ]


def test_each_of_several_kinds_stands_under_what_tells_it() -> None:
    refs = [{"$ref": f"#/components/schemas/{name}"} for name in ("Cat", "Dog")]
    schema = {"type": "array", "items": {"oneOf": refs, "discriminator": {"propertyName": "kind"}}}
    assert list(fields_of(DOCUMENT, {"properties": {"items": schema}})) == [
        FieldRow("items", "list of object", "", ""),
        FieldRow("items[]", "where kind is cat", "", "Meows."),
        FieldRow("items[].kind", "cat", "", ""),
        FieldRow("items[]", "where kind is dog", "", "Barks."),
        FieldRow("items[].kind", "dog", "", ""),
        FieldRow("items[].a", "anything", "", ""),
    ]


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        ({"type": "integer", "minimum": 1, "maximum": 10_000}, "integer (1 to 10,000)"),
        ({"type": "number", "minimum": 0.5}, "number (at least 0.5)"),
        ({"type": "number", "exclusiveMaximum": 2}, "number (less than 2)"),
        (
            {"type": "string", "minLength": 1, "maxLength": 5, "pattern": "^a"},
            "string (1 to 5 characters, matching ^a)",
        ),
        ({"type": "string", "format": "binary"}, "file"),
        ({"enum": ["worst", "best"], "type": "string"}, "worst or best"),
        (
            {"type": "object", "additionalProperties": {"type": "number"}, "maxProperties": 2},
            "object of number (at most 2 entries)",
        ),
        ({"anyOf": [{"type": "string"}, {"type": "integer"}, {"type": "string"}]}, "string or integer"),
    ],
)
def test_a_kind_has_its_bounds(schema: dict[str, Any], kind: str) -> None:
    assert kind_of(DOCUMENT, schema) == kind


@pytest.mark.parametrize(
    ("schema", "default"),
    [
        ({}, ""),
        ({"default": None}, ""),
        ({"default": True}, "true"),
        ({"default": "raw"}, "raw"),
        ({"default": 0}, "0"),
    ],
)
def test_a_default_is_written_as_it_is_sent(schema: dict[str, Any], default: str) -> None:
    assert default_of(schema) == default
