from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from riyl.core.catalog.tables import Tables
from riyl.core.changes.effective import ChangeKind, EffectiveChanges, after, write_effective
from riyl.core.changes.fold import FoldedTables, fold
from riyl.core.errors import FormatError, InputError
from riyl.core.files import sha256_of
from tests.conftest import write_tables

Fold = Callable[..., FoldedTables]


@pytest.fixture
def tables(tmp_path: Path) -> Tables:
    folder = write_tables(
        tmp_path / "tables",
        artists={
            "artist_id": ["b", "a", "c"],
            "name": ["Bob", "Ann", "Cy"],
            "mbid": ["mb", None, "mc"],
            "aliases": [["B"], None, ["C", "Cyd"]],
            "country": ["IS", None, "GB"],
            "year": [1990, 1991, None],
            "share": [0.5, None, 1.0],
            "live": [True, None, False],
            "empty": [None, None, None],
        },
        tags={"artist_id": ["a", "b", "a", "c"], "tag": ["ska", "dub", "dub", "ska"], "weight": [1.0, 2.0, 3.0, 4.0]},
        plays={"user_id": ["u", "v", "u"], "artist_id": ["a", "b", "c"], "count": [1, 2, 3]},
        audio={"artist_id": ["a", "b", "b"], "vector": [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]},
        similar={"artist_id": ["a"], "similar_id": ["b"]},
    )
    return Tables.open(folder)


@pytest.fixture
def folded(tables: Tables, tmp_path: Path) -> Fold:
    """Fold changes into the tables: a payload is put, None deletes, an id merges; effective changes stay."""

    def stands(artist: str, payload: dict[str, Any] | EffectiveChanges | str | None) -> EffectiveChanges | None:
        if isinstance(payload, EffectiveChanges):
            return payload
        return (
            after(None, artist, ChangeKind.PUT, payload)
            if isinstance(payload, dict)
            else EffectiveChanges(artist, True, {}, payload)
        )

    def make(**payload: dict[str, Any] | EffectiveChanges | str | None) -> FoldedTables:
        effective = [change for artist in sorted(payload) if (change := stands(artist, payload[artist])) is not None]
        identity = write_effective(tmp_path / "changes", effective)
        return fold(tables, tmp_path / "changes" / f"{identity}.ndjson", 7)

    return make


def rows(tables: Tables, table: str) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for batch in tables.batches(table) for row in batch.to_pylist()]


