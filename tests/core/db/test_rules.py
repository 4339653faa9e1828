from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from riyl.core.db.rules import WrittenRule, add_rule, all_rules, copy_rules, drop_rule, list_rules, revision
from riyl.core.db.session import Database
from riyl.core.errors import DatabaseError, InputError, NotFoundError
from riyl.core.rules import Rule, RuleKind, Rules
from riyl.core.storage.rules_copy import read_copy

BLOCK, NEVER, PIN = RuleKind


def add(database: Database, kind: RuleKind, artist: str, other: str | None = None, by: str = "ann") -> WrittenRule:
    return add_rule(database, kind, artist, other, by=by, why="wish")[0]


def in_force(database: Database) -> Rules:
    with database.read() as connection:
        return all_rules(connection)


def test_there_are_none_to_begin_with(database: Database) -> None:
    assert in_force(database) == Rules(0, ())
    assert list_rules(database) == []


def test_a_rule_is_found_as_it_was_made(database: Database) -> None:
    before = datetime.now(UTC)
    written_rule, new = add_rule(database, PIN, "a/1 ö", "b", by="key:ann", why="their wish")
    assert new
    assert (written_rule.rule, written_rule.why, written_rule.by) == (
        Rule(1, PIN, "a/1 ö", "b"),
        "their wish",
        "key:ann",
    )
    assert before <= written_rule.at <= datetime.now(UTC)
    block = add(database, BLOCK, "a/1 ö")
    assert block.rule == Rule(2, BLOCK, "a/1 ö", None)
    assert list_rules(database) == [block, written_rule]
    assert in_force(database) == Rules(2, (written_rule.rule, block.rule))


def test_a_rule_made_again_is_the_one_that_is_there(database: Database) -> None:
    for kind, other in ((BLOCK, None), (NEVER, "b"), (PIN, "b")):
        written_rule = add(database, kind, "a", other)
        before = in_force(database)
        assert add_rule(database, kind, "a", other, by="bob", why="again") == (written_rule, False)
        assert in_force(database) == before
    mirrored = add_rule(database, NEVER, "b", "a", by="bob", why="")
    assert (mirrored[0].rule.artist, mirrored[1]) == ("a", False)
    assert add_rule(database, PIN, "b", "a", by="bob", why="")[1]


def test_the_database_itself_holds_a_rule_once(database: Database) -> None:
    add(database, BLOCK, "a")
    row = (
        "INSERT INTO rules (kind, artist, other, why, by, at) VALUES ('block', 'a', '', '', '', '2026-01-01 00:00:00')"
    )
    with pytest.raises(DatabaseError) as refused, database.write() as connection:
        connection.execute(text(row))
    assert isinstance(refused.value.__cause__, IntegrityError)


def test_every_act_raises_the_revision_and_nothing_else_does(database: Database) -> None:
    seen = [in_force(database).revision]
    first = add(database, BLOCK, "a")
    seen.append(in_force(database).revision)
    drop_rule(database, first.rule.number)
    seen.append(in_force(database).revision)
    again = add(database, BLOCK, "a")
    seen.append(in_force(database).revision)
    assert seen == [0, 1, 2, 3]
    assert again.rule.number > first.rule.number
    with pytest.raises(NotFoundError, match="there is no rule 1; see riyl rules list"):
        drop_rule(database, first.rule.number)
    with database.read() as connection:
        assert revision(connection) == 3


def test_of_many_that_make_one_rule_at_once_one_does(database: Database) -> None:
    with ThreadPoolExecutor(4) as threads:
        results = list(
            threads.map(lambda by: add_rule(database, NEVER, *by, by="x", why=""), [("a", "b"), ("b", "a")] * 8)
        )
    assert sum(new for _, new in results) == 1
    assert len({written_rule.rule for written_rule, _ in results}) == 1
    assert in_force(database).revision == 1


def test_rules_are_listed_by_kind_by_artist_and_in_pages(database: Database) -> None:
    written_rules = [
        add(database, *rule) for rule in [(BLOCK, "a"), (NEVER, "b", "a"), (PIN, "c", "d"), (PIN, "a", "c")]
    ]
    numbers = [
        [each.rule.number for each in list_rules(database, **filters)]
        for filters in (
            {"kind": PIN},
            {"artist": "a"},
            {"artist": "c", "kind": PIN},
            {"limit": 2},
            {"before": 3},
        )
    ]
    assert [each.rule.number for each in written_rules] == [1, 2, 3, 4]
    assert numbers == [[4, 3], [4, 2, 1], [4, 3], [4, 3], [2, 1]]


@pytest.mark.parametrize(
    ("kind", "artist", "other", "message"),
    [
        (BLOCK, "", None, "artist: found '', 0 characters; wanted an artist's id of 1 to 200 characters"),
        (BLOCK, "a" * 201, None, "201 characters; wanted an artist's id of 1 to 200"),
        (BLOCK, "a\0", None, "wanted an artist's id of 1 to 200 characters without NUL"),
        (BLOCK, "a", "b", "other: found 'b'; wanted none: a block names one artist"),
        (PIN, "a", None, "other: found none; wanted the id of the second artist of a pin"),
        (NEVER, "a", "", "other: found '', 0 characters"),
        (NEVER, "a", "a", "other: found 'a', which is the artist itself; wanted another artist"),
    ],
)
def test_what_is_no_rule_is_refused(
    database: Database, kind: RuleKind, artist: str, other: str | None, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        add(database, kind, artist, other)
    assert in_force(database) == Rules(0, ())


def test_a_longest_pair_of_four_byte_characters_is_kept(database: Database) -> None:
    written_rule = add(database, NEVER, "\U0001f3b8" * 200, "\U0001f941" * 200)
    assert in_force(database).rules == (written_rule.rule,)


def test_a_homes_copy_follows_the_database_back_and_forth(database: Database, tmp_path: Path) -> None:
    copy = tmp_path / "home" / "rules.json"
    written_rule = add(database, BLOCK, "a")
    assert copy_rules(database, copy) == read_copy(copy) == Rules(1, (written_rule.rule,))
    stamp = copy.stat().st_mtime_ns
    copy_rules(database, copy)
    assert copy.stat().st_mtime_ns == stamp
    drop_rule(database, written_rule.rule.number)
    copy_rules(database, copy)
    assert read_copy(copy) == Rules(2, ())
    copy.write_bytes(b"{")
    assert copy_rules(database, copy) == read_copy(copy) == Rules(2, ())
