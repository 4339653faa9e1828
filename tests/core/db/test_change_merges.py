from __future__ import annotations

import pytest

from riyl.core.changes.effective import EffectiveChanges
from riyl.core.db.changes import ChangeResult, drop_changes
from riyl.core.db.session import Database
from riyl.core.errors import InputError, NotFoundError
from tests.core.db.change_log import (
    DELETE,
    MERGE,
    PATCH,
    PUT,
    all_standing,
    last,
    listed,
    merge,
    put,
    stands,
    write,
)


def test_who_is_merged_is_gone_and_another_one_is_in_its_place(database: Database) -> None:
    write(database, "a", name="A", tags={"ska": 1.0})
    write(database, "y", name="Y", tags={"dub": 1.0})
    assert merge(database, "a", "y") == ChangeResult(3, False, True)
    assert stands(database, "a") == EffectiveChanges("a", True, {}, "y")
    assert stands(database, "y") == put("y", name="Y", tags={"dub": 1.0})
    assert merge(database, "a", "y") == ChangeResult(3, False, False)
    with pytest.raises(NotFoundError, match="'a' is merged into 'y'; PUT brings it back"):
        write(database, "a", PATCH, artist_exists=True, mbid="m")
    assert write(database, "a", DELETE, artist_exists=False) == ChangeResult(4, True, True)
    assert stands(database, "a") == EffectiveChanges("a", True, {})
    assert merge(database, "a", "y") == ChangeResult(5, True, True)
    assert write(database, "a", PUT, name="A") == ChangeResult(6, True, True)
    assert stands(database, "a") == EffectiveChanges("a", False, {"name": "A"})
    assert all_standing(database, 5)[0] == EffectiveChanges("a", True, {}, "y")
    assert [(each.kind, each.into, each.counts) for each in listed(database, 3)] == [
        (DELETE, None, {}),
        (MERGE, "y", {"into": 1}),
        (PUT, None, {"name": 1}),
    ]


def test_anybody_can_be_merged_and_also_somewhere_else_later(database: Database) -> None:
    merge(database, "nobody", "y \U0001f3b8", artist_exists=False, into_known=True)
    assert [(each.artist, each.into) for each in listed(database)] == [("nobody", "y \U0001f3b8")]
    write(database, "deleted", DELETE, artist_exists=True)
    assert merge(database, "deleted", "y", artist_exists=True, into_known=True).changed
    assert merge(database, "nobody", "y", into_known=True).changed
    assert stands(database, "nobody") == EffectiveChanges("nobody", True, {}, "y")
    # no version serves, so it is unknown whether the artists exist
    assert merge(database, "z", "y", artist_exists=None, into_known=None).changed


def test_into_whom_nobody_finds_nobody_is_merged(database: Database) -> None:
    write(database, "a", name="A")
    for artist in ("a", "b", "c"):
        with pytest.raises(NotFoundError, match="'y' is in no version, and no PUT created it"):
            merge(database, artist, "y", into_known=False)
    with pytest.raises(InputError, match="into: found 'a' itself; wanted another artist"):
        merge(database, "a", "a", into_known=True)
    with pytest.raises(InputError, match="into: found ''"):
        merge(database, "a", "", into_known=True)
    write(database, "y", PATCH, artist_exists=True, mbid="m")
    with pytest.raises(NotFoundError, match="'y' is in no version"):  # no name of it is known any more
        merge(database, "a", "y", into_known=False)
    write(database, "y", DELETE, artist_exists=True)
    with pytest.raises(NotFoundError, match="'y' is deleted; PUT brings it back"):
        merge(database, "a", "y", into_known=True)
    write(database, "z", name="Z")
    merge(database, "y", "z", into_known=False)
    with pytest.raises(NotFoundError, match="'y' is merged into 'z'; merge into that"):
        merge(database, "a", "y", into_known=True)
    assert [each.number for each in listed(database)] == [1, 2, 3, 4, 5]


def test_the_last_known_mbid_of_who_is_merged_stays_with_it(database: Database) -> None:
    write(database, "payload", name="S", mbid="said's")
    write(database, "none", name="N", mbid=None)
    write(database, "gone", DELETE)
    for artist, mbid in (("payload", "said's"), ("none", None), ("gone", "version's"), ("new", "version's")):
        merge(database, artist, "y", mbid="version's")
        assert stands(database, artist) == EffectiveChanges(artist, True, {}, "y", mbid)
    # no version has the artist any more
    assert not merge(database, "new", "y", artist_exists=False).changed
    assert merge(database, "new", "z", artist_exists=False).changed
    assert stands(database, "new") == EffectiveChanges("new", True, {}, "z", "version's")


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
    with pytest.raises(InputError, match="'a', 'b', 'c' would be merged into each other; wanted the merge of one"):
        drop_changes(database, by="x", numbers=[6])
    assert last(database) == 7
    assert stands(database, "a") == EffectiveChanges("a", False, {"name": "A"})
    assert drop_changes(database, by="x", numbers=[6, 5]) == {"a": [6], "b": [5]}
    assert stands(database, "a") == EffectiveChanges("a", True, {}, "b")
    assert stands(database, "b") == EffectiveChanges("b", False, {"name": "b"})
    drop_changes(database, by="x", numbers=[4])
    assert stands(database, "a") == EffectiveChanges("a", False, {"name": "a"})
