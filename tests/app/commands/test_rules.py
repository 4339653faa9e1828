"""Tests of `riyl rules`, and of the commands that apply rules."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from riyl.core.db.session import FILE
from riyl.core.errors import DatabaseDownError, InputError, NotFoundError
from riyl.core.rules import Rule, RuleKind, Rules
from riyl.core.settings import Home
from riyl.core.storage.rules_copy import read_copy
from riyl.index.artifact.version import Version
from tests.app.conftest import as_json, riyl


def test_rules_are_added_listed_and_dropped(home: Home) -> None:
    assert riyl(home, "rules", "add", "block", "a001", "--why", "a letter").stdout == "rule 1, block a001: added\n"
    assert riyl(home, "rules", "add", "block", "a001").stdout == "rule 1, block a001: existed already\n"
    early = riyl(home, "rules", "add", "pin", "a002", "not-yet").stdout
    assert early == "rule 2, pin a002 not-yet: added\nin the current version: unknown artist\n"
    assert read_copy(home.rules) == Rules(
        2, (Rule(1, RuleKind.BLOCK, "a001", None), Rule(2, RuleKind.PIN, "a002", "not-yet"))
    )
    listed = as_json(home, "rules", "list")
    assert [(each["number"], each["state"], each["known"]) for each in listed] == [
        (2, "unknown artist", False),
        (1, "in force", True),
    ]
    assert [each["number"] for each in as_json(home, "rules", "list", "--kind", "block")] == [1]
    assert [each["number"] for each in as_json(home, "rules", "list", "--artist", "not-yet")] == [2]
    assert "a letter" in riyl(home, "rules", "list").stdout
    assert as_json(home, "rules", "drop", "2") == {"dropped": 2}
    assert read_copy(home.rules) == Rules(3, (Rule(1, RuleKind.BLOCK, "a001", None),))
    with pytest.raises(NotFoundError, match="there is no rule 2"):
        riyl(home, "rules", "drop", "2")


def test_a_wrong_rule_is_refused(home: Home) -> None:
    with pytest.raises(InputError, match="wanted the id of the second artist of a pin"):
        riyl(home, "rules", "add", "pin", "a001")
    assert riyl(home, "rules", "add", "ban", "a001").exit_code == 2
    assert as_json(home, "rules", "list") == []


def test_rules_may_come_before_any_version(tmp_path: Path) -> None:
    output = as_json(Home(tmp_path), "rules", "add", "block", "a001")
    assert (output["new"], output["known"], output["state"]) == (True, None, None)


def test_similar_obeys(home: Home, version: Version) -> None:
    neighbours = [version.artist_ids[row] for row in version.neighbours[2, :6].tolist()]
    riyl(home, "rules", "add", "never", "a002", neighbours[0])
    riyl(home, "rules", "add", "block", neighbours[1])
    riyl(home, "rules", "add", "pin", "a002", neighbours[4])
    for more in ([], ["--uncorrected"]):
        similar = as_json(home, "similar", "a002", "-k", "4", *more)["similar"]
        assert [each["id"] for each in similar] == [neighbours[4], neighbours[2], neighbours[3], neighbours[5]]
        assert [each.get("pinned") for each in similar] == [True, None, None, None]
    with pytest.raises(NotFoundError, match=f"there is no artist '{neighbours[1]}'"):
        riyl(home, "similar", neighbours[1])


def test_similar_without_a_database_knows_of_no_rules_and_makes_none(home: Home) -> None:
    (home.root / FILE).unlink()
    assert len(as_json(home, "similar", "a002")["similar"]) == 10
    assert not (home.root / FILE).exists()


def test_similar_takes_the_homes_copy_where_the_database_is_away(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIYL_DATABASE_URL", "postgresql://riyl@127.0.0.1:1/riyl")
    with pytest.raises(DatabaseDownError):
        riyl(home, "similar", "a002")
    monkeypatch.delenv("RIYL_DATABASE_URL")
    riyl(home, "rules", "add", "block", "a001")
    monkeypatch.setenv("RIYL_DATABASE_URL", "postgresql://riyl@127.0.0.1:1/riyl")
    with pytest.raises(NotFoundError, match="there is no artist 'a001'"):
        riyl(home, "similar", "a001")


def test_an_export_obeys_unless_it_is_told_not_to(home: Home, tmp_path: Path) -> None:
    riyl(home, "rules", "add", "block", "a001")
    out = tmp_path / "o.parquet"
    assert as_json(home, "export", "neighbours", "--out", str(out), "--k", "200")["lists"] == 58
    table = pq.read_table(out)
    assert "a001" not in {*table.column("artist_id").to_pylist(), *table.column("similar_id").to_pylist()}
    assert as_json(home, "export", "neighbours", "--out", str(out), "--no-rules")["lists"] == 59
