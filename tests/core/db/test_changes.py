from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text

from core.changes import ChangeKind, Standing
from core.db.changes import Done, Wish, add_change, drop_changes, write_change
from core.db.session import Database
from core.db.standing import WrittenChange, head, since, standing, standing_of
from core.errors import InputError, NotFoundError

PUT, PATCH, REPLACE, DELETE, MERGE, DROP = ChangeKind


def write(database: Database, artist: str, kind: ChangeKind = PUT, known: bool | None = None, **said: Any) -> Done:
    return write_change(database, Wish(artist, kind, said, known), by="ann")


def merge(
    database: Database,
    artist: str,
    into: str,
    *,
    known: bool | None = None,
    into_known: bool | None = None,
    **said: str,
) -> Done:
    return write_change(database, Wish(artist, MERGE, {"into": into, **said}, known, into_known), by="ann")


def stands(database: Database, artist: str) -> Standing | None:
    with database.read() as connection:
        return standing_of(connection, artist)


def put(artist: str, **said: Any) -> Standing:
    """What stands where the tags and plays that there are were put."""
    return Standing(artist, False, said, whole=frozenset({"tags", "plays"} & said.keys()))


def all_standing(database: Database, upto: int = 1000) -> list[Standing]:
    with database.read() as connection:
        return list(standing(connection, upto))


def listed(database: Database, number: int = 0, limit: int = 1000, **options: Any) -> list[WrittenChange]:
    with database.read() as connection:
        return since(connection, number, limit, **options)


def last(database: Database) -> int:
    with database.read() as connection:
        return head(connection)


def test_there_are_none_to_begin_with(database: Database) -> None:
    assert (last(database), listed(database), all_standing(database)) == (0, [], [])
    assert stands(database, "a") is None


