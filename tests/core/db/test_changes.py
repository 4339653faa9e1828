from __future__ import annotations

from datetime import UTC, datetime

import pytest

from riyl.core.changes.effective import EffectiveChanges
from riyl.core.db.changes import ChangeRequest, ChangeResult, add_change, drop_changes
from riyl.core.db.effective import effective
from riyl.core.db.session import Database
from riyl.core.errors import InputError, NotFoundError
from tests.core.db.change_log import (
    DELETE,
    DROP,
    PATCH,
    PUT,
    all_standing,
    last,
    listed,
    put,
    stands,
    write,
)


def test_there_are_none_to_begin_with(database: Database) -> None:
    assert (last(database), listed(database), all_standing(database)) == (0, [], [])
    assert stands(database, "a") is None


def test_a_change_is_found_as_it_was_made(database: Database) -> None:
    before = datetime.now(UTC)
    payload = {
        "name": "Björk \U0001f3b8",
        "mbid": None,
        "aliases": ["B"],
        "attributes": {"country": "IS", "year": 1965, "live": True, "share": 0.1},
        "tags": {"trip-hop": 3.25, "ö": 1e-300},
        "plays": {"u1": 7},
        "vectors": {"audio": [[0.5, -1.0], [1e-7, 3.0]], "bio": None},
    }
    assert write(database, "a/1 ö", **payload) == ChangeResult(1, True, True)
    assert stands(database, "a/1 ö") == put("a/1 ö", **payload)
    (change,) = listed(database)
    assert (change.number, change.artist, change.kind, change.by, change.key) == (1, "a/1 ö", PUT, "ann", None)
    assert before <= change.at <= datetime.now(UTC)
    assert change.counts == {
        **{"name": 1, "mbid": 0, "aliases": 1, "tags": 2, "plays": 1},
        **{"attributes.country": 1, "attributes.year": 1, "attributes.live": 1, "attributes.share": 1},
        **{"vectors.audio": 2, "vectors.bio": 0},
    }


def test_put_replaces_patch_merges_null_takes_away_and_delete_hides(database: Database) -> None:
    write(database, "a", name="A", tags={"ska": 1.0}, attributes={"x": 1, "y": 2}, vectors={"audio": [[1.0]]})
    write(
        *(database, "a", PATCH),
        **{"tags": {"dub": 2.0}, "mbid": "m", "attributes": {"y": None, "z": 3}, "vectors": {"bio": [[2.0]]}},
    )
    patched = {
        "name": "A",
        "mbid": "m",
        "tags": {"ska": 1.0, "dub": 2.0},
        "attributes": {"x": 1, "y": None, "z": 3},
        "vectors": {"audio": [[1.0]], "bio": [[2.0]]},
    }
    assert stands(database, "a") == put("a", **patched)
    write(database, "a", PATCH, tags={"ska": None}, vectors={"audio": None})
    patched |= {"tags": {"dub": 2.0}, "vectors": {"audio": None, "bio": [[2.0]]}}
    assert stands(database, "a") == put("a", **patched)
    write(database, "a", PUT, name="B")
    assert stands(database, "a") == EffectiveChanges("a", False, {"name": "B"})
    write(database, "a", DELETE)
    assert stands(database, "a") == EffectiveChanges("a", True, {})
    assert write(database, "a", PUT, name="C") == ChangeResult(6, True, True)
    assert stands(database, "a") == EffectiveChanges("a", False, {"name": "C"})
    # a job that froze an earlier number reads the effective changes of that time
    assert all_standing(database, 5) == [EffectiveChanges("a", True, {})]
    assert all_standing(database, 3) == [put("a", **patched)]


def test_patches_of_one_whom_tables_have_are_kept_as_patches(database: Database) -> None:
    assert write(database, "a", PATCH, artist_exists=True, plays={"u": 1.0, "v": None}) == ChangeResult(
        1, False, True, ("plays",)
    )
    assert write(database, "a", PATCH, artist_exists=True, tags={"ska": 2.0}) == ChangeResult(
        2, False, True, ("tags", "plays")
    )
    assert write(database, "a", PATCH, artist_exists=True, plays={"v": 3.0}) == ChangeResult(
        3, False, True, ("tags", "plays")
    )
    assert stands(database, "a") == EffectiveChanges("a", False, {"plays": {"u": 1.0, "v": 3.0}, "tags": {"ska": 2.0}})
    # drops one of several patches, and then a put before a patch
    assert drop_changes(database, by="x", numbers=[3]) == {"a": [3]}
    assert stands(database, "a") == EffectiveChanges("a", False, {"plays": {"u": 1.0, "v": None}, "tags": {"ska": 2.0}})
    assert write(database, "a", PUT, name="A", plays={"w": 1.0}).over == ()
    assert write(database, "a", PATCH, plays={"w": None, "u": 2.0}).over == ()
    assert stands(database, "a") == put("a", name="A", plays={"u": 2.0})
    drop_changes(database, by="x", numbers=[5])
    assert stands(database, "a") == EffectiveChanges(
        "a", False, {"plays": {"u": 2.0, "v": None, "w": None}, "tags": {"ska": 2.0}}
    )


def test_a_patch_that_says_nothing_new_is_not_written_down(database: Database) -> None:
    assert write(database, "a", PATCH, artist_exists=True) == ChangeResult(0, False, False)
    write(database, "a", PATCH, artist_exists=True, tags={"ska": 1.0, "dub": None})
    for payload in ({}, {"tags": {"ska": 1.0}}, {"tags": {"dub": None}}):
        assert write(database, "a", PATCH, artist_exists=True, **payload) == ChangeResult(1, False, False, ("tags",))
    write(database, "b", name="B", tags={"ska": 1.0})
    assert write(database, "b", PATCH, tags={"dub": None}) == ChangeResult(2, False, False)
    assert last(database) == 2
    with pytest.raises(NotFoundError):
        write(database, "nobody", PATCH, artist_exists=False)


