from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from riyl.core.settings import Home
from riyl.core.storage.model import Model
from riyl.core.storage.snapshot import Snapshot
from riyl.index.artifact.version import Version
from riyl.index.encoding.embed import embed, parts_of
from riyl.index.versions.lifecycle import promote
from tests.app.conftest import asked as answers_of
from tests.app.conftest import database, problem_of
from tests.app.routes.similar.questions import N, agrees, found, post
from tests.app.routes.test_artists import Asking


def model_and_snapshot(home: Home) -> tuple[Model, Snapshot]:
    model = Model.open(next(home.models.glob("[!.]*/card.json")).parent)
    return model, Snapshot.open(next(home.snapshots.glob("[!.]*/manifest.json")).parent)


def test_tags_ask_as_the_artist_that_has_them_and_nothing_else(asking: Asking, home: Home, version: Version) -> None:
    model, snapshot = model_and_snapshot(home)
    tags = snapshot.modalities["tags"]
    assert tags.sets is not None
    entry = slice(tags.sets.indptr[2], tags.sets.indptr[3])
    words = version.terms("tags").to_pylist()
    tag_weights = {words[t]: float(w) for t, w in zip(tags.sets.terms[entry], tags.sets.weights[entry], strict=True)}
    body = found(asking, tags={**tag_weights, "polka": 1.0}, k=12)
    assert body["asked"]["tags"] == tag_weights
    assert body["asked"]["unknown_tags"] == ["polka"]
    q = embed(model, snapshot, only=["tags"]).vectors[tags.rows[2]].astype(float)
    scores = version.embeddings @ q - version.scoring.h
    if ("tags",) in version.patterns_of_modalities:
        scores = scores + version.scoring.c[version.patterns_of_modalities.index(("tags",))][version.patterns]
    agrees(body, np.where(version.has_embedding, scores, -np.inf), np.ones(N, bool), 12)


def test_vectors_and_tags_together_are_one_artist(asking: Asking, home: Home, version: Version) -> None:
    model, snapshot = model_and_snapshot(home)
    at = int(version.artist_ids.index("a003"))
    rows = {m: int(np.flatnonzero(snapshot.modalities[m].rows == at)[0]) for m in ("audio", "tags")}
    tags = snapshot.modalities["tags"]
    assert tags.sets is not None
    entry = slice(tags.sets.indptr[rows["tags"]], tags.sets.indptr[rows["tags"] + 1])
    words = version.terms("tags").to_pylist()
    tag_weights = {words[t]: float(w) for t, w in zip(tags.sets.terms[entry], tags.sets.weights[entry], strict=True)}
    vector = snapshot.modalities["audio"].vectors[rows["audio"]].tolist()
    total = sum(parts_of(model, snapshot, m, at=np.array([rows[m]]))[0].astype(float) for m in rows)
    scores = version.embeddings @ (total / np.linalg.norm(total)) - version.scoring.h
    sets = version.patterns_of_modalities
    if ("audio", "tags") in sets:
        scores = scores + version.scoring.c[sets.index(("audio", "tags"))][version.patterns]
    body = found(asking, tags=tag_weights, vectors={"audio": vector}, k=8)
    agrees(body, np.where(version.has_embedding, scores, -np.inf), np.ones(N, bool), 8)


@pytest.mark.parametrize(
    "question",
    [
        {"seeds": [{"id": "a003"}]},
        {"seeds": [{"id": "a003"}], "uncorrected": True},
        {"seeds": [{"id": "a003"}, {"id": "a004", "weight": 3}], "avoid": [{"id": "a008"}], "popularity": -0.7},
        {"seeds": [{"id": "a003"}], "tags": {"ska": 3, "dub": 1}, "diversity": 0.3},
        {"plays": {"a005": 3, "a006": 8}, "filters": {"attributes": {"country": {"eq": "GB"}}}},
        {"tags": {"bop": 3, "swing": 1}, "vectors": {"audio": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]}},
    ],
)
def test_shares_add_up_on_every_path(asking: Asking, question: dict[str, Any]) -> None:
    body = found(asking, **question, explain=True, k=12)
    assert body["similar"]
    for artist in body["similar"]:
        why = artist["why"]
        pairs = sum(pair["share"] for pair in why["pairs"])
        assert pairs + why["hubness"] + why["calibration"] + why["popularity"] == pytest.approx(
            artist["score"], abs=1e-5
        )
        assert sum(seed["share"] for seed in why["seeds"]) == pytest.approx(pairs, abs=1e-5)
        assert set(why["evidence"]) == set(artist["modalities"])


def test_common_tags_are_named(asking: Asking) -> None:
    body = found(asking, tags={"ska": 3, "dub": 1}, explain=True, k=5)
    for artist in body["similar"]:
        assert {c["term"] for c in artist["why"]["common"]["tags"]} <= {"ska", "dub"}
        assert all(c["asked"] == {"ska": 3, "dub": 1}[c["term"]] for c in artist["why"]["common"]["tags"])
    assert any(artist["why"]["common"]["tags"] for artist in body["similar"])


def test_without_the_model_words_cannot_be_asked_but_artists_can(home: Home, version: Version, tmp_path: Path) -> None:
    other_home = Home(tmp_path / "own")
    other_home.versions.mkdir(parents=True)
    (other_home.versions / version.id).symlink_to(home.versions / version.id)
    db = database(other_home)
    promote(other_home.versions, db, version.id, by="test", why="test", force=True)
    asking = Asking(other_home)
    problem = problem_of(post(asking, tags={"ska": 1}), 409, "no encoder")
    assert "found no model" in problem["detail"]
    assert found(asking, seeds=[{"id": "a003"}, {"id": "a006"}])["similar"]
    asking.close()


def test_the_first_cold_query_after_a_start_is_answered(home: Home) -> None:
    (answer,) = answers_of(home, "/v1/similar", method="POST", json={"tags": {"ska": 1}, "k": 3})
    assert len(answer.json()["similar"]) == 3