def test_a_change_is_found_as_it_was_made(database: Database) -> None:
    before = datetime.now(UTC)
    said = {
        "name": "Björk \U0001f3b8",
        "mbid": None,
        "aliases": ["B"],
        "attributes": {"country": "IS", "year": 1965, "live": True, "share": 0.1},
        "tags": {"trip-hop": 3.25, "ö": 1e-300},
        "plays": {"u1": 7},
        "vectors": {"audio": [[0.5, -1.0], [1e-7, 3.0]], "bio": None},
    }
    assert write(database, "a/1 ö", **said) == Done(1, True, True)
    assert stands(database, "a/1 ö") == put("a/1 ö", **said)
    (found,) = listed(database)
    assert (found.number, found.artist, found.kind, found.by, found.key) == (1, "a/1 ö", PUT, "ann", None)
    assert before <= found.at <= datetime.now(UTC)
    assert found.counts == {
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
    assert stands(database, "a") == Standing("a", False, {"name": "B"})
    write(database, "a", DELETE)
    assert stands(database, "a") == Standing("a", True, {})
    assert write(database, "a", PUT, name="C") == Done(6, True, True)
    assert stands(database, "a") == Standing("a", False, {"name": "C"})
    # a job that fixed an earlier number sees what stood then
    assert all_standing(database, 5) == [Standing("a", True, {})]
    assert all_standing(database, 3) == [put("a", **patched)]


def test_patches_of_one_whom_tables_have_are_kept_as_patches(database: Database) -> None:
    assert write(database, "a", PATCH, known=True, plays={"u": 1.0, "v": None}) == Done(1, False, True, ("plays",))
    assert write(database, "a", PATCH, known=True, tags={"ska": 2.0}) == Done(2, False, True, ("tags", "plays"))
    assert write(database, "a", PATCH, known=True, plays={"v": 3.0}) == Done(3, False, True, ("tags", "plays"))
    assert stands(database, "a") == Standing("a", False, {"plays": {"u": 1.0, "v": 3.0}, "tags": {"ska": 2.0}})
    # of several one is dropped, and of a put what came after it
    assert drop_changes(database, by="x", numbers=[3]) == {"a": [3]}
    assert stands(database, "a") == Standing("a", False, {"plays": {"u": 1.0, "v": None}, "tags": {"ska": 2.0}})
    assert write(database, "a", PUT, name="A", plays={"w": 1.0}).over == ()
    assert write(database, "a", PATCH, plays={"w": None, "u": 2.0}).over == ()
    assert stands(database, "a") == put("a", name="A", plays={"u": 2.0})
    drop_changes(database, by="x", numbers=[5])
    assert stands(database, "a") == Standing(
        "a", False, {"plays": {"u": 2.0, "v": None, "w": None}, "tags": {"ska": 2.0}}
    )


def test_a_patch_that_says_nothing_new_is_not_written_down(database: Database) -> None:
    assert write(database, "a", PATCH, known=True) == Done(0, False, False)
    write(database, "a", PATCH, known=True, tags={"ska": 1.0, "dub": None})
    for said in ({}, {"tags": {"ska": 1.0}}, {"tags": {"dub": None}}):
        assert write(database, "a", PATCH, known=True, **said) == Done(1, False, False, ("tags",))
    write(database, "b", name="B", tags={"ska": 1.0})
    assert write(database, "b", PATCH, tags={"dub": None}) == Done(2, False, False)
    assert last(database) == 2
    with pytest.raises(NotFoundError):
        write(database, "nobody", PATCH, known=False)


def test_patches_do_not_heap_up_without_end(database: Database) -> None:
    write(database, "a", PATCH, known=True, tags={f"t{i}": 1.0 for i in range(999)})
    write(database, "a", PATCH, known=True, tags={"one": None})
    with pytest.raises(InputError, match="tags: found 1001 entries that changes of 'a' would leave standing"):
        write(database, "a", PATCH, known=True, tags={"another": 1.0})
    assert last(database) == 2


def test_what_changes_nothing_is_not_written_down(database: Database) -> None:
    write(database, "a", name="A", attributes={"x": 1})
    write(database, "b", name="B")
    assert write(database, "a", PUT, name="A", attributes={"x": 1}) == Done(1, False, False)
    assert write(database, "a", PATCH, attributes={"x": 1}) == Done(1, False, False)
    assert (len(listed(database)), last(database)) == (2, 2)
    assert write(database, "a", PATCH, attributes={"x": True}) == Done(3, False, True)  # which Python takes for 1
    assert write(database, "b", DELETE) == Done(4, False, True)
    assert write(database, "b", DELETE) == Done(4, False, False)


def test_only_who_is_known_is_patched_or_deleted(database: Database) -> None:
    for kind, said in ((PATCH, {"mbid": "m"}), (DELETE, {})):
        with pytest.raises(NotFoundError, match="'a' is in no version, and was not put"):
            write(database, "a", kind, known=False, **said)
    assert last(database) == 0
    assert write(database, "a", PATCH, known=True, mbid="m") == Done(1, False, True)
    with pytest.raises(NotFoundError, match="'a' is in no version"):  # nobody knows a name of it any more
        write(database, "a", PATCH, known=False, mbid="n")
    write(database, "b", PUT, known=False, name="B")
    write(database, "b", PATCH, known=False, mbid="m")
    write(database, "b", DELETE, known=True)
    with pytest.raises(NotFoundError, match="'b' is deleted; PUT brings it back"):
        write(database, "b", PATCH, known=True, mbid="n")
    with pytest.raises(NotFoundError, match="'b' is deleted"):
        write(database, "b", PATCH, known=None, mbid="n")
    assert write(database, "c", DELETE, known=None).changed  # nothing serves, so nobody can tell


def test_who_is_merged_is_gone_and_another_one_is_in_its_place(database: Database) -> None:
    write(database, "a", name="A", tags={"ska": 1.0})
    write(database, "y", name="Y", tags={"dub": 1.0})
    assert merge(database, "a", "y") == Done(3, False, True)
    assert stands(database, "a") == Standing("a", True, {}, "y")
    assert stands(database, "y") == put("y", name="Y", tags={"dub": 1.0})
    assert merge(database, "a", "y") == Done(3, False, False)
    with pytest.raises(NotFoundError, match="'a' is merged into 'y'; PUT brings it back"):
        write(database, "a", PATCH, known=True, mbid="m")
    assert write(database, "a", DELETE, known=False) == Done(4, True, True)
    assert stands(database, "a") == Standing("a", True, {})
    assert merge(database, "a", "y") == Done(5, True, True)
    assert write(database, "a", PUT, name="A") == Done(6, True, True)
    assert stands(database, "a") == Standing("a", False, {"name": "A"})
    assert all_standing(database, 5)[0] == Standing("a", True, {}, "y")
    assert [(each.kind, each.into, each.counts) for each in listed(database, 3)] == [
        (DELETE, None, {}),
        (MERGE, "y", {"into": 1}),
        (PUT, None, {"name": 1}),
    ]


def test_anybody_can_be_merged_and_also_somewhere_else_later(database: Database) -> None:
    merge(database, "nobody", "y \U0001f3b8", known=False, into_known=True)
    assert [(each.artist, each.into) for each in listed(database)] == [("nobody", "y \U0001f3b8")]
    write(database, "deleted", DELETE, known=True)
    assert merge(database, "deleted", "y", known=True, into_known=True).changed
    assert merge(database, "nobody", "y", into_known=True).changed
    assert stands(database, "nobody") == Standing("nobody", True, {}, "y")
    assert merge(database, "z", "y", known=None, into_known=None).changed  # nothing serves, so nobody can tell


def test_into_whom_nobody_finds_nobody_is_merged(database: Database) -> None:
    write(database, "a", name="A")
    for artist in ("a", "b", "c"):
        with pytest.raises(NotFoundError, match="'y' is in no version, and was not put"):
            merge(database, artist, "y", into_known=False)
    with pytest.raises(InputError, match="into: found 'a' itself; wanted another artist"):
        merge(database, "a", "a", into_known=True)
    with pytest.raises(InputError, match="into: found ''"):
        merge(database, "a", "", into_known=True)
    write(database, "y", PATCH, known=True, mbid="m")
    with pytest.raises(NotFoundError, match="'y' is in no version"):  # nobody knows a name of it any more
        merge(database, "a", "y", into_known=False)
    write(database, "y", DELETE, known=True)
    with pytest.raises(NotFoundError, match="'y' is deleted; PUT brings it back"):
        merge(database, "a", "y", into_known=True)
    write(database, "z", name="Z")
    merge(database, "y", "z", into_known=False)
    with pytest.raises(NotFoundError, match="'y' is merged into 'z'; merge into that"):
        merge(database, "a", "y", into_known=True)
    assert [each.number for each in listed(database)] == [1, 2, 3, 4, 5]


def test_the_last_known_mbid_of_who_is_merged_stays_with_it(database: Database) -> None:
    write(database, "said", name="S", mbid="said's")
    write(database, "none", name="N", mbid=None)
    write(database, "gone", DELETE)
    for artist, mbid in (("said", "said's"), ("none", None), ("gone", "version's"), ("new", "version's")):
        merge(database, artist, "y", mbid="version's")
        assert stands(database, artist) == Standing(artist, True, {}, "y", mbid)
    # no version has it any more
    assert not merge(database, "new", "y", known=False).changed
    assert merge(database, "new", "z", known=False).changed
    assert stands(database, "new") == Standing("new", True, {}, "z", "version's")


def test_merges_never_close_a_circle(database: Database) -> None:
    for artist in "abc":
        write(database, artist, name=artist)
    merge(database, "a", "b")  # 4
    merge(database, "b", "c")  # 5
    for artist in "ab":
        with pytest.raises(NotFoundError, match=f"'{artist}' is merged into"):
            merge(database, "c", artist, into_known=True)
    write(database, "a", name="A")  # 6
    merge(database, "c", "a")  # 7: b into c into a
    with pytest.raises(InputError, match="'a', 'b', 'c' would be merged into each other; wanted one's merge dropped"):
        drop_changes(database, by="x", numbers=[6])
    assert last(database) == 7
    assert stands(database, "a") == Standing("a", False, {"name": "A"})
    assert drop_changes(database, by="x", numbers=[6, 5]) == {"a": [6], "b": [5]}
    assert stands(database, "a") == Standing("a", True, {}, "b")
    assert stands(database, "b") == Standing("b", False, {"name": "b"})
    drop_changes(database, by="x", numbers=[4])
    assert stands(database, "a") == Standing("a", False, {"name": "a"})


@pytest.mark.parametrize("artist", ["", "a" * 201, "a\0b"])
def test_an_id_that_is_none_is_refused(database: Database, artist: str) -> None:
    with pytest.raises(InputError, match="id: found .*; wanted an artist's id of 1 to 200 characters, none NUL"):
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
            add_change(connection, Wish(f"a{number:03d}", PUT, {"name": "A"}, None), by="x")
    with database.read() as connection:
        found = standing(connection, 100)
        assert next(found).artist == "a000"
        assert sum(1 for _ in found) == 99


def test_a_transaction_that_fails_leaves_neither_a_change_nor_a_number(database: Database) -> None:
    with pytest.raises(KeyError), database.write() as connection:  # noqa: PT012
        add_change(connection, Wish("a", PUT, {"name": "A"}, None), by="x")
        raise KeyError
    assert (last(database), listed(database)) == (0, [])
    assert write(database, "b", name="B").number == 1


def test_two_writers_of_one_artist_come_one_after_the_other(database: Database) -> None:
    def patch(number: int) -> Done:
        return write(database, "a", PATCH, attributes={f"x{number}": number, "both": number})

    write(database, "a", name="A")
    with ThreadPoolExecutor(4) as threads:
        done = list(threads.map(patch, range(24)))
    assert sorted(each.number for each in done) == list(range(2, 26))
    found = stands(database, "a")
    assert found is not None
    attributes = dict(found.said["attributes"])
    final = max(range(24), key=lambda each: done[each].number)
    assert attributes.pop("both") == final
    assert attributes == {f"x{number}": number for number in range(24)}


def test_who_sees_a_number_finds_everything_up_to_it(database: Database) -> None:
    ended, gaps, seen = threading.Event(), list[tuple[int, int]](), set[int]()

    def follow() -> None:
        while not ended.is_set():
            with database.read() as connection:
                number = head(connection)
                found = [each.number for each in since(connection, 0, number)]
            seen.add(number)
            if found != list(range(1, number + 1)):
                gaps.append((number, len(found)))

    follower = threading.Thread(target=follow)
    follower.start()
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda each: write(database, f"a{each % 7}", name=str(each)), range(60)))
    ended.set()
    follower.join()
    assert gaps == []
    assert last(database) == 60
    assert len(seen) > 1


