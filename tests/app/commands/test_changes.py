"""Tests of `riyl changes`, and of a snapshot with changes folded in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from riyl.core.changes.effective import ChangeKind
from riyl.core.db.changes import ChangeRequest, write_change
from riyl.core.db.effective import effective_of
from riyl.core.errors import InputError, NotFoundError
from riyl.core.settings import Home
from riyl.core.storage.snapshot import Snapshot
from tests.app.commands.test_rules import as_json, riyl
from tests.app.conftest import database
from tests.conftest import small_world


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    opened = database(home)
    for artist, kind, payload in (
        ("new", ChangeKind.PUT, {"name": "N", "tags": {"ska": 1.0, "dub": 2.0}}),
        ("a001", ChangeKind.DELETE, {}),
        ("new", ChangeKind.PATCH, {"vectors": {"audio": [[1.0] * 8]}}),
    ):
        write_change(opened, ChangeRequest(artist, kind, payload, True), by="key:ann")
    opened.close()
    return home


def test_changes_are_listed_and_dropped(home: Home) -> None:
    listed: list[dict[str, Any]] = as_json(home, "changes", "list")
    assert [(each["number"], each["id"], each["kind"], each["payload"], each["by"]) for each in listed] == [
        (1, "new", "put", {"name": 1, "tags": 2}, "key:ann"),
        (2, "a001", "delete", {}, "key:ann"),
        (3, "new", "patch", {"vectors.audio": 1}, "key:ann"),
    ]
    assert [each["number"] for each in as_json(home, "changes", "list", "--since", "1", "--limit", "1")] == [2]
    assert [each["number"] for each in as_json(home, "changes", "list", "--artist", "new")] == [1, 3]
    table = riyl(home, "changes", "list").stdout
    assert "name 1, tags 2" in table
    assert riyl(home, "changes", "drop", "2", "3").stdout == "artist a001: dropped 2\nartist new: dropped 3\n"
    assert as_json(home, "changes", "drop", "--artist", "new") == {"new": [1]}
    with database(home).read() as connection:
        assert effective_of(connection, "new") is None
    with pytest.raises(NotFoundError, match="there is no change 2"):
        riyl(home, "changes", "drop", "2")
    with pytest.raises(InputError, match="wanted the changes to drop"):
        riyl(home, "changes", "drop")


def test_a_merge_is_listed_and_dropped(home: Home) -> None:
    opened = database(home)
    write_change(opened, ChangeRequest("a002", ChangeKind.MERGE, {"into": "new"}, True), by="key:ann")
    opened.close()
    (change,) = as_json(home, "changes", "list", "--artist", "a002")
    assert (change["kind"], change["payload"], change["into"]) == ("merge", {"into": 1}, "new")
    assert "into new" in riyl(home, "changes", "list").stdout
    assert as_json(home, "changes", "drop", "4") == {"a002": [4]}


def test_a_snapshot_folds_changes_in_where_it_is_told_to(home: Home, tmp_path: Path) -> None:
    tables = str(small_world(tmp_path / "tables"))
    recipe = tmp_path / "recipe.toml"
    recipe.write_text("[tags]\ndims = 6\n[cf]\nfactors = 5\n")
    plain = as_json(home, "snapshot", "build", tables, "--features", str(recipe))
    changed = as_json(home, "snapshot", "build", tables, "--features", str(recipe), "--changes")
    assert ("last_change" in plain, changed["last_change"]) == (False, 3)
    ids = [set(Snapshot.open(home.snapshots / each["id"]).artist_ids) for each in (plain, changed)]
    assert (ids[1] - ids[0], ids[0] - ids[1]) == ({"new"}, {"a001"})
    for number in ("1", "2", "3"):
        riyl(home, "changes", "drop", number)
    again = as_json(home, "snapshot", "build", tables, "--features", str(recipe), "--changes")
    assert json.dumps(again) == json.dumps(plain)
