from __future__ import annotations

import json
import os
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from riyl.core.db.session import Database
from riyl.core.errors import FormatError, InputError, NotFoundError, QualityCheckError
from riyl.core.files import published
from riyl.core.settings import Settings
from riyl.index.artifact.version import Version, seal_version
from riyl.index.versions.lifecycle import (
    CURRENT,
    HISTORY,
    current,
    find_version,
    follow,
    history,
    promote,
    prune,
    rollback,
    verify,
    versions,
)
from riyl.index.versions.report import Check, Report


def put(folder: Path, like: Version, identity: str, age: int = 0, passed: bool = True) -> str:
    """Copy a version under another id; a greater `age` makes it older."""
    copy = Path(shutil.copytree(like.folder, folder / identity))
    fields = {k: v for k, v in like.manifest.items() if k not in ("files", "kind", "format")}
    quality_checks = {
        "passed": passed,
        "checks": [{"name": "recall@10", "found": 0.5, "wanted": "at least 0.99", "passed": passed}],
    }
    (copy / "manifest.sha256").unlink()
    seal_version(copy, {**fields, "id": identity, "quality_checks": quality_checks})
    os.utime(copy / "manifest.json", (1e9 - age, 1e9 - age))
    return identity


@pytest.fixture
def home(version: Version, tmp_path: Path) -> Path:
    """Create versions aaa to ddd, aaa the oldest."""
    folder = tmp_path / "versions"
    for age, letter in enumerate("dcba"):
        put(folder, version, letter * 3, age)
    return folder


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database.of(Settings(home=tmp_path))


def test_nothing_is_current_before_a_promotion(home: Path, tmp_path: Path, database: Database) -> None:
    assert current(home) is None
    assert current(tmp_path / "nowhere") is None
    assert history(database) == []
    assert versions(tmp_path / "nowhere") == []
    with pytest.raises(NotFoundError, match="no version is promoted in .*; make one with: riyl index build --promote"):
        find_version(home, None)


def test_a_promotion_makes_current_and_says_who_when_and_why(home: Path, database: Database) -> None:
    before = datetime.now(UTC)
    entry = promote(home, database, "bb", by="ann", why="better — much")
    assert current(home) == "bbb"
    assert find_version(home, None) == home / "bbb"
    assert (entry.version, entry.act, entry.by, entry.why) == ("bbb", "promote", "ann", "better — much")
    assert before <= entry.at <= datetime.now(UTC)
    promote(home, database, "ccc", by="bob", why="")
    assert history(database)[0] == entry
    assert [e.version for e in history(database)] == ["bbb", "ccc"]


def test_rollback_goes_back_one_promotion_at_a_time(home: Path, database: Database) -> None:
    for name in ("aaa", "bbb", "ccc", "ccc"):
        promote(home, database, name, by="ann", why="")
    assert rollback(home, database, by="ann", why="worse").version == "bbb"
    assert current(home) == "bbb"
    assert rollback(home, database, by="ann", why="worse").version == "aaa"
    with pytest.raises(NotFoundError, match="nothing to go back to"):
        rollback(home, database, by="ann", why="")
    assert current(home) == "aaa"
    promote(home, database, "ddd", by="ann", why="")
    assert rollback(home, database, by="ann", why="").version == "aaa"
    assert [e.act for e in history(database)] == ["promote"] * 4 + ["rollback"] * 2 + ["promote", "rollback"]


def test_there_is_nothing_to_go_back_to_after_one_promotion(home: Path, database: Database) -> None:
    promote(home, database, "aaa", by="ann", why="")
    with pytest.raises(NotFoundError, match="fewer than two versions were promoted"):
        rollback(home, database, by="ann", why="")


