from __future__ import annotations

import pytest

from riyl.core.db.aliases import (
    BATCH,
    AliasKind,
    aliases_of_artists,
    artists_of_alias,
    count_aliases,
    replace_aliases,
)
from riyl.core.db.session import Database

NAVIDROME, JELLYFIN = AliasKind


def test_there_are_none_to_begin_with(database: Database) -> None:
    assert count_aliases(database) == {NAVIDROME: 0, JELLYFIN: 0}
    assert artists_of_alias(database, {NAVIDROME: "x", JELLYFIN: "x"}) == {}
    assert aliases_of_artists(database, NAVIDROME, ["a"]) == {}


def test_a_kind_is_replaced_as_a_whole_and_the_other_stays(database: Database) -> None:
    replace_aliases(database, NAVIDROME, {"n1": "a", "n2": "b ö", "N1": "c"})
    replace_aliases(database, JELLYFIN, {"n1": "z"})
    assert artists_of_alias(database, {NAVIDROME: "n1", JELLYFIN: "n1"}) == {NAVIDROME: "a", JELLYFIN: "z"}
    assert artists_of_alias(database, {NAVIDROME: "N1", JELLYFIN: "n2"}) == {NAVIDROME: "c"}
    replace_aliases(database, NAVIDROME, {"n3": "a"})
    assert count_aliases(database) == {NAVIDROME: 1, JELLYFIN: 1}
    assert artists_of_alias(database, {NAVIDROME: "n1", JELLYFIN: "n1"}) == {JELLYFIN: "z"}
    replace_aliases(database, NAVIDROME, {})
    assert count_aliases(database) == {NAVIDROME: 0, JELLYFIN: 1}


def test_an_artist_with_several_ids_has_the_first_of_them(database: Database) -> None:
    replace_aliases(database, NAVIDROME, {"n2": "a", "n1": "a", "n3": "b"})
    assert aliases_of_artists(database, NAVIDROME, ["a", "b", "c"]) == {"a": "n1", "b": "n3"}
    assert aliases_of_artists(database, JELLYFIN, ["a"]) == {}


def test_more_than_one_batch_is_stored_whole_and_read_at_once(database: Database) -> None:
    n = 2 * BATCH + 1
    replace_aliases(database, JELLYFIN, {f"j{i}": f"a{i}" for i in range(n)})
    assert count_aliases(database)[JELLYFIN] == n
    assert artists_of_alias(database, {JELLYFIN: f"j{n - 1}"}) == {JELLYFIN: f"a{n - 1}"}


def test_a_replacement_that_fails_leaves_the_aliases_as_they_were(database: Database) -> None:
    replace_aliases(database, NAVIDROME, {"n1": "a"})

    class Broken(dict[str, str]):
        def items(self):  # type: ignore[no-untyped-def,override]
            yield "n2", "b"
            raise RuntimeError("the table ends")

    with pytest.raises(RuntimeError, match="the table ends"):
        replace_aliases(database, NAVIDROME, Broken())
    assert artists_of_alias(database, {NAVIDROME: "n1"}) == {NAVIDROME: "a"}
    assert count_aliases(database)[NAVIDROME] == 1