def left_out(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [m.removeprefix("change_left_out ") for m in caplog.messages]


def test_what_is_said_takes_the_place_of_what_the_tables_say_field_by_field(folded: Fold) -> None:
    changed = folded(
        a={"tags": {"noise": 9.0}, "mbid": "ma"},
        b={"plays": {"w": 5, "u": 6.5}, "vectors": {"audio": [[0.5, 0.25]]}},
        c={"name": "Cyd", "aliases": None, "tags": None},
    )
    assert rows(changed, "tags") == [("b", "dub", 2.0), ("a", "noise", 9.0)]
    assert rows(changed, "plays") == [("u", "a", 1.0), ("u", "c", 3.0), ("u", "b", 6.5), ("w", "b", 5.0)]
    assert rows(changed, "audio") == [("a", [1.0, 2.0]), ("b", [0.5, 0.25])]
    assert rows(changed, "similar") == [("a", "b")]
    artists = changed.artists().select(["artist_id", "name", "mbid", "aliases", "year"])
    assert [tuple(row.values()) for row in artists.to_pylist()] == [
        ("a", "Ann", "ma", None, 1991),
        ("b", "Bob", "mb", ["B"], 1990),
        ("c", "Cyd", "mc", None, None),
    ]


def test_the_deleted_are_in_no_table_and_the_new_in_all_that_say_something(folded: Fold) -> None:
    changed = folded(a=None, aa={"name": "New", "tags": {"ska": 1.0}, "vectors": {"audio": [[1.0, 1.0], [3.0, 1.0]]}})
    assert [row[0] for row in rows(changed, "artists")] == ["aa", "b", "c"]
    assert rows(changed, "tags") == [("b", "dub", 2.0), ("c", "ska", 4.0), ("aa", "ska", 1.0)]
    assert [row[1] for row in rows(changed, "plays")] == ["b", "c"]
    assert rows(changed, "audio") == [("b", [3.0, 4.0]), ("b", [5.0, 6.0]), ("aa", [1.0, 1.0]), ("aa", [3.0, 1.0])]


def test_the_merged_are_in_no_table_and_add_nothing_to_whom_they_are_merged_into(tables: Tables, folded: Fold) -> None:
    changed = folded(a="b", nobody="b")
    for table in ("artists", "tags", "plays", "audio", "similar"):
        assert rows(changed, table) == rows(folded(a=None), table)
    assert changed.artists().equals(tables.artists().slice(1))
    assert rows(changed, "tags") == [("b", "dub", 2.0), ("c", "ska", 4.0)]


@pytest.mark.parametrize("table", ["artists", "tags", "plays", "audio", "similar"])
def test_rows_are_of_the_tables_own_types_and_are_counted(tables: Tables, folded: Fold, table: str) -> None:
    changed = folded(
        a=None, b={"tags": {"x": 1, "y": 2}, "plays": {"u": 1}, "vectors": {"audio": [[1, 2]]}}, n={"name": "N"}
    )
    schemas = {str(batch.schema.remove_metadata()) for batch in changed.batches(table)}
    assert schemas == {str(batch.schema) for batch in tables.batches(table)}
    assert changed.count_rows(table) == len(rows(changed, table))


def test_attributes_come_in_their_columns_types_and_new_ones_behind_them(folded: Fold) -> None:
    changed = folded(
        a={"attributes": {"country": "SE", "year": 2000.0, "share": 1, "live": True, "empty": "no more", "zeta": 1}},
        b={"attributes": {"country": None, "zeta": 0.5, "alpha": True}},
        n={"name": "N", "attributes": {"alpha": False}},
    )
    artists = changed.artists()
    assert artists.column_names[4:] == ["country", "year", "share", "live", "empty", "alpha", "zeta"]
    kinds = [artists.schema.field(name).type for name in artists.column_names[4:]]
    assert kinds == [pa.string(), pa.int64(), pa.float64(), pa.bool_(), pa.string(), pa.bool_(), pa.float64()]
    assert [tuple(row.values())[4:] for row in artists.to_pylist()] == [
        ("SE", 2000, 1.0, True, "no more", None, 1.0),
        (None, 1990, 0.5, True, None, True, 0.5),
        ("GB", None, 1.0, False, None, None, None),
        (None, None, None, None, None, False, None),
    ]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("year", "1999", "found '1999'; wanted a whole number of 64 bits"),
        ("year", 1999.5, "found 1999.5; wanted a whole number"),
        ("year", True, "found True; wanted a whole number"),
        ("year", 2**63, "found 9223372036854775808; wanted a whole number of 64 bits"),
        ("share", "half", "found 'half'; wanted a number"),
        ("live", 1, "found 1; wanted true or false"),
        ("country", 7, "found 7; wanted text"),
    ],
)
def test_an_attribute_of_another_type_is_left_out_and_named(
    folded: Fold, caplog: pytest.LogCaptureFixture, name: str, value: Any, message: str
) -> None:
    row = folded(b={"name": "Bo", "attributes": {name: value}}).artists().to_pylist()[1]
    assert (row["name"], row["year"], row["share"], row["live"], row["country"]) == ("Bo", 1990, 0.5, True, "IS")
    (line,) = left_out(caplog)
    assert line.startswith(f"artist=b field=attributes.{name}: {message}")