def test_a_version_that_failed_its_gate_is_kept_and_not_promoted(
    home: Path, version: Version, database: Database
) -> None:
    put(home, version, "eee", passed=False)
    promote(home, database, "aaa", by="ann", why="")
    with pytest.raises(
        QualityCheckError, match=r"eee failed its quality checks.*recall@10: found 0.5, wanted at least 0.99"
    ):
        promote(home, database, "eee", by="ann", why="")
    assert current(home) == "aaa"
    assert len(history(database)) == 1
    assert Version.open(home / "eee").id == "eee"


def test_a_damaged_version_is_not_promoted(home: Path, database: Database) -> None:
    damage(home / "aaa" / "plays.npy")
    with pytest.raises(FormatError, match="plays.npy: damaged"):
        promote(home, database, "aaa", by="ann", why="")
    assert current(home) is None
    assert history(database) == []


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))


def test_a_damaged_version_is_not_gone_back_to(home: Path, database: Database) -> None:
    promote(home, database, "aaa", by="ann", why="")
    promote(home, database, "bbb", by="ann", why="")
    damage(home / "aaa" / "plays.npy")
    with pytest.raises(FormatError, match="plays.npy: damaged"):
        rollback(home, database, by="ann", why="")
    assert current(home) == "bbb"


def test_an_unknown_version_is_named_with_those_there_are(home: Path, database: Database) -> None:
    with pytest.raises(NotFoundError, match="version 'zzz' does not exist; there are: aaa, bbb, ccc, ddd"):
        promote(home, database, "zzz", by="ann", why="")


OLD = [
    {"version": "aaa", "act": "promote", "by": "ann", "why": "é", "at": "2026-01-02T03:04:05+00:00"},
    {"version": "bbb", "act": "promote", "by": "bob", "why": "", "at": "2026-01-03T03:04:05+00:00"},
]


def test_promotions_of_a_home_without_a_database_are_taken_over_once(home: Path, database: Database) -> None:
    lines = "".join(json.dumps(entry) + "\n" for entry in OLD)
    (home / HISTORY).write_text(lines + lines[:20])  # a line cut off by a crash never took effect
    follow(home, database)
    follow(home, database)
    assert current(home) == "bbb"
    assert [(e.version, e.by, e.why) for e in history(database)] == [("aaa", "ann", "é"), ("bbb", "bob", "")]
    assert history(database)[0].at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert rollback(home, database, by="ann", why="").version == "aaa"


@pytest.mark.parametrize("text", ["{", "[]", '{"version": "a"}', '"x"'])
def test_old_promotions_that_are_damaged_say_so(home: Path, text: str, database: Database) -> None:
    (home / HISTORY).write_text(json.dumps(OLD[0]) + "\n" + text + "\n")
    with pytest.raises(FormatError, match="promotions.jsonl: damaged"):
        follow(home, database)
    assert history(database) == []


def test_a_crash_between_the_database_and_current_is_mended(home: Path, database: Database) -> None:
    promote(home, database, "aaa", by="ann", why="")
    promote(home, database, "bbb", by="ann", why="")
    (home / CURRENT).write_text("aaa\n")
    follow(home, database)
    assert current(home) == "bbb"


def test_a_current_version_that_is_in_another_home_leaves_this_one_as_it_is(
    home: Path, database: Database, tmp_path: Path, version: Version
) -> None:
    promote(home, database, "aaa", by="ann", why="")
    other = tmp_path / "other"
    put(other, version, "xxx")
    promote(other, database, "xxx", by="ann", why="")
    with pytest.raises(NotFoundError, match="version xxx was promoted but is not in"):
        follow(home, database)
    assert current(home) == "aaa"


def test_a_job_promotes_once_however_often_it_runs(home: Path, database: Database) -> None:
    first = promote(home, database, "aaa", by="job", why="", job="j1")
    promote(home, database, "bbb", by="ann", why="")
    assert promote(home, database, "aaa", by="job", why="", job="j1") == first
    assert current(home) == "bbb"
    assert [e.version for e in history(database)] == ["aaa", "bbb"]


