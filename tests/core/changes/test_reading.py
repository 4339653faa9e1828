"""Effects of changes on an artist, case by case."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from riyl.core.changes.effective import EffectiveChanges
from riyl.core.changes.reading import Says, attributes_after, identity_after, table_changes

TERMS = {"tags": 0, "plays": 0, "audio": 2, "attributes": 1}
VECTORS = {"tags": 3, "cf": 1, "audio": 2}


def changes(*whole: str, **payload: Any) -> EffectiveChanges:
    return EffectiveChanges("a", False, payload, whole=frozenset(whole))


@pytest.mark.parametrize(
    ("effective", "widths", "expected"),
    [
        (changes(name="A"), TERMS, []),
        (changes(tags={"x": 1.0, "y": None}), TERMS, [("tags", Says.OVER, {"x": 1.0, "y": None})]),
        (changes("tags", tags={"x": 1.0}), TERMS, [("tags", Says.ALL, {"x": 1.0})]),
        (changes("tags", "plays"), TERMS, [("tags", Says.NOTHING, {}), ("plays", Says.NOTHING, {})]),
        (changes(vectors={"audio": [[1.0, 2.0]]}), TERMS, [("audio", Says.ALL, [[1.0, 2.0]])]),
        (changes(vectors={"audio": None}), TERMS, [("audio", Says.NOTHING, {})]),
        (changes("vectors"), TERMS, [("audio", Says.NOTHING, {}), ("attributes", Says.NOTHING, {})]),
        (changes("attributes"), TERMS, []),
        # of another width, or of a missing table: the table keeps its rows, even if others lose theirs
        (changes(vectors={"audio": [[1.0]], "bio": [[1.0]]}), TERMS, []),
        (changes("vectors", vectors={"audio": [[1.0]]}), TERMS, [("attributes", Says.NOTHING, {})]),
        # terms and vectors of the same name
        (changes(tags={"x": 1.0}, vectors={"tags": [[1.0]]}), TERMS, [("tags", Says.OVER, {"x": 1.0})]),
        (changes(vectors={"tags": None}), TERMS, [("tags", Says.NOTHING, {})]),
        (changes(tags={"x": 1.0}, vectors={"tags": None}), TERMS, [("tags", Says.OVER, {"x": 1.0})]),
        (changes(tags={"x": 1.0}, plays={"u": 1.0}), VECTORS, []),
        (changes("tags", "plays"), VECTORS, [("tags", Says.NOTHING, {})]),
        (changes("tags", vectors={"tags": [[1, 2, 3]]}), VECTORS, [("tags", Says.ALL, [[1, 2, 3]])]),
        (changes("tags", vectors={"tags": [[1, 2]]}), VECTORS, [("tags", Says.NOTHING, {})]),
        (changes(vectors={"cf": [[1.0]], "plays": [[1.0]]}), VECTORS, [("cf", Says.ALL, [[1.0]])]),
        (EffectiveChanges("a", True, {}), TERMS, []),
    ],
)
def test_of_each_table_it_is_read_what_is_said(
    effective: EffectiveChanges, widths: dict[str, int], expected: list[tuple[str, Says, Any]]
) -> None:
    assert list(table_changes(effective, widths)) == expected


def test_name_mbid_and_aliases_are_those_that_are_said_and_else_those_of_the_tables() -> None:
    base = {"name": "A", "mbid": "m", "aliases": ["B"], "country": "IS"}
    assert identity_after(changes(mbid=None), base) == {"name": "A", "mbid": None, "aliases": ["B"]}
    assert identity_after(changes(name="C", aliases=["D"]), {}) == {"name": "C", "mbid": None, "aliases": ["D"]}


@pytest.mark.parametrize(
    ("effective", "expected"),
    [
        (changes(), {"year": 1990, "country": "IS"}),
        (changes(attributes={"year": 2000.0, "new": 1}), {"year": 2000, "country": "IS", "new": 1}),
        (changes(attributes={"year": None}), {"year": None, "country": "IS"}),
        (changes("attributes"), {}),
        (changes("attributes", attributes={"country": "SE"}), {"country": "SE"}),
    ],
)
def test_attributes_have_the_types_of_their_columns(effective: EffectiveChanges, expected: dict[str, Any]) -> None:
    attributes = attributes_after(
        effective, {"year": 1990, "country": "IS"}, {"year": pa.int64(), "country": pa.string()}
    )
    assert {name: (type(value), value) for name, value in attributes.items()} == {
        name: (type(value), value) for name, value in expected.items()
    }


def test_an_attribute_of_another_type_is_left_out_and_named(caplog: pytest.LogCaptureFixture) -> None:
    effective = changes(attributes={"year": "1999", "country": "SE"})
    assert attributes_after(effective, {"year": 1990}, {"year": pa.int64()}) == {"year": 1990, "country": "SE"}
    assert caplog.messages == [
        "change_left_out artist=a field=attributes.year: found '1999'; wanted a whole number of 64 bits"
    ]
