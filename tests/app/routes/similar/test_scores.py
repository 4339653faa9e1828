from __future__ import annotations

from math import log1p
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from riyl.core.db.rules import add_rule
from riyl.core.rules import RuleKind
from riyl.core.settings import Home
from riyl.index.artifact.version import Version
from riyl.index.scoring.popularity import popularity_of
from riyl.index.versions.lifecycle import promote
from tests.app.conftest import database, problem_of
from tests.app.routes.similar.questions import N, agrees, brute, found, post, row
from tests.app.routes.test_artists import Asking


def test_a_single_seed_is_what_get_answers(asking: Asking) -> None:
    for query in ("", "&uncorrected=true", "&explain=true", "&uncorrected=true&explain=true"):
        (get,) = asking.get(f"/v1/artists/a003/similar?k=30{query}")
        flags = {name: True for name in ("uncorrected", "explain") if name in query}
        for seed in ({"id": "a003"}, {"name": "The Artist-3"}, {"mbid": "00000003-0000-4000-8000-000000000000"}):
            body = found(asking, seeds=[{**seed, "weight": 7}], k=30, **flags)
            assert body["similar"] == get.json()["similar"]
            assert body["asked"]["seeds"] == [{"id": "a003", "name": "Artist 3", "weight": 7}]


def test_more_than_a_ready_list_holds(asking: Asking, version: Version) -> None:
    body = found(asking, seeds=[{"id": "a003"}], k=1000)
    agrees(body, brute(version, {3: 1}), np.ones(N, bool), 1000)
    assert len(body["similar"]) == N - 2


@pytest.mark.parametrize(
    ("question", "weights", "avoid"),
    [
        ({"seeds": [{"id": "a003"}, {"id": "a040", "weight": 2.5}]}, {3: 1, 40: 2.5}, {}),
        ({"seeds": [{"id": "a003"}], "avoid": [{"id": "a006"}, {"id": "a009", "weight": 3}]}, {3: 1}, {6: 1, 9: 3}),
        ({"plays": {"a003": 9, "a010": 1}}, {3: log1p(9), 10: log1p(1)}, {}),
        (
            {"seeds": [{"id": "a050"}], "plays": {"a003": 9, "a010": 1}},
            {50: 1, 3: log1p(9) / (log1p(9) + log1p(1)), 10: log1p(1) / (log1p(9) + log1p(1))},
            {},
        ),
    ],
)
@pytest.mark.parametrize("more", [{}, {"uncorrected": True}, {"popularity": -1}, {"popularity": 0.5}])
def test_blends_are_those_of_the_formula(
    asking: Asking,
    version: Version,
    question: dict[str, Any],
    weights: dict[int, float],
    avoid: dict[int, float],
    more: dict[str, Any],
) -> None:
    body = found(asking, **question, **more, k=25)
    agrees(body, brute(version, weights, avoid, **more), np.ones(N, bool), 25)


@pytest.mark.parametrize(
    ("filters", "passes"),
    [
        ({"attributes": {"country": {"eq": "GB"}}}, lambda i: i % 3 == 0 and i % 4 != 3),
        (
            {"attributes": {"country": {"in": ["GB", "FR"]}, "year": {"gte": 2000}}},
            lambda i: i % 3 != 1 and i % 4 != 3 and i >= 50,
        ),
        ({"attributes": {"country": {"missing": True}}}, lambda i: i % 4 == 3),
        ({"attributes": {"year": {"gte": 2049, "lte": 2049}}}, lambda i: i == 99),
        ({"attributes": {"year": {"gte": 9999}}}, lambda _: False),
        ({"modalities": ["tags", "cf"]}, lambda i: i % 5 != 4 and i % 7 != 6),
    ],
)
def test_filters_leave_out_the_others(asking: Asking, version: Version, filters: dict[str, Any], passes: Any) -> None:
    allowed = np.array([bool(passes(i)) for i in range(N)])
    body = found(asking, seeds=[{"id": "a003"}, {"id": "a010"}], filters=filters, k=20)
    agrees(body, brute(version, {3: 1, 10: 1}), allowed, 20)


def test_listeners_and_popularity_filter(asking: Asking, version: Version) -> None:
    middle = int(np.median(version.listeners))
    body = found(asking, seeds=[{"id": "a003"}], filters={"listeners": {"gte": middle, "lte": middle + 2}}, k=20)
    agrees(body, brute(version, {3: 1}), (version.listeners >= middle) & (version.listeners <= middle + 2), 20)
    body = found(asking, seeds=[{"id": "a003"}], filters={"popularity": {"lte": 0.3}}, k=20)
    agrees(body, brute(version, {3: 1}), popularity_of(version.listeners) <= -0.4, 20)


