from __future__ import annotations

import json
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.errors import FormatError, GateError, InputError, NotFoundError
from index.artifact import Version, seal_version
from index.versions import (
    CURRENT,
    HISTORY,
    current,
    find_version,
    history,
    promote,
    prune,
    rollback,
    verify,
    versions,
)


def put(folder: Path, like: Version, identity: str, age: int = 0, passed: bool = True) -> str:
    """A copy of a version under another id; the greater `age`, the older."""
    copy = Path(shutil.copytree(like.folder, folder / identity))
    fields = {k: v for k, v in like.manifest.items() if k not in ("files", "kind", "format")}
    gate = {
        "passed": passed,
        "checks": [{"name": "recall@10", "found": 0.5, "wanted": "at least 0.99", "passed": passed}],
    }
    (copy / "manifest.sha256").unlink()
    seal_version(copy, {**fields, "id": identity, "gate": gate})
    os.utime(copy / "manifest.json", (1e9 - age, 1e9 - age))
    return identity


@pytest.fixture
def home(version: Version, tmp_path: Path) -> Path:
    """Versions aaa to ddd, aaa the oldest."""
    folder = tmp_path / "versions"
    for age, letter in enumerate("dcba"):
        put(folder, version, letter * 3, age)
    return folder


def test_nothing_is_current_before_a_promotion(home: Path, tmp_path: Path) -> None:
    assert current(home) is None
    assert current(tmp_path / "nowhere") is None
    assert history(home) == []
    assert versions(tmp_path / "nowhere") == []
    with pytest.raises(NotFoundError, match="no version is promoted in .*; make one with: riyl index build --promote"):
        find_version(home, None)


def test_a_promotion_makes_current_and_says_who_when_and_why(home: Path) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    entry = promote(home, "bb", by="ann", why="better — much")
    assert current(home) == "bbb"
    assert find_version(home, None) == home / "bbb"
    assert (entry.version, entry.act, entry.by, entry.why) == ("bbb", "promote", "ann", "better — much")
    assert before <= datetime.fromisoformat(entry.at) <= datetime.now(UTC)
    promote(home, "ccc", by="bob", why="")
    assert history(home)[0] == entry
    assert [e.version for e in history(home)] == ["bbb", "ccc"]
    assert [json.loads(line)["by"] for line in (home / HISTORY).read_text().splitlines()] == ["ann", "bob"]


def test_rollback_goes_back_one_promotion_at_a_time(home: Path) -> None:
    for name in ("aaa", "bbb", "ccc", "ccc"):
        promote(home, name, by="ann", why="")
    assert rollback(home, by="ann", why="worse").version == "bbb"
    assert current(home) == "bbb"
    assert rollback(home, by="ann", why="worse").version == "aaa"
    with pytest.raises(NotFoundError, match="nothing to go back to"):
        rollback(home, by="ann", why="")
    assert current(home) == "aaa"
    promote(home, "ddd", by="ann", why="")
    assert rollback(home, by="ann", why="").version == "aaa"
    assert [e.act for e in history(home)] == ["promote"] * 4 + ["rollback"] * 2 + ["promote", "rollback"]


def test_there_is_nothing_to_go_back_to_after_one_promotion(home: Path) -> None:
    promote(home, "aaa", by="ann", why="")
    with pytest.raises(NotFoundError, match="fewer than two versions were promoted"):
        rollback(home, by="ann", why="")


def test_a_version_that_failed_its_gate_is_kept_and_not_promoted(home: Path, version: Version) -> None:
    put(home, version, "eee", passed=False)
    promote(home, "aaa", by="ann", why="")
    with pytest.raises(GateError, match=r"eee failed its gate.*recall@10: found 0.5, wanted at least 0.99"):
        promote(home, "eee", by="ann", why="")
    assert current(home) == "aaa"
    assert len(history(home)) == 1
    assert Version.open(home / "eee").id == "eee"


def test_a_damaged_version_is_not_promoted(home: Path) -> None:
    damage(home / "aaa" / "plays.npy")
    with pytest.raises(FormatError, match="plays.npy: damaged"):
        promote(home, "aaa", by="ann", why="")
    assert current(home) is None
    assert history(home) == []


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))


def test_a_damaged_version_is_not_gone_back_to(home: Path) -> None:
    promote(home, "aaa", by="ann", why="")
    promote(home, "bbb", by="ann", why="")
    damage(home / "aaa" / "plays.npy")
    with pytest.raises(FormatError, match="plays.npy: damaged"):
        rollback(home, by="ann", why="")
    assert current(home) == "bbb"


def test_an_unknown_version_is_named_with_those_there_are(home: Path) -> None:
    with pytest.raises(NotFoundError, match="version 'zzz' does not exist; there are: aaa, bbb, ccc, ddd"):
        promote(home, "zzz", by="ann", why="")


def test_a_line_cut_off_by_a_crash_never_counts(home: Path) -> None:
    promote(home, "aaa", by="ann", why="")
    whole = (home / HISTORY).read_bytes()
    (home / HISTORY).write_bytes(whole + whole[:20])
    assert [e.version for e in history(home)] == ["aaa"]
    promote(home, "bbb", by="ann", why="")
    assert [e.version for e in history(home)] == ["aaa", "bbb"]


def test_a_crash_between_history_and_current_is_undone_by_rollback(home: Path) -> None:
    promote(home, "aaa", by="ann", why="")
    promote(home, "bbb", by="ann", why="")
    (home / CURRENT).write_text("aaa\n")
    assert rollback(home, by="ann", why="").version == "aaa"
    assert current(home) == "aaa"


@pytest.mark.parametrize("text", ["{", "[]", '{"version": "a"}', '"x"'])
def test_a_damaged_history_says_so(home: Path, text: str) -> None:
    (home / HISTORY).write_text(text + "\n")
    with pytest.raises(FormatError, match="promotions.jsonl: damaged"):
        history(home)


def test_a_damaged_current_says_so(home: Path) -> None:
    (home / CURRENT).write_bytes(b"\xff")
    with pytest.raises(FormatError, match="CURRENT: damaged"):
        current(home)


def test_a_current_version_that_is_gone_says_what_to_do(home: Path) -> None:
    promote(home, "aaa", by="ann", why="")
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
    found = verify(home)
    assert found["aaa"] is None
    assert "meta.json: damaged, found sha256" in str(found["ccc"])
    assert "found version bbb; wanted fff" in str(found["fff"])
    assert verify(home, "aa") == {"aaa": None}


def test_prune_keeps_the_newest_the_current_and_the_one_before(home: Path, version: Version) -> None:
    for name in ("ccc", "aaa", "bbb"):
        promote(home, name, by="ann", why="")
    assert prune(home, keep=1) == ["ccc"]
    assert [manifest["id"] for manifest in versions(home)] == ["aaa", "bbb", "ddd"]
    assert prune(home, keep=0) == ["ddd"]
    assert rollback(home, by="ann", why="").version == "aaa"


def test_prune_removes_what_a_killed_prune_left(home: Path) -> None:
    (home / "aaa").rename(home / ".aaa.pruned")
    assert prune(home, keep=3) == []
    assert not (home / ".aaa.pruned").exists()


def test_prune_of_few_removes_none(home: Path, tmp_path: Path) -> None:
    assert prune(home, keep=9) == []
    assert prune(tmp_path / "nowhere") == []
    with pytest.raises(InputError, match="keep: found -1"):
        prune(home, keep=-1)
