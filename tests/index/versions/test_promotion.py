from __future__ import annotations

from collections.abc import Iterator

import pytest

from riyl.core.db.promotions import Verdict, last_verdicts
from riyl.core.db.session import Database
from riyl.core.errors import FormatError, NotFoundError, QualityCheckError
from riyl.core.settings import Home
from riyl.index.artifact.version import Version
from riyl.index.versions.lifecycle import current, history
from riyl.index.versions.promotion import promote_checked
from riyl.index.versions.promotion_policy import Limits
from tests.app import conftest
from tests.app.conftest import flip_a_byte

LAX = Limits(min_share=0.0, min_table_share=0.0, min_overlap=0.0, max_drop=0.5)


@pytest.fixture
def database(home: Home) -> Iterator[Database]:
    database = conftest.database(home)
    yield database
    database.close()


def verdict_of(database: Database, version: Version) -> Verdict:
    with database.read() as connection:
        return last_verdicts(connection)[version.id]


def test_a_promotion_is_held_against_the_current_version(
    home: Home, database: Database, version: Version, other_version: Version
) -> None:
    seen: list[str] = []

    def ndcg(each: Version) -> float:
        seen.append(each.id)
        return {version.id: 0.5, other_version.id: 0.25}[each.id]

    entry = promote_checked(home.versions, database, other_version.id[:8], LAX, by="ann", why="a try", ndcg=ndcg)
    assert (entry.version, entry.by, entry.why, entry.forced) == (other_version.id, "ann", "a try", False)
    assert current(home.versions) == other_version.id
    assert set(seen) == {version.id, other_version.id}
    verdict = verdict_of(database, other_version)
    assert (verdict.passed, verdict.compared_to) == (True, version.id)
    (check,) = [check for check in verdict.checks if "nDCG@200" in check["name"]]
    assert (check["found"], check["wanted"], check["passed"]) == (0.25, "at least 0.25 (RIYL_QUALITY_MAX_DROP)", True)


def test_a_refusal_has_the_checks_and_is_written_down(
    home: Home, database: Database, version: Version, other_version: Version
) -> None:
    def ndcg(each: Version) -> float:
        return {version.id: 0.5, other_version.id: 0.2}[each.id]

    with pytest.raises(QualityCheckError, match="nDCG@200 on the truth: found 0.2, wanted at least 0.25") as refused:
        promote_checked(home.versions, database, other_version.id, LAX, by="ann", why="", ndcg=ndcg)
    verdict = verdict_of(database, other_version)
    assert (verdict.passed, verdict.checks) == (False, refused.value.checks)
    assert [check["passed"] for check in verdict.checks].count(False) == 1
    assert current(home.versions) == version.id
    assert len(history(database)) == 1

    assert promote_checked(
        home.versions, database, other_version.id, LAX, by="ann", why="", force=True, ndcg=ndcg
    ).forced
    assert current(home.versions) == other_version.id


def test_what_is_damaged_or_not_there_leaves_no_verdict(home: Home, database: Database, other_version: Version) -> None:
    flip_a_byte(home.versions / other_version.id / "scores.npy")
    with pytest.raises(FormatError, match="scores.npy: damaged"):
        promote_checked(home.versions, database, other_version.id, LAX, by="ann", why="", force=True)
    with pytest.raises(NotFoundError, match="version 'zzz' does not exist"):
        promote_checked(home.versions, database, "zzz", LAX, by="ann", why="")
    with database.read() as connection:
        assert last_verdicts(connection) == {}
