from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.changes import ChangeKind, Standing, after, read_standing, write_standing
from core.errors import FormatError

A = Standing("a", False, {"name": "Ä", "tags": {"ska": 1.5}})
B = Standing("b", True, {})
C = Standing("c", True, {}, "a")
D = Standing("d", True, {}, "a", "m")


def test_what_stands_is_written_under_its_contents_id_and_found_again(tmp_path: Path) -> None:
    identity = write_standing(tmp_path / "new", iter([A, B]))
    assert identity is not None
    (path,) = (tmp_path / "new").iterdir()
    assert path.name == f"{identity}.ndjson"
    assert [json.loads(line) for line in path.read_text().splitlines()] == [
        {"artist": "a", "deleted": False, "said": {"name": "Ä", "tags": {"ska": 1.5}}},
        {"artist": "b", "deleted": True, "said": {}},
    ]
    assert list(read_standing(path)) == [A, B]
    again = Standing("a", False, {"tags": {"ska": 1.5}, "name": "Ä"})
    assert write_standing(tmp_path / "new", [again, B]) == identity
    assert write_standing(tmp_path / "new", [A]) != identity
    assert len(list((tmp_path / "new").iterdir())) == 2


def test_where_nothing_stands_there_is_no_file(tmp_path: Path) -> None:
    assert write_standing(tmp_path, []) is None
    assert list(tmp_path.iterdir()) == []


def test_a_failure_on_the_way_leaves_nothing(tmp_path: Path) -> None:
    def failing() -> Iterator[Standing]:
        yield A
        raise KeyError

    with pytest.raises(KeyError):
        write_standing(tmp_path, failing())
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    identity = write_standing(tmp_path, [A, B])
    path = tmp_path / f"{identity}.ndjson"
    path.write_text(path.read_text()[:-5])
    with pytest.raises(FormatError, match="line 2: damaged"):
        list(read_standing(path))
    path.write_text('{"artist": "a"}\n')
    with pytest.raises(FormatError, match="line 1: damaged"):
        list(read_standing(path))


def test_whom_an_artist_was_merged_into_is_written_and_read(tmp_path: Path) -> None:
    identity = write_standing(tmp_path, [B, C, D])
    path = tmp_path / f"{identity}.ndjson"
    assert path.read_text() == (
        '{"artist":"b","deleted":true,"said":{}}\n'
        '{"artist":"c","deleted":true,"into":"a","said":{}}\n'
        '{"artist":"d","deleted":true,"into":"a","mbid":"m","said":{}}\n'
    )
    assert list(read_standing(path)) == [B, C, D]


def test_a_merge_leaves_nothing_said_until_the_artist_is_put_again() -> None:
    assert after(A, "a", ChangeKind.MERGE, {"into": "z"}) == Standing("a", True, {}, "z")
    assert after(D, "d", ChangeKind.MERGE, {"into": "z"}) == Standing("d", True, {}, "z")
    assert after(D, "d", ChangeKind.DELETE, {}) == Standing("d", True, {})
    assert after(D, "d", ChangeKind.PUT, {"name": "D"}) == Standing("d", False, {"name": "D"})


def test_a_patch_leaves_the_deleted_deleted_and_the_merged_merged() -> None:
    assert after(B, "b", ChangeKind.PATCH, {"name": "B"}) == B
    assert after(D, "d", ChangeKind.PATCH, {"name": "D"}) == D
    assert after(None, "b", ChangeKind.DROP, {"numbers": [1]}) is None