def test_a_new_attribute_has_the_type_that_comes_first(folded: Fold, caplog: pytest.LogCaptureFixture) -> None:
    changed = folded(a={"attributes": {"new": None}}, b={"attributes": {"new": "x"}}, c={"attributes": {"new": 1}})
    assert changed.artists().column("new").to_pylist() == [None, "x", None]
    assert left_out(caplog) == ["artist=c field=attributes.new: found 1; wanted text"]


def test_what_has_no_place_is_left_out_named_and_the_tables_stand(
    folded: Fold, caplog: pytest.LogCaptureFixture
) -> None:
    changed = folded(
        a={"vectors": {"audio": [[1.0, 2.0, 3.0]], "bio": [[1.0]], "cf": None}, "tags": {"x": 1.0}},
        b={"vectors": {"tags": [[1.0, 2.0]], "cf": [[1.0, 2.0]]}},
    )
    assert rows(changed, "audio") == [("a", [1.0, 2.0]), ("b", [3.0, 4.0]), ("b", [5.0, 6.0])]
    assert rows(changed, "tags") == [("b", "dub", 2.0), ("c", "ska", 4.0), ("a", "x", 1.0)]
    assert list(changed.modalities) == ["audio", "cf", "tags"]
    assert left_out(caplog) == [
        "artist=a field=audio: found vectors of 3 numbers; the tables have vectors of 2 numbers",
        "artist=a field=bio: found vectors of 1 numbers; the tables have no such table",
        "artist=b field=cf: found vectors of 2 numbers; the tables have no such table",
        "artist=b field=tags: found vectors of 2 numbers; the tables have texts with numbers",
    ]
    assert all(record.levelno == logging.WARNING for record in caplog.records)


def test_an_artist_without_a_name_is_left_out_and_named(folded: Fold, caplog: pytest.LogCaptureFixture) -> None:
    assert folded(n={"mbid": "m"}).artists().num_rows == 3
    assert left_out(caplog) == ["artist=n: found no name in any table or change; wanted one"]


def test_other_changes_are_another_catalog_and_the_same_are_the_same(tables: Tables, folded: Fold) -> None:
    first, second = folded(a={"mbid": "x"}), folded(a={"mbid": "y"})
    assert first.digests() == {**tables.digests(), "changes.ndjson": sha256_of(first.effective)}
    assert first.digests() != second.digests()
    assert folded(a={"mbid": "x"}).digests() == first.digests()


def test_a_catalog_of_which_all_is_deleted_is_none(folded: Fold) -> None:
    with pytest.raises(InputError, match="found all of them deleted by changes"):
        folded(a=None, b=None, c=None).artists()


def test_a_damaged_file_of_changes_is_told(tables: Tables, folded: Fold) -> None:
    path = folded(a=None).effective
    path.write_text("{")
    with pytest.raises(FormatError, match="line 1: damaged"):
        fold(tables, path, 1)


