from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from riyl.app.evaluations.store import store
from riyl.core.settings import Home
from riyl.core.storage.ground_truth import Truth, save_truth
from tests.app.conftest import asked, database, problem_of
from tests.app.routes.evaluations import SCORES, kept
from tests.conftest import made_up_run


def truth_of(home: Home, *pairs: tuple[str, str]) -> Truth:
    columns = {"artist_id": [a for a, _ in pairs], "similar_id": [b for _, b in pairs]}
    return save_truth(home.truths, "editorial", pa.table(columns), directed=False, source="test")


def test_the_worst_queries_come_with_what_was_expected_and_what_came(home: Home) -> None:
    truth = truth_of(home, ("a001", "a002"), ("a001", "gone"), ("a005", "a001"), ("a000", "a003"))
    kept(
        home,
        "e1",
        truth=truth.id,
        expected={"a001": ["a002", "gone"]},
        retrieved={"a001": ["a003", "a002", "a005"]},
        n_relevant=3,
    )
    (answer,) = asked(home, "/v1/evaluations/e1/artists?limit=2")
    body = answer.json()
    assert (body["id"], body["condition"], body["system"], body["total"]) == ("e1", "raw", "mine", 5)
    assert [(artist["id"], artist["ndcg"]) for artist in body["artists"]] == [("a001", 0), ("a003", 0)]
    assert body["artists"][0] == {
        "id": "a001",
        "name": "Radiohead",
        "ndcg": 0.0,
        "relevant": 3,
        "expected": [
            {"id": "a002", "name": "AC/DC", "found": 2},
            {"id": "gone", "name": None, "found": None},
        ],
        # the third is relevant by the ground truth, but is not among the stored ones
        "retrieved": [
            {"id": "a003", "name": "Sigur Rós", "right": False},
            {"id": "a002", "name": "AC/DC", "right": True},
            {"id": "a005", "name": "Aurora", "right": True},
        ],
    }
    assert (body["artists"][1]["expected"], body["artists"][1]["retrieved"]) == ([], [])


def test_queries_are_paged_by_ndcg_and_equal_ones_by_id(home: Home) -> None:
    kept(home, "e1")
    wanted = {
        "": ["a001", "a003", "a000", "gone", "a002"],
        "?sort=best": ["a002", "gone", "a000", "a001", "a003"],
        "?sort=best&limit=2&offset=1": ["gone", "a000"],
        "?offset=4": ["a002"],
        "?offset=5": [],
        "?system=pca&limit=3": ["gone", "a000", "a003"],
        "?condition=fmc&system=pca": ["a000"],
    }
    answers = asked(home, *(f"/v1/evaluations/e1/artists{query}" for query in wanted))
    assert [[artist["id"] for artist in answer.json()["artists"]] for answer in answers] == list(wanted.values())


@pytest.mark.parametrize(
    ("n_relevant", "right"), [(3, [None, True]), (2, [False, True])], ids=["more are relevant", "all are stored"]
)
def test_without_the_truth_it_says_what_it_can(home: Home, n_relevant: int, right: list[bool | None]) -> None:
    expected, retrieved = {"a001": ["a002", "gone"]}, {"a001": ["a003", "a002"]}
    kept(home, "e1", expected=expected, retrieved=retrieved, n_relevant=n_relevant)
    (answer,) = asked(home, "/v1/evaluations/e1/artists?limit=1")
    assert [artist["right"] for artist in answer.json()["artists"][0]["retrieved"]] == right


def test_an_unknown_condition_or_system_is_404(home: Home) -> None:
    kept(home, "e1")
    first, second = asked(home, "/v1/evaluations/e1/artists?condition=x", "/v1/evaluations/e1/artists?system=x")
    assert problem_of(first, 404, "not found")["detail"] == "condition: found 'x'; wanted one of raw, fmc"
    assert problem_of(second, 404, "not found")["detail"] == "system: found 'x'; wanted one of mine, pca"


def test_a_condition_without_a_query_has_no_artists(home: Home) -> None:
    run_ = made_up_run(SCORES)
    for table in ("queries", "expected"):
        run_[table] = run_[table].slice(0, 0)
    store(home, database(home), "e1", {}, by="ann", **run_)
    (answer,) = asked(home, "/v1/evaluations/e1/artists")
    assert (answer.json()["total"], answer.json()["artists"]) == (0, [])


def test_without_a_version_artists_are_ids(tmp_path: Path) -> None:
    home = Home(tmp_path)
    kept(home, "e1")
    (answer,) = asked(home, "/v1/evaluations/e1/artists?sort=best&limit=1")
    assert [(artist["id"], artist["name"]) for artist in answer.json()["artists"]] == [("a002", None)]
