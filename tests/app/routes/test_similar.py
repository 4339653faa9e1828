from __future__ import annotations

import json
from collections.abc import Iterator
from math import log1p
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.db.rules import add_rule
from core.model import Model
from core.rules import RuleKind
from core.settings import Home
from core.snapshot import Snapshot
from core.tables import Tables
from index.artifact import Version
from index.build import build_version
from index.embed import embed, parts_of
from index.query import popularity_of
from index.versions import promote
from tests.app.conftest import asked as answers_of
from tests.app.conftest import database, problem_of
from tests.app.test_api import Asking
from tests.conftest import SMALL_RECIPE, small_world
from training.config import load_config
from training.features.build import build_snapshot
from training.train import train

N = 150
NOBODY = f"a{N - 1:03d}"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home with a version of the default config, its model and snapshot; artists have a country and a year."""
    home = Home(tmp_path_factory.mktemp("asked"))
    small_world(home.root / "tables", n=N)
    path = home.root / "tables" / "artists.parquet"
    artists = pq.read_table(path)
    artists = artists.append_column(
        "country", pa.array([None if i % 4 == 3 else ["GB", "IS", "FR"][i % 3] for i in range(N)])
    )
    artists = artists.append_column("year", pa.array([1950 + i for i in range(N)]))
    artists = artists.append_column("mbid", pa.array([f"{i:08d}-0000-4000-8000-000000000000" for i in range(N)]))
    artists = artists.set_column(1, "name", pa.array(["Twins" if i in (20, 21) else f"Artist {i}" for i in range(N)]))
    pq.write_table(artists, path)
    snapshot = build_snapshot(Tables.open(home.root / "tables"), SMALL_RECIPE, home.snapshots)
    name, config = load_config("default")
    version = build_version(train(name, config, snapshot, home.models), snapshot, home.versions)
    promote(home.versions, database(home), version.id, by="test", why="test", force=True)
    return home


@pytest.fixture(scope="module")
def version(home: Home) -> Version:
    return Version.open(next(home.versions.glob("[!.]*/manifest.json")).parent)


@pytest.fixture(scope="module")
def asking(home: Home) -> Iterator[Asking]:
    asking = Asking(home)
    yield asking
    asking.close()


def post(asking: Asking, **question: Any) -> httpx.Response:
    async def ask() -> httpx.Response:
        return await asking.client.post(
            "/v1/similar", content=json.dumps(question), headers={"content-type": "application/json"}
        )

    return asking.run(ask())


def found(asking: Asking, **question: Any) -> dict[str, Any]:
    response = post(asking, **question)
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


def row(artist: str) -> int:
    return int(artist[1:])


def brute(
    version: Version,
    weights: dict[int, float],
    avoid: dict[int, float] | None = None,
    *,
    popularity: float = 0.0,
    raw: bool = False,
) -> np.ndarray:
    """(n,) scores by the formula of the docs, over all artists."""
    e, h, c, p = version.embeddings.astype(float), version.scoring.h, version.scoring.c, version.patterns
    whole = sum(weights.values())
    q = sum(w / whole * e[r] for r, w in weights.items())
    for r, w in (avoid or {}).items():
        q = q - 0.5 * w / sum((avoid or {}).values()) * e[r]
    scores = e @ (q / np.linalg.norm(q)) + 0.1 * popularity * popularity_of(version.listeners)
    if not raw:
        scores += sum(w / whole * c[p[r]][p] for r, w in weights.items()) - h
    scores[~version.known] = -np.inf
    scores[[*weights, *(avoid or {})]] = -np.inf
    return np.asarray(scores)


def agrees(body: dict[str, Any], scores: np.ndarray, allowed: np.ndarray, k: int) -> None:
    """The answer holds the k best that are allowed, with their scores, best first."""
    best = np.sort(scores[allowed & np.isfinite(scores)])[::-1][:k]
    assert [s["score"] for s in body["similar"]] == pytest.approx(best.tolist(), abs=2e-6)
    for one in body["similar"]:
        assert allowed[row(one["id"])]
        assert one["score"] == pytest.approx(scores[row(one["id"])], abs=2e-6)


def test_a_single_seed_is_what_get_answers(asking: Asking) -> None:
    for query in ("", "&raw=true", "&explain=true", "&raw=true&explain=true"):
        (get,) = asking.get(f"/v1/artists/a003/similar?k=30{query}")
        flags = {name: True for name in ("raw", "explain") if name in query}
        for seed in ({"id": "a003"}, {"name": "Artist 3"}, {"mbid": "00000003-0000-4000-8000-000000000000"}):
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
@pytest.mark.parametrize("more", [{}, {"raw": True}, {"popularity": -1}, {"popularity": 0.5}])
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
    kept = found(asking, seeds=[{"id": "a003"}], k=50, min_score=least)["similar"]
    assert [one["id"] for one in kept] == [one["id"] for one in first[:4]]


def test_diversity_makes_answers_less_alike(asking: Asking, version: Version) -> None:
    alike = []
    for diversity in (0, 0.5, 1):
        body = found(asking, seeds=[{"id": "a003"}], k=10, diversity=diversity)
        e = version.embeddings[[row(one["id"]) for one in body["similar"]]]
        alike.append(float((e @ e.T)[np.triu_indices(10, 1)].mean()))
    assert alike[0] > alike[1] > alike[2]


def model_and_snapshot(home: Home) -> tuple[Model, Snapshot]:
    model = Model.open(next(home.models.glob("[!.]*/card.json")).parent)
    return model, Snapshot.open(next(home.snapshots.glob("[!.]*/manifest.json")).parent)


def test_tags_ask_as_the_artist_that_has_them_and_nothing_else(asking: Asking, home: Home, version: Version) -> None:
    model, snapshot = model_and_snapshot(home)
    tags = snapshot.modalities["tags"]
    assert tags.sets is not None
    entry = slice(tags.sets.indptr[2], tags.sets.indptr[3])
    words = version.terms("tags").to_pylist()
    given = {words[t]: float(w) for t, w in zip(tags.sets.terms[entry], tags.sets.weights[entry], strict=True)}
    body = found(asking, tags={**given, "polka": 1.0}, k=12)
    assert body["asked"]["tags"] == given
    assert body["asked"]["unknown_tags"] == ["polka"]
    q = embed(model, snapshot, only=["tags"]).vectors[tags.rows[2]].astype(float)
    scores = version.embeddings @ q - version.scoring.h
    if ("tags",) in version.patterns_of_modalities:
        scores = scores + version.scoring.c[version.patterns_of_modalities.index(("tags",))][version.patterns]
    agrees(body, np.where(version.known, scores, -np.inf), np.ones(N, bool), 12)


def test_vectors_and_tags_together_are_one_artist(asking: Asking, home: Home, version: Version) -> None:
    model, snapshot = model_and_snapshot(home)
    at = int(version.artist_ids.index("a003"))
    rows = {m: int(np.flatnonzero(snapshot.modalities[m].rows == at)[0]) for m in ("audio", "tags")}
    tags = snapshot.modalities["tags"]
    assert tags.sets is not None
    entry = slice(tags.sets.indptr[rows["tags"]], tags.sets.indptr[rows["tags"] + 1])
    words = version.terms("tags").to_pylist()
    given = {words[t]: float(w) for t, w in zip(tags.sets.terms[entry], tags.sets.weights[entry], strict=True)}
    vector = snapshot.modalities["audio"].vectors[rows["audio"]].tolist()
    total = sum(parts_of(model, snapshot, m, at=np.array([rows[m]]))[0].astype(float) for m in rows)
    scores = version.embeddings @ (total / np.linalg.norm(total)) - version.scoring.h
    sets = version.patterns_of_modalities
    if ("audio", "tags") in sets:
        scores = scores + version.scoring.c[sets.index(("audio", "tags"))][version.patterns]
    body = found(asking, tags=given, vectors={"audio": vector}, k=8)
    agrees(body, np.where(version.known, scores, -np.inf), np.ones(N, bool), 8)


@pytest.mark.parametrize(
    "question",
    [
        {"seeds": [{"id": "a003"}]},
        {"seeds": [{"id": "a003"}], "raw": True},
        {"seeds": [{"id": "a003"}, {"id": "a004", "weight": 3}], "avoid": [{"id": "a008"}], "popularity": -0.7},
        {"seeds": [{"id": "a003"}], "tags": {"ska": 3, "dub": 1}, "diversity": 0.3},
        {"plays": {"a005": 3, "a006": 8}, "filters": {"attributes": {"country": {"eq": "GB"}}}},
        {"tags": {"bop": 3, "swing": 1}, "vectors": {"audio": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]}},
    ],
)
def test_shares_add_up_on_every_path(asking: Asking, question: dict[str, Any]) -> None:
    body = found(asking, **question, explain=True, k=12)
    assert body["similar"]
    for one in body["similar"]:
        why = one["why"]
        pairs = sum(pair["share"] for pair in why["pairs"])
        assert pairs + why["hubness"] + why["calibration"] + why["popularity"] == pytest.approx(one["score"], abs=1e-5)
        assert sum(seed["share"] for seed in why["seeds"]) == pytest.approx(pairs, abs=1e-5)
        assert set(why["evidence"]) == set(one["modalities"])


def test_common_tags_are_named(asking: Asking) -> None:
    body = found(asking, tags={"ska": 3, "dub": 1}, explain=True, k=5)
    for one in body["similar"]:
        assert {c["term"] for c in one["why"]["common"]["tags"]} <= {"ska", "dub"}
        assert all(c["asked"] == {"ska": 3, "dub": 1}[c["term"]] for c in one["why"]["common"]["tags"])
    assert any(one["why"]["common"]["tags"] for one in body["similar"])


def test_rules_hold_for_every_question(home: Home, version: Version, tmp_path: Path) -> None:
    own = Home(tmp_path / "own")
    own.versions.mkdir(parents=True)
    (own.versions / version.id).symlink_to(home.versions / version.id)
    for name in ("models", "snapshots"):
        (own.root / name).symlink_to(home.root / name)
    db = database(own)
    promote(own.versions, db, version.id, by="test", why="test", force=True)
    asking = Asking(own)
    whole = [one["id"] for one in found(asking, seeds=[{"id": "a003"}, {"id": "a006"}], k=20)["similar"]]
    asking.close()
    add_rule(db, RuleKind.BLOCK, whole[0], None, by="test", why="")
    add_rule(db, RuleKind.NEVER, "a006", whole[1], by="test", why="")
    add_rule(db, RuleKind.PIN, "a003", whole[15], by="test", why="")
    asking = Asking(own)
    listed = found(asking, seeds=[{"id": "a003"}, {"id": "a006"}], k=10, explain=True)["similar"]
    scores = brute(version, {3: 1, 6: 1})
    assert [one["id"] for one in listed] == [whole[15], *whole[2:11]]
    assert [one.get("pinned", False) for one in listed] == [True, *[False] * 9]
    assert listed[0]["score"] == pytest.approx(scores[row(whole[15])], abs=2e-6)
    only = {"year": {"gte": 1950 + row(whole[3]), "lte": 1950 + row(whole[3])}}
    assert [one["id"] for one in found(asking, seeds=[{"id": "a003"}], filters={"attributes": only})["similar"]] == [
        whole[3]
    ]
    problem_of(post(asking, seeds=[{"id": whole[0]}]), 404, "unknown artist")
    assert found(asking, plays={whole[0]: 3, "a003": 1})["asked"]["unknown_plays"] == [whole[0]]
    asking.close()


SEED: dict[str, Any] = {"seeds": [{"id": "a003"}]}


@pytest.mark.parametrize(
    ("question", "status", "title"),
    [
        ({}, 422, "invalid request"),
        ({"avoid": [{"id": "a003"}]}, 422, "invalid request"),
        ({"seeds": [{}]}, 422, "invalid request"),
        ({"seeds": [{"id": "a003", "name": "x"}]}, 422, "invalid request"),
        ({"seeds": [{"id": "a003", "weight": 0}]}, 422, "invalid request"),
        ({"seeds": [{"id": "a003"}], "k": 1001}, 422, "invalid request"),
        ({"seeds": [{"id": "a003"}], "colour": "red"}, 422, "invalid request"),
        ({"seeds": [{"id": "a003"}], "min_score": float("nan")}, 422, "invalid request"),
        ({"seeds": [{"id": "a003"}], "popularity": float("inf")}, 422, "invalid request"),
        (SEED | {"filters": {"listeners": {"gte": 3, "lte": 2}}}, 422, "invalid request"),
        (SEED | {"filters": {"attributes": {"year": {}}}}, 422, "invalid request"),
        (
            {"seeds": [{"id": "a003"}], "filters": {"attributes": {"year": {"eq": 1, "in": [1]}}}},
            422,
            "invalid request",
        ),
        (
            {"seeds": [{"id": "a003"}], "filters": {"attributes": {"year": {"eq": 1, "missing": True}}}},
            422,
            "invalid request",
        ),
        (SEED | {"filters": {"attributes": {"colour": {"eq": 1}}}}, 422, "invalid request"),
        (SEED | {"filters": {"attributes": {"year": {"eq": "x"}}}}, 422, "invalid request"),
        (SEED | {"filters": {"modalities": ["lyrics"]}}, 422, "invalid request"),
        ({"seeds": [{"id": "a003"}], "avoid": [{"name": "Artist 3"}]}, 422, "invalid request"),
        ({"tags": {"ska": 0}}, 422, "invalid request"),
        ({"tags": {"ska": float("nan")}}, 422, "invalid request"),
        ({"vectors": {"audio": [1.0]}}, 422, "invalid request"),
        ({"vectors": {"audio": [0.0] * 8}}, 422, "invalid request"),
        ({"vectors": {"audio": [float("nan")] * 8}}, 422, "invalid request"),
        ({"vectors": {"lyrics": [1.0]}}, 409, "not comparable"),
        ({"tags": {"polka": 1}}, 409, "nothing known yet"),
        ({"plays": {"nobody": 1}}, 409, "nothing known yet"),
        ({"seeds": [{"id": NOBODY}]}, 409, "nothing known yet"),
        ({"seeds": [{"id": "nobody"}]}, 404, "unknown artist"),
        ({"seeds": [{"name": "Nobody Of That Name"}]}, 404, "unknown artist"),
        ({"seeds": [{"name": "Twins"}]}, 409, "several artists have this name"),
    ],
)
def test_what_cannot_be_asked_is_refused(asking: Asking, question: dict[str, Any], status: int, title: str) -> None:
    problem_of(post(asking, **question), status, title)


def test_a_body_that_is_too_large_is_refused(asking: Asking) -> None:
    problem_of(post(asking, tags={f"{i:0900d}": 1 for i in range(11_000)}), 413, "body too large")


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


def test_without_the_model_words_cannot_be_asked_but_artists_can(home: Home, version: Version, tmp_path: Path) -> None:
    own = Home(tmp_path / "own")
    own.versions.mkdir(parents=True)
    (own.versions / version.id).symlink_to(home.versions / version.id)
    db = database(own)
    promote(own.versions, db, version.id, by="test", why="test", force=True)
    asking = Asking(own)
    problem = problem_of(post(asking, tags={"ska": 1}), 409, "no encoder")
    assert "found no model" in problem["detail"]
    assert found(asking, seeds=[{"id": "a003"}, {"id": "a006"}])["similar"]
    asking.close()


seeds = st.lists(
    st.fixed_dictionaries({"id": st.integers(0, N).map(lambda i: f"a{i:03d}")}, optional={"weight": st.floats()}),
    max_size=3,
)
QUESTIONS = st.fixed_dictionaries(
    {},
    optional={
        "seeds": seeds,
        "avoid": seeds,
        "tags": st.dictionaries(st.sampled_from(["ska", "dub", "", "polka", "\x00"]), st.floats(), max_size=3),
        "vectors": st.dictionaries(
            st.sampled_from(["audio", "cf", "tags", "x"]), st.lists(st.floats(), min_size=5, max_size=8), max_size=2
        ),
        "plays": st.dictionaries(st.integers(0, N).map(lambda i: f"a{i:03d}"), st.floats(), max_size=3),
        "k": st.integers(-1, 1001),
        "diversity": st.floats(-0.1, 1.1),
        "popularity": st.floats(-1.1, 1.1),
        "min_score": st.floats(),
        "raw": st.booleans(),
        "explain": st.booleans(),
        "exclude": st.lists(st.text(max_size=5), max_size=3),
        "filters": st.fixed_dictionaries(
            {},
            optional={
                "listeners": st.fixed_dictionaries({}, optional={"gte": st.floats(), "lte": st.floats()}),
                "modalities": st.lists(st.sampled_from(["tags", "cf", "x"]), max_size=2),
                "attributes": st.dictionaries(
                    st.sampled_from(["country", "year", "x"]),
                    st.dictionaries(
                        st.sampled_from(["eq", "gte", "lte", "missing", "in"]),
                        st.none()
                        | st.booleans()
                        | st.integers()
                        | st.floats()
                        | st.text(max_size=4)
                        | st.lists(st.integers(0, 9), max_size=2),
                        max_size=3,
                    ),
                    max_size=2,
                ),
            },
        ),
    },
)


@settings(max_examples=400, deadline=None)
@given(QUESTIONS)
def test_nothing_that_is_asked_is_a_fault(asking: Asking, question: dict[str, Any]) -> None:
    response = post(asking, **question)
    assert response.status_code in (200, 404, 409, 422), response.text
    if response.status_code == 200:
        body = response.json()
        assert len(body["similar"]) <= question.get("k", 10)
        scores = [one["score"] for one in body["similar"]]
        assert all(np.isfinite(scores))
        if not question.get("diversity"):
            assert scores == sorted(scores, reverse=True)


def test_the_first_cold_query_after_a_start_is_answered(home: Home) -> None:
    (answer,) = answers_of(home, "/v1/similar", method="POST", json={"tags": {"ska": 1}, "k": 3})
    assert len(answer.json()["similar"]) == 3
