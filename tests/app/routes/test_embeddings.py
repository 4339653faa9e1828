"""Tests of embeddings over HTTP: upload, list and get."""

from __future__ import annotations

from riyl.core.db.keys import Role
from riyl.core.settings import Home
from riyl.core.storage.embeddings import StoredEmbeddings, find_embeddings
from tests.app.conftest import asked, flip_a_byte, key_headers, problem_of
from tests.app.routes.embeddings import IDS, PART, VECTORS, bring, kept, npy, parquet

FILE = ("my gnn.npy", npy(VECTORS))


def test_a_matrix_is_kept_as_it_is(home: Home) -> None:
    answer = bring(home, file=FILE, ids=IDS)
    assert answer.status_code == 201, answer.text
    body = answer.json()
    id = body.pop("id")
    assert answer.headers["location"] == f"/v1/embeddings/{id}"
    assert body == {"name": "gnn", "source": "my gnn.npy", "artists": 3, "dim": 2, "parts": []}
    stored = StoredEmbeddings.open(home.embeddings / id).embeddings
    assert stored.ids == ["a000", "a001", "a002"]
    assert stored.vectors is not None
    assert stored.vectors.tolist() == VECTORS.tolist()
    assert stored.parts is None


def test_the_same_embeddings_are_200_and_the_newest(home: Home) -> None:
    first = bring(home, file=FILE, ids=IDS)
    other = bring(home, file=("g.parquet", parquet(["a"], [[1.0, 0.0]])))
    assert find_embeddings(home.embeddings, "gnn").id == other.json()["id"]
    table = ("g.parquet", parquet(["a000", "a001", "a002"], VECTORS.tolist()))
    again = bring(home, file=table)
    assert (first.status_code, other.status_code, again.status_code) == (201, 201, 200)
    assert again.json() == first.json()
    assert again.headers["location"] == first.headers["location"]
    assert find_embeddings(home.embeddings, "gnn").id == first.json()["id"]
    assert bring(home, "name=walks", file=FILE, ids=IDS).json()["id"] != first.json()["id"]


def test_parts_are_kept_by_modality(home: Home) -> None:
    parts = {"part_tags": ("t.npy", npy(VECTORS)), "part_audio": ("a.npy", npy(PART))}
    answer = bring(home, ids=IDS, **parts)
    assert answer.status_code == 201, answer.text
    body = answer.json()
    assert (body["parts"], body["source"], body["dim"]) == (["audio", "tags"], "parts audio, tags", 2)
    stored = StoredEmbeddings.open(home.embeddings / body["id"]).embeddings
    assert stored.vectors is None
    assert stored.parts is not None
    assert {name: part.tolist() for name, part in stored.parts.items()} == {
        "audio": PART.tolist(),
        "tags": VECTORS.tolist(),
    }
    both = bring(home, ids=IDS, file=FILE, **parts).json()
    assert (both["parts"], both["source"]) == (["audio", "tags"], "my gnn.npy")
    whole = StoredEmbeddings.open(home.embeddings / both["id"]).embeddings.vectors
    assert whole is not None
    assert whole.tolist() == VECTORS.tolist()


def test_embeddings_are_listed_the_newest_first_and_told_one_by_one(home: Home) -> None:
    (empty,) = asked(home, "/v1/embeddings")
    assert empty.json() == {"embeddings": [], "damaged": []}
    first, second = (bring(home, f"name={name}", file=FILE, ids=IDS).json() for name in "tu")
    listed, single, other = asked(
        home, "/v1/embeddings", f"/v1/embeddings/{first['id']}", "/v1/embeddings/0123456789abcdef"
    )
    assert listed.json() == {"embeddings": [second, first], "damaged": []}
    assert single.json() == first
    assert "embeddings '0123456789abcdef' does not exist" in problem_of(other, 404, "not found")["detail"]


def test_damaged_embeddings_are_told_of_and_stay_what_they_are(home: Home) -> None:
    id = bring(home, file=FILE, ids=IDS).json()["id"]
    vectors = home.embeddings / id / "vectors.npy"
    flip_a_byte(vectors)
    detail = problem_of(bring(home, file=FILE, ids=IDS), 409, "damaged embeddings")["detail"]
    assert "damaged, found sha256" in detail
    vectors.write_bytes(b"")
    listed, single = asked(home, "/v1/embeddings", f"/v1/embeddings/{id}")
    assert [each["embeddings"] for each in listed.json()["damaged"]] == [id]
    assert "damaged, found 0 bytes" in listed.json()["damaged"][0]["reason"]
    assert "damaged, found 0 bytes" in problem_of(single, 409, "damaged embeddings")["detail"]


def test_an_upload_needs_the_key_of_an_admin(home: Home) -> None:
    for headers, status, title in (({}, 401, "key needed"), (key_headers(home, Role.WRITE), 403, "not allowed")):
        files = {"file": FILE, "ids": IDS}
        (answer,) = asked(home, "/v1/embeddings?name=gnn", method="POST", headers=headers, files=files)
        problem_of(answer, status, title)
    assert kept(home) == []
