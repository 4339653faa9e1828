from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riyl.core.changes.effective import (
    ChangeKind,
    EffectiveChanges,
    after,
    check_entries,
    counts_of,
    read_effective,
    same,
    write_effective,
)
from riyl.core.errors import FormatError, InputError

A = EffectiveChanges("a", False, {"name": "Ä", "tags": {"ska": 1.5}}, whole=frozenset({"tags"}))
B = EffectiveChanges("b", True, {})
C = EffectiveChanges("c", True, {}, "a")
D = EffectiveChanges("d", True, {}, "a", "m")


def test_what_stands_is_written_under_its_contents_id_and_found_again(tmp_path: Path) -> None:
    identity = write_effective(tmp_path / "new", iter([A, B]))
    assert identity is not None
    (path,) = (tmp_path / "new").iterdir()
    assert path.name == f"{identity}.ndjson"
    assert [json.loads(line) for line in path.read_text().splitlines()] == [
        {"artist": "a", "deleted": False, "payload": {"name": "Ä", "tags": {"ska": 1.5}}, "whole": ["tags"]},
        {"artist": "b", "deleted": True, "payload": {}},
    ]
    assert list(read_effective(path)) == [A, B]
    again = EffectiveChanges("a", False, {"tags": {"ska": 1.5}, "name": "Ä"}, whole=frozenset({"tags"}))
    assert write_effective(tmp_path / "new", [again, B]) == identity
    assert write_effective(tmp_path / "new", [A]) != identity
    assert write_effective(tmp_path / "new", [replace(A, whole=frozenset()), B]) != identity
    assert len(list((tmp_path / "new").iterdir())) == 3


def test_where_nothing_stands_there_is_no_file(tmp_path: Path) -> None:
    assert write_effective(tmp_path, []) is None
    assert list(tmp_path.iterdir()) == []


def test_a_failure_on_the_way_leaves_nothing(tmp_path: Path) -> None:
    def query_results() -> Iterator[EffectiveChanges]:
        yield A
        raise KeyError

    with pytest.raises(KeyError):
        write_effective(tmp_path, query_results())
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    identity = write_effective(tmp_path, [A, B])
    path = tmp_path / f"{identity}.ndjson"
    path.write_text(path.read_text()[:-5])
    with pytest.raises(FormatError, match="line 2: damaged"):
        list(read_effective(path))
    path.write_text('{"artist": "a"}\n')
    with pytest.raises(FormatError, match="line 1: damaged"):
        list(read_effective(path))


def test_whom_an_artist_was_merged_into_is_written_and_read(tmp_path: Path) -> None:
    identity = write_effective(tmp_path, [B, C, D])
    path = tmp_path / f"{identity}.ndjson"
    assert path.read_text() == (
        '{"artist":"b","deleted":true,"payload":{}}\n'
        '{"artist":"c","deleted":true,"into":"a","payload":{}}\n'
        '{"artist":"d","deleted":true,"into":"a","mbid":"m","payload":{}}\n'
    )
    assert list(read_effective(path)) == [B, C, D]


def test_a_merge_leaves_nothing_said_until_the_artist_is_put_again() -> None:
    assert after(A, "a", ChangeKind.MERGE, {"into": "z"}) == EffectiveChanges("a", True, {}, "z")
    assert after(D, "d", ChangeKind.MERGE, {"into": "z"}) == EffectiveChanges("d", True, {}, "z")
    assert after(D, "d", ChangeKind.DELETE, {}) == EffectiveChanges("d", True, {})
    assert after(D, "d", ChangeKind.PUT, {"name": "D"}) == EffectiveChanges("d", False, {"name": "D"})


def test_a_patch_leaves_the_deleted_deleted_and_the_merged_merged() -> None:
    assert after(B, "b", ChangeKind.PATCH, {"name": "B"}) == B
    assert after(D, "d", ChangeKind.PATCH, {"name": "D"}) == D
    assert after(None, "b", ChangeKind.DROP, {"numbers": [1]}) is None