def test_patches_do_not_heap_up_without_end(database: Database) -> None:
    write(database, "a", PATCH, artist_exists=True, tags={f"t{i}": 1.0 for i in range(999)})
    write(database, "a", PATCH, artist_exists=True, tags={"one": None})
    with pytest.raises(InputError, match="tags: found 1001 entries in the effective changes of 'a'"):
        write(database, "a", PATCH, artist_exists=True, tags={"another": 1.0})
    assert last(database) == 2


def test_what_changes_nothing_is_not_written_down(database: Database) -> None:
    write(database, "a", name="A", attributes={"x": 1})
    write(database, "b", name="B")
    assert write(database, "a", PUT, name="A", attributes={"x": 1}) == ChangeResult(1, False, False)
    assert write(database, "a", PATCH, attributes={"x": 1}) == ChangeResult(1, False, False)
    assert (len(listed(database)), last(database)) == (2, 2)
    assert write(database, "a", PATCH, attributes={"x": True}) == ChangeResult(
        3, False, True
    )  # which Python compares as equal to 1
    assert write(database, "b", DELETE) == ChangeResult(4, False, True)
    assert write(database, "b", DELETE) == ChangeResult(4, False, False)


def test_only_who_is_known_is_patched_or_deleted(database: Database) -> None:
    for kind, payload in ((PATCH, {"mbid": "m"}), (DELETE, {})):
        with pytest.raises(NotFoundError, match="'a' is in no version, and no PUT created it"):
            write(database, "a", kind, artist_exists=False, **payload)
    assert last(database) == 0
    assert write(database, "a", PATCH, artist_exists=True, mbid="m") == ChangeResult(1, False, True)
    with pytest.raises(NotFoundError, match="'a' is in no version"):  # no name of it is known any more
        write(database, "a", PATCH, artist_exists=False, mbid="n")
    write(database, "b", PUT, artist_exists=False, name="B")
    write(database, "b", PATCH, artist_exists=False, mbid="m")
    write(database, "b", DELETE, artist_exists=True)
    with pytest.raises(NotFoundError, match="'b' is deleted; PUT brings it back"):
        write(database, "b", PATCH, artist_exists=True, mbid="n")
    with pytest.raises(NotFoundError, match="'b' is deleted"):
        write(database, "b", PATCH, artist_exists=None, mbid="n")
    assert write(database, "c", DELETE, artist_exists=None).changed  # no version serves, so it may exist


@pytest.mark.parametrize("artist", ["", "a" * 201, "a\0b"])
def test_an_id_that_is_none_is_refused(database: Database, artist: str) -> None:
    with pytest.raises(InputError, match="id: found .*; wanted an artist's id of 1 to 200 characters without NUL"):
        write(database, artist, name="A")
    assert last(database) == 0


def test_what_stands_comes_by_code_points_and_changes_by_number(database: Database) -> None:
    ids = ["b", "B", "a", "ä", "\U0001f3b8", "z", "A", "~"]
    for artist in ids:
        write(database, artist, name=artist)
    assert [each.artist for each in all_standing(database)] == sorted(ids)
    assert [each.artist for each in listed(database)] == ids
    assert [each.number for each in listed(database, 3, 2)] == [4, 5]
    assert [each.number for each in listed(database, artist="z")] == [6]
    assert [each.artist for each in all_standing(database, 2)] == ["B", "b"]


def test_many_artists_stand_without_all_being_held(database: Database) -> None:
    with database.write() as connection:
        for number in range(100):
            add_change(connection, ChangeRequest(f"a{number:03d}", PUT, {"name": "A"}, None), by="x")
    with database.read() as connection:
        changes = effective(connection, 100)
        assert next(changes).artist == "a000"
        assert sum(1 for _ in changes) == 99


def test_a_drop_takes_changes_back_and_is_a_change_itself(database: Database) -> None:
    write(database, "a", name="A", tags={"ska": 1.0})
    write(database, "b", name="B")
    write(database, "a", PATCH, mbid="m")
    write(database, "a", DELETE)
    assert drop_changes(database, by="bob", numbers=[4, 2, 4]) == {"a": [4], "b": [2]}
    assert stands(database, "a") == put("a", name="A", tags={"ska": 1.0}, mbid="m")
    assert stands(database, "b") is None
    assert [(each.number, each.artist, each.kind, each.by) for each in listed(database, 3)] in (
        [(5, "b", DROP, "bob"), (6, "a", DROP, "bob")],
        [(5, "a", DROP, "bob"), (6, "b", DROP, "bob")],
    )
    assert drop_changes(database, by="bob", artist="a") == {"a": [1, 3]}
    assert all_standing(database) == []
    assert last(database) == 7
    assert write(database, "a", name="A").number == 8


def test_what_is_not_there_is_not_dropped(database: Database) -> None:
    write(database, "a", name="A")
    write(database, "b", name="B")
    with pytest.raises(NotFoundError, match="there is no change 9; see riyl changes list"):
        drop_changes(database, by="x", numbers=[1, 9])
    with pytest.raises(NotFoundError, match="there is no change of artist 'c'"):
        drop_changes(database, by="x", numbers=[1], artist="c")
    with pytest.raises(InputError, match="wanted the changes to drop"):
        drop_changes(database, by="x")
    assert [each.number for each in listed(database)] == [1, 2]
    drop_changes(database, by="x", numbers=[1])
    with pytest.raises(NotFoundError, match="there is no change 3"):  # change 3 lists the dropped ones
        drop_changes(database, by="x", numbers=[3])