@pytest.mark.postgres
def test_a_later_writer_waits_for_the_commit_of_an_earlier_one(postgres_url: str, tmp_path: Any) -> None:
    from pydantic import SecretStr

    from core.settings import Settings

    database = Database.of(Settings(home=tmp_path, database_url=SecretStr(postgres_url)))
    database.upgrade()
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    done: list[Done] = []
    later = threading.Thread(target=lambda: done.append(write(database, "b", name="B")))
    with database.write() as connection:
        first = add_change(connection, Wish("a", PUT, {"name": "A"}, None), by="x")
        later.start()
        deadline = time.monotonic() + 20
        while True:  # the later one is held by the lock of the first, which has not committed
            with database.read() as watching:
                if watching.execute(waiting).scalar_one() == 1:
                    break
            assert time.monotonic() < deadline
        assert (done, last(database), listed(database)) == ([], 0, [])
    later.join()
    assert (first.number, done) == (1, [Done(2, True, True)])
    assert [each.artist for each in listed(database)] == ["a", "b"]
    database.close()


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
    with pytest.raises(InputError, match="wanted which are to be dropped"):
        drop_changes(database, by="x")
    assert [each.number for each in listed(database)] == [1, 2]
    drop_changes(database, by="x", numbers=[1])
    with pytest.raises(NotFoundError, match="there is no change 3"):  # that one says what was dropped
        drop_changes(database, by="x", numbers=[3])