def test_a_file_of_an_earlier_release_replaces_what_the_tables_say(tmp_path: Path) -> None:
    path = tmp_path / "old.ndjson"
    payload = {"attributes": {"x": None}, "tags": {"ska": 1.0}, "plays": None, "vectors": {"audio": None}}
    path.write_text(json.dumps({"artist": "a", "deleted": False, "payload": payload}) + "\n")
    expected_payload = {"attributes": {"x": None}, "tags": {"ska": 1.0}, "vectors": {"audio": None}}
    assert list(read_effective(path)) == [
        EffectiveChanges("a", False, expected_payload, whole=frozenset({"tags", "plays"}))
    ]


PUT, PATCH, REPLACE = ChangeKind.PUT, ChangeKind.PATCH, ChangeKind.REPLACE


@pytest.mark.parametrize(
    ("changes", "payload", "whole_fields"),
    [
        # a patch is merged into the tables, and its nulls remove their values
        ([(PATCH, {"tags": {"ska": 1, "dub": None}})], {"tags": {"ska": 1, "dub": None}}, set()),
        ([(PATCH, {"tags": {}, "plays": {}, "attributes": {}, "vectors": {}})], {}, set()),
        ([(PATCH, {"tags": None})], {}, {"tags"}),
        ([(PATCH, {"attributes": None, "vectors": None})], {}, {"attributes", "vectors"}),
        ([(PATCH, {"mbid": None, "aliases": None})], {"mbid": None, "aliases": None}, set()),
        # several patches merge into one
        (
            [(PATCH, {"plays": {"u": 1, "v": 2}}), (PATCH, {"plays": {"v": None}})],
            {"plays": {"u": 1, "v": None}},
            set(),
        ),
        ([(PATCH, {"plays": {"v": None}}), (PATCH, {"plays": {"v": 3}})], {"plays": {"v": 3}}, set()),
        ([(PATCH, {"tags": None}), (PATCH, {"tags": {"ska": 1, "dub": None}})], {"tags": {"ska": 1}}, {"tags"}),
        (
            [(PATCH, {"attributes": None}), (PATCH, {"attributes": {"x": 1, "y": None}})],
            {"attributes": {"x": 1}},
            {"attributes"},
        ),
        ([(PATCH, {"vectors": {"a": [[1]]}}), (PATCH, {"vectors": {"a": None}})], {"vectors": {"a": None}}, set()),
        # a put replaces, single entries of attributes and vectors, and a patch after it is applied to it
        (
            [
                (PUT, {"name": "N", "tags": {"ska": 1, "dub": 2}}),
                (PATCH, {"tags": {"ska": None, "noise": 3, "x": None}}),
            ],
            {"name": "N", "tags": {"dub": 2, "noise": 3}},
            {"tags"},
        ),
        ([(PUT, {"tags": {"ska": 1}}), (PATCH, {"tags": {"ska": None}})], {}, {"tags"}),
        ([(PUT, {"tags": None}), (PATCH, {"plays": {"u": 1}})], {"plays": {"u": 1}}, {"tags"}),
        ([(PUT, {"attributes": {"x": None, "y": 1}})], {"attributes": {"x": None, "y": 1}}, set()),
        # a put after a patch replaces it
        ([(PATCH, {"tags": {"ska": None}, "mbid": "m"}), (PUT, {"name": "N"})], {"name": "N"}, set()),
        # tags that compare as equal are one tag, in any spelling
        (
            [(PATCH, {"tags": {"Ska": 1, "dub": 2}}), (PATCH, {"tags": {" SKA": None}})],
            {"tags": {"dub": 2, " SKA": None}},
            set(),
        ),
        (
            [(PUT, {"tags": {"Ska": 1, "ska": 2, "\uff24ub": 3}}), (PATCH, {"tags": {"SKA": 5, "Dub": None}})],
            {"tags": {"SKA": 5}},
            {"tags"},
        ),
        ([(PATCH, {"plays": {"U": 1}}), (PATCH, {"plays": {"u": 2}})], {"plays": {"U": 1, "u": 2}}, set()),
        # a patch of an earlier release replaces fields
        ([(REPLACE, {"tags": {"ska": 1}}), (REPLACE, {"tags": {"dub": 2}})], {"tags": {"dub": 2}}, {"tags"}),
        ([(PATCH, {"plays": {"u": 1}}), (REPLACE, {"plays": None, "mbid": "m"})], {"mbid": "m"}, {"plays"}),
    ],
)
def test_what_stands_after_several_changes(
    changes: list[tuple[ChangeKind, dict[str, Any]]], payload: dict[str, Any], whole_fields: set[str]
) -> None:
    stands: EffectiveChanges | None = None
    original = deepcopy(changes)
    for kind, each in changes:
        stands = after(stands, "a", kind, each)
    assert stands == EffectiveChanges("a", False, payload, whole=frozenset(whole_fields))
    assert changes == original