def test_excluded_and_scored_too_low_are_left_out(asking: Asking, version: Version) -> None:
    first = found(asking, seeds=[{"id": "a003"}], k=6)["similar"]
    body = found(asking, seeds=[{"id": "a003"}], k=5, exclude=[first[0]["id"], first[2]["mbid"], "nobody"])
    allowed = np.ones(N, bool)
    allowed[[row(first[0]["id"]), row(first[2]["id"])]] = False
    agrees(body, brute(version, {3: 1}), allowed, 5)
    least = (first[3]["score"] + first[4]["score"]) / 2
    listed = found(asking, seeds=[{"id": "a003"}], k=50, min_score=least)["similar"]
    assert [artist["id"] for artist in listed] == [artist["id"] for artist in first[:4]]


def test_diversity_makes_answers_less_alike(asking: Asking, version: Version) -> None:
    alike = []
    for diversity in (0, 0.5, 1):
        body = found(asking, seeds=[{"id": "a003"}], k=10, diversity=diversity)
        e = version.embeddings[[row(artist["id"]) for artist in body["similar"]]]
        alike.append(float((e @ e.T)[np.triu_indices(10, 1)].mean()))
    assert alike[0] > alike[1] > alike[2]


def test_rules_hold_for_every_question(home: Home, version: Version, tmp_path: Path) -> None:
    other_home = Home(tmp_path / "own")
    other_home.versions.mkdir(parents=True)
    (other_home.versions / version.id).symlink_to(home.versions / version.id)
    for name in ("models", "snapshots"):
        (other_home.root / name).symlink_to(home.root / name)
    db = database(other_home)
    promote(other_home.versions, db, version.id, by="test", why="test", force=True)
    asking = Asking(other_home)
    similar_ids = [artist["id"] for artist in found(asking, seeds=[{"id": "a003"}, {"id": "a006"}], k=20)["similar"]]
    asking.close()
    add_rule(db, RuleKind.BLOCK, similar_ids[0], None, by="test", why="")
    add_rule(db, RuleKind.NEVER, "a006", similar_ids[1], by="test", why="")
    add_rule(db, RuleKind.PIN, "a003", similar_ids[15], by="test", why="")
    asking = Asking(other_home)
    listed = found(asking, seeds=[{"id": "a003"}, {"id": "a006"}], k=10, explain=True)["similar"]
    scores = brute(version, {3: 1, 6: 1})
    assert [artist["id"] for artist in listed] == [similar_ids[15], *similar_ids[2:11]]
    assert [artist.get("pinned", False) for artist in listed] == [True, *[False] * 9]
    assert listed[0]["score"] == pytest.approx(scores[row(similar_ids[15])], abs=2e-6)
    only = {"year": {"gte": 1950 + row(similar_ids[3]), "lte": 1950 + row(similar_ids[3])}}
    assert [
        artist["id"] for artist in found(asking, seeds=[{"id": "a003"}], filters={"attributes": only})["similar"]
    ] == [similar_ids[3]]
    problem_of(post(asking, seeds=[{"id": similar_ids[0]}]), 404, "unknown artist")
    assert found(asking, plays={similar_ids[0]: 3, "a003": 1})["asked"]["unknown_plays"] == [similar_ids[0]]
    asking.close()


def test_a_batch_answers_each_by_itself(asking: Asking) -> None:
    questions = [{"seeds": [{"id": f"a{i:03d}"}], "k": 3} for i in range(5)] + [{"seeds": [{"id": "nobody"}]}]

    async def ask(body: Any) -> httpx.Response:
        return await asking.client.post("/v1/similar:batch", json=body)

    body = asking.run(ask({"queries": questions})).json()
    for question, entry in zip(questions[:5], body["answers"], strict=False):
        assert entry["problem"] is None
        assert entry["answer"]["similar"] == found(asking, **question)["similar"]
    last = body["answers"][5]
    assert (last["answer"], last["problem"]["status"], last["problem"]["title"]) == (None, 404, "unknown artist")
    many = {"queries": [{"seeds": [{"id": "a003"}], "k": 1000}] * 51}
    problem_of(asking.run(ask(many)), 422, "invalid request")
    problem_of(asking.run(ask({"queries": []})), 422, "invalid request")
    thousand = asking.run(ask({"queries": [{"seeds": [{"id": "a003"}], "k": 1}] * 1000}))
    assert len(thousand.json()["answers"]) == 1000
