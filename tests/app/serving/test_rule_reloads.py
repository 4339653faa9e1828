"""Every replica loads the rules, and the home's copy keeps them in force while the database is unreachable."""

from __future__ import annotations

import shutil
from typing import Any

import pytest
from pydantic import SecretStr

from riyl.app.http.metrics import Metrics
from riyl.app.serving import reloader
from riyl.app.serving.reloader import VersionReloader
from riyl.core.db.keys import Role, create_key
from riyl.core.db.promotions import add_promotion
from riyl.core.db.rules import add_rule, drop_rule
from riyl.core.db.session import Database
from riyl.core.errors import DatabaseDownError
from riyl.core.settings import Home, Settings
from riyl.core.storage.rules_copy import read_copy
from riyl.index.artifact.version import Version
from riyl.index.versions.lifecycle import promote
from tests.app.conftest import asked, database, problem_of, running, until
from tests.app.rules import AWAY, BLOCK, ids, make, order, rule
from tests.conftest import forget_database


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def test_another_replica_obeys_by_itself_and_keeps_a_copy(
    home: Home, version: Version, tmp_path: Any, kind: str, request: pytest.FixtureRequest
) -> None:
    settings = [Settings(home=home.root)] * 2
    if kind == "postgres":
        forget_database(home)
        elsewhere = Home(tmp_path / "elsewhere")
        shutil.copytree(home.root, elsewhere.root)
        url = SecretStr(request.getfixturevalue("postgres_url"))
        settings = [Settings(home=each.root, database_url=url) for each in (home, elsewhere)]
    opened = Database.of(settings[0])
    opened.upgrade()
    with opened.write() as connection:
        add_promotion(connection, version.id, "promote", by="test", why="test")
    _, token = create_key(opened, "tester", Role.ADMIN)
    headers = {"authorization": f"Bearer {token}"}
    first = order(version, 2)[0]
    async with running(home, settings[0]) as (_, client), running(home, settings[1]) as (replica, other):
        await client.post("/v1/rules", json=rule(BLOCK, first), headers=headers)
        await until(lambda: bool(replica.state.reloader.state.rules), 2)
        assert first not in ids(await other.get("/v1/artists/a002/similar"))
        for each in settings:
            copy = Home(each.home).rules
            await until(lambda copy=copy: read_copy(copy) is not None and bool(read_copy(copy).rules), 2)
        await client.delete("/v1/rules/1", headers=headers)
        await until(lambda: not replica.state.reloader.state.rules, 2)
        assert ids(await other.get("/v1/artists/a002/similar"))[0] == first
    opened.close()


def test_a_promotion_and_a_rule_are_taken_up_as_one(home: Home, version: Version, other_version: Version) -> None:
    opened = database(home)
    reloader = VersionReloader(home, opened, Metrics())
    reloader.poll()
    before = reloader.state
    assert before is not None
    reloader.poll()
    assert reloader.state is before
    add_rule(opened, BLOCK, "a001", None, by="test", why="")
    reloader.poll()
    apply_rules = reloader.state
    assert apply_rules is not None
    assert apply_rules is not before
    assert (apply_rules.searcher, apply_rules.rules.blocked) == (before.searcher, {1})
    assert not before.rules.blocked
    promote(home.versions, opened, other_version.id, by="test", why="test")
    reloader.poll()
    assert reloader.state is not None
    assert (reloader.state.searcher.version_id, reloader.state.rules.blocked) == (other_version.id, {1})
    drop_rule(opened, 1)
    reloader.reload_rules()
    assert not reloader.state.rules


def test_without_the_database_a_service_starts_under_the_rules_that_its_home_has(home: Home) -> None:
    make(home, (BLOCK, "a001", None))
    asked(home, "/readyz")  # a service that reads the rules copies them
    away = Settings(home=home.root, database_url=AWAY)
    refused, state = asked(home, "/v1/artists/a001/similar", "/v1/artists/a002/similar?k=200", settings=away)
    problem_of(refused, 404, "unknown artist")
    assert "a001" not in ids(state)


def test_a_database_that_goes_away_leaves_the_rules_in_force(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    make(home, (BLOCK, "a001", None))
    opened = database(home)
    reloader = VersionReloader(home, opened, Metrics())
    reloader.poll()
    monkeypatch.setattr(reloader, "_database", Database.of(Settings(home=home.root, database_url=AWAY)))
    reloader.poll()
    assert reloader.state is not None
    assert reloader.state.rules.blocked == {1}
    with pytest.raises(DatabaseDownError):
        reloader.reload_rules()
    assert reloader.state.rules.blocked == {1}


def test_without_database_and_with_a_damaged_copy_nobody_is_shown(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.rules.write_text("{")
    reloader = VersionReloader(home, Database.of(Settings(home=home.root, database_url=AWAY)), Metrics())
    reloader.poll()
    assert reloader.state is None
    assert reloader.refused is not None
    assert "rules.json: damaged" in reloader.refused.reason
    away = Settings(home=home.root, database_url=AWAY)
    (answer,) = asked(home, "/v1/artists/a002/similar", settings=away)
    assert "rules.json: damaged" in problem_of(answer, 503, "not ready")["detail"]
    monkeypatch.setattr("riyl.app.serving.reloader.FOLLOW_RETRY_S", 0.0)
    monkeypatch.setattr(reloader, "_follow_again", 0.0)
    monkeypatch.setattr(reloader, "_database", database(home))
    reloader.poll()
    assert reloader.state is not None
    assert reloader.refused is None
    assert read_copy(home.rules) is not None


def test_rules_that_cannot_be_copied_are_obeyed(home: Home, caplog: pytest.LogCaptureFixture) -> None:
    make(home, (BLOCK, "a001", None))
    home.rules.mkdir()
    reloader = VersionReloader(home, database(home), Metrics())
    reloader.poll()
    reloader.poll()
    assert reloader.state is not None
    assert reloader.state.rules.blocked == {1}
    assert caplog.messages.count("rules_not_copied") == 1
    home.rules.rmdir()
    reloader.poll()
    assert read_copy(home.rules) is not None


def test_a_look_comes_often_enough() -> None:
    assert 0 < reloader.POLL_S <= 1