def test_more_rows_than_a_batch_holds_come_in_several(folded: Fold, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("riyl.core.changes.fold.BATCH_ROWS", 3)
    changed = folded(a={"plays": {"u": 1, "v": 2}}, b={"plays": {"u": 3, "v": 4}}, c={"plays": {"u": 5}})
    assert [batch.num_rows for batch in changed.batches("plays")] == [0, 4, 1]
    assert rows(changed, "plays") == [("u", "a", 1), ("v", "a", 2), ("u", "b", 3), ("v", "b", 4), ("u", "c", 5)]


def patched(artist: str, *whole: str, **payload: Any) -> EffectiveChanges:
    return EffectiveChanges(artist, False, payload, whole=frozenset(whole))


def test_a_patch_is_merged_into_the_rows_of_the_tables_key_by_key(folded: Fold) -> None:
    changed = folded(
        a=patched("a", tags={" SKA": None, "noise": 9.0}, plays={"u": 7.0, "x": 1.0}),
        b=patched("b", tags={"dub": None}, plays={"V": None}),
        c=patched("c", tags={"Ska ": 2.5}, plays={"nobody": None}),
        n=patched("n", name="N", tags={"ska": 1.0, "dub": None}),
    )
    assert rows(changed, "tags") == [("a", "dub", 3.0), ("a", "noise", 9.0), ("c", "Ska ", 2.5), ("n", "ska", 1.0)]
    # listeners are compared exactly
    assert rows(changed, "plays") == [("v", "b", 2.0), ("u", "c", 3.0), ("u", "a", 7.0), ("x", "a", 1.0)]
    assert rows(changed, "audio") == [("a", [1.0, 2.0]), ("b", [3.0, 4.0]), ("b", [5.0, 6.0])]
    for table in ("tags", "plays", "audio", "artists"):
        assert changed.count_rows(table) == len(rows(changed, table))


def test_rows_that_come_to_the_tables_later_count_beside_a_patch(folded: Fold, tables: Tables) -> None:
    changed = folded(a=patched("a", plays={"u": None, "x": 5.0}))
    write_tables(
        tables.folder, plays={"user_id": ["u", "w", "x"], "artist_id": ["a", "a", "a"], "count": [100, 50, 10]}
    )
    assert rows(changed, "plays") == [("w", "a", 50.0), ("x", "a", 5.0)]


def test_a_field_that_is_taken_away_is_so_in_all_its_columns_and_tables(folded: Fold) -> None:
    changed = folded(
        a=patched("a", "attributes", "vectors", attributes={"year": 2000, "new": "x"}),
        b=patched("b", "vectors", "tags", vectors={"audio": [[9.0, 9.0]]}, tags={"x": 1.0}),
        c=patched("c", "attributes"),
    )
    artists = changed.artists().select(["artist_id", "name", "mbid", "country", "year", "share", "live", "new"])
    assert [tuple(row.values()) for row in artists.to_pylist()] == [
        ("a", "Ann", None, None, 2000, None, None, "x"),
        ("b", "Bob", "mb", "IS", 1990, 0.5, True, None),
        ("c", "Cy", "mc", None, None, None, None, None),
    ]
    assert rows(changed, "audio") == [("b", [9.0, 9.0])]
    assert rows(changed, "tags") == [("a", "ska", 1.0), ("a", "dub", 3.0), ("c", "ska", 4.0), ("b", "x", 1.0)]


def test_many_patches_give_what_a_merge_of_dictionaries_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("riyl.core.catalog.tables.BATCH_ROWS", 64)
    rng = np.random.default_rng(0)
    ids = [f"a{number:02d}" for number in range(40)]
    table_weights = {
        (artist, f"T{tag}"): float(rng.integers(1, 9)) for artist in ids for tag in range(12) if rng.random() < 0.5
    }
    tables = Tables.open(
        write_tables(
            tmp_path / "many",
            artists={"artist_id": ids, "name": ids},
            tags={
                "artist_id": [a for a, _ in table_weights],
                "tag": [t for _, t in table_weights],
                "weight": list(table_weights.values()),
            },
        )
    )
    expected = {(artist, tag.lower()): weight for (artist, tag), weight in table_weights.items()}
    effective = []
    for artist in ids[::2]:
        patch = {
            f"t{tag}": None if rng.random() < 0.5 else float(rng.integers(10, 20)) for tag in rng.permutation(14)[:6]
        }
        effective.append(patched(artist, tags=patch))
        for tag, weight in patch.items():
            expected.pop((artist, tag), None)
            if weight is not None:
                expected[artist, tag] = weight
    identity = write_effective(tmp_path, effective)
    changed = fold(tables, tmp_path / f"{identity}.ndjson", 1)
    tag_rows = rows(changed, "tags")
    assert {(artist, tag.lower()): weight for artist, tag, weight in tag_rows} == expected
    assert len(tag_rows) == len(expected) == changed.count_rows("tags")