def test_a_verdict_counts_more_than_the_versions_own_gate(home: Path, database: Database) -> None:
    verdict = Report((Check("overlap@50", 0.125, "at least 0.3", False),))
    with pytest.raises(QualityCheckError, match=re.escape("overlap@50: found 0.125, wanted at least 0.3")):
        promote(home, database, "aaa", by="ann", why="", verdict=verdict)
    assert history(database) == []
    assert promote(home, database, "aaa", by="ann", why="", verdict=verdict, force=True).forced
    assert not promote(home, database, "bbb", by="ann", why="", force=True).forced
    assert [e.forced for e in history(database)] == [True, False]


def test_promotions_from_many_threads_take_effect_one_by_one(home: Path, database: Database) -> None:
    with ThreadPoolExecutor(8) as pool:
        entries = list(pool.map(lambda i: promote(home, database, "abcd"[i % 4] * 3, by="t", why=str(i)), range(24)))
    assert sorted(e.number for e in entries) == list(range(1, 25))
    assert current(home) == max(entries, key=lambda e: e.number).version


def test_a_damaged_current_says_so(home: Path) -> None:
    (home / CURRENT).write_bytes(b"\xff")
    with pytest.raises(FormatError, match="CURRENT: damaged"):
        current(home)


def test_a_current_version_that_is_gone_says_what_to_do(home: Path, database: Database) -> None:
    promote(home, database, "aaa", by="ann", why="")
    shutil.rmtree(home / "aaa")
    with pytest.raises(NotFoundError, match="the current version aaa is not in .*; make one with"):
        find_version(home, None)


def test_versions_are_listed_by_age_and_hidden_ones_are_not(home: Path) -> None:
    (home / ".eee.12345678.aside").mkdir()
    assert [manifest["id"] for manifest in versions(home)] == ["aaa", "bbb", "ccc", "ddd"]


def test_verify_says_which_are_damaged_and_where(home: Path, version: Version) -> None:
    assert verify(home) == dict.fromkeys(["aaa", "bbb", "ccc", "ddd"])
    damage(home / "ccc" / "names" / "meta.json")
    (home / "bbb").rename(home / "fff")
    errors = verify(home)
    assert errors["aaa"] is None
    assert "meta.json: damaged, found sha256" in str(errors["ccc"])
    assert "found version bbb; wanted fff" in str(errors["fff"])
    assert verify(home, "aa") == {"aaa": None}


def test_prune_keeps_the_newest_the_current_and_the_one_before(
    home: Path, version: Version, database: Database
) -> None:
    for name in ("ccc", "aaa", "bbb"):
        promote(home, database, name, by="ann", why="")
    assert prune(home, database, keep=1) == ["ccc"]
    assert [manifest["id"] for manifest in versions(home)] == ["aaa", "bbb", "ddd"]
    assert prune(home, database, keep=0) == ["ddd"]
    assert rollback(home, database, by="ann", why="").version == "aaa"


def test_prune_removes_what_a_killed_prune_left(home: Path, database: Database) -> None:
    (home / "aaa").rename(home / ".aaa.pruned")
    assert prune(home, database, keep=3) == []
    assert not (home / ".aaa.pruned").exists()


def test_prune_removes_what_builds_left_and_nothing_that_is_being_filled(home: Path, database: Database) -> None:
    (home / ".aaa.embedding").mkdir()
    (home / ".eee.embedding").mkdir()
    (home / ".eee.12345678.aside").mkdir()
    (home / "..eee.embedding.12345678.aside").mkdir()
    with published(home / "fff") as version, published(home / ".fff.embedding") as embedding:
        assert prune(home, database, keep=9) == []
        hidden = {path.name for path in home.glob(".*") if path.is_dir()}
        assert hidden == {version.name, embedding.name}


def test_prune_of_few_removes_none(home: Path, tmp_path: Path, database: Database) -> None:
    assert prune(home, database, keep=9) == []
    assert prune(tmp_path / "nowhere", database) == []
    with pytest.raises(InputError, match="keep: found -1"):
        prune(home, database, keep=-1)