def merge_patch(target: Any, patch: Any) -> Any:
    """Apply a merge patch as in RFC 7396, section 2."""
    if not isinstance(patch, dict):
        return patch
    target = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            target.pop(name, None)
        else:
            target[name] = merge_patch(target.get(name), value)
    return target


def applied(tables: dict[str, Any], stands: EffectiveChanges) -> dict[str, Any]:
    """Apply effective changes to an artist's values in the tables; fields in `whole` first lose these values."""
    return merge_patch({name: value for name, value in tables.items() if name not in stands.whole}, stands.payload)


_entries = st.dictionaries(st.sampled_from(["a", "b", "c"]), st.integers(1, 3))
_documents = st.fixed_dictionaries(
    {}, optional={"mbid": st.sampled_from(["m", "n"]), "attributes": _entries, "tags": _entries, "plays": _entries}
)
_nullable = st.dictionaries(st.sampled_from(["a", "b", "c"]), st.none() | st.integers(1, 3))
_patches = st.fixed_dictionaries(
    {},
    optional={
        "mbid": st.none() | st.sampled_from(["m", "n"]),
        **dict.fromkeys(("attributes", "tags", "plays"), st.none() | _nullable),
    },
)


@given(_documents, st.lists(_patches, max_size=4))
def test_patches_that_stand_are_those_that_the_rfc_applies_one_by_one(
    tables: dict[str, Any], patches: list[dict[str, Any]]
) -> None:
    expected: dict[str, Any] = tables
    stands = EffectiveChanges("a", False, {})
    for patch in patches:
        expected = merge_patch(expected, patch)
        result = after(stands, "a", PATCH, patch)
        assert result is not None
        stands = result

    def entries(document: dict[str, Any]) -> dict[str, Any]:
        """Drop empty objects, which tables cannot distinguish from missing ones."""
        return {name: value for name, value in document.items() if value != {}}

    assert entries(applied(tables, stands)) == entries(expected)


def test_one_is_not_true_and_a_removal_is_something_said() -> None:
    with_one, with_true = (EffectiveChanges("a", False, {"attributes": {"x": value}}) for value in (1, True))
    assert (same(with_one, with_true), same(with_one, EffectiveChanges("a", False, {"attributes": {"x": 1}}))) == (
        False,
        True,
    )
    assert not same(A, replace(A, whole=frozenset()))
    assert (
        EffectiveChanges("a", False, {}).empty,
        EffectiveChanges("a", False, {"tags": {"x": None}}).empty,
        B.empty,
    ) == (
        True,
        False,
        False,
    )
    assert not EffectiveChanges("a", False, {}, whole=frozenset({"tags"})).empty


def test_more_than_an_artist_may_have_said_of_it_is_refused() -> None:
    check_entries(EffectiveChanges("a", False, {"tags": dict.fromkeys(map(str, range(1000)))}))
    with pytest.raises(InputError, match="tags: found 1001 entries .* 'a'; wanted at most 1000"):
        check_entries(EffectiveChanges("a", False, {"tags": dict.fromkeys(map(str, range(1001)))}))


def test_how_much_is_said_is_counted() -> None:
    payload = {
        "mbid": None,
        "tags": {"x": 1, "y": None},
        "plays": None,
        "attributes": {"x": 1, "y": None},
        "vectors": None,
    }
    assert counts_of(payload) == {"mbid": 0, "tags": 2, "plays": 0, "attributes.x": 1, "attributes.y": 0, "vectors": 0}
