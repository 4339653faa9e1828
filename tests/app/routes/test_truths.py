"""Tests of ground truths over HTTP: upload, list, and coverage by the version that serves."""

from __future__ import annotations

import asyncio
import io
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from riyl.app.http.overload import MAX_UPLOADS
from riyl.core.db.keys import Role
from riyl.core.settings import Home
from riyl.core.storage.ground_truth import Truth
from riyl.core.storage.snapshot import Snapshot
from riyl.index.artifact.version import Version
from tests.app.conftest import asked, flip_a_byte, key_headers, problem_of, running
from tests.app.routes.truths import CSV, LINK, bring, kept


def test_a_pairs_file_is_kept_counted_and_held_against_what_serves(home: Home, version: Version) -> None:
    answer = bring(home, "/v1/truths?name=editorial", file=("my pairs.csv", CSV))
    assert answer.status_code == 201, answer.text
    body = answer.json()
    assert body.pop("id") == answer.headers["location"].removeprefix("/v1/truths/")
    assert body == {
        "name": "editorial",
        "directed": False,
        "source": "my pairs.csv",
        "pairs": 3,
        "self_pairs": 1,
        "double_pairs": 1,
        "known": {
            "version": version.id,
            "snapshot": None,
            "pairs": 2,
            "unknown_pairs": 1,
            "artists": 5,
            "unknown_artists": 1,
            "examples": ["nobody"],
        },
        "warning": None,
    }
    truth = Truth.open(home.truths / answer.json()["id"])
    assert truth.pairs.to_pydict() == {"artist_id": ["a000", "a001", "a002"], "similar_id": ["a003", "a004", "nobody"]}


def test_it_is_the_truth_that_the_command_line_makes(home: Home) -> None:
    directed = bring(home, "/v1/truths?directed=true", file=("editorial.csv", CSV)).json()
    assert (directed["name"], directed["directed"], directed["double_pairs"]) == ("editorial", True, 0)
    table = pa.table({"artist_id": ["a000", "a001", "a002"], "similar_id": ["a003", "a004", "nobody"]})
    out = io.BytesIO()
    pq.write_table(table, out)
    tsv = CSV.replace(",", "\t")
    ids = {
        bring(home, "/v1/truths?name=t", file=part).json()["id"]
        for part in (("p.csv", CSV), ("p.tsv", tsv), ("p.parquet", out.getvalue()))
    }
    assert len(ids) == 1


@pytest.mark.parametrize("ids", [("ids.txt", "a000\na001\na002\n"), ("olga.csv", "musicbrainz_id\nA000\nA001\nA002\n")])
def test_a_graph_comes_with_the_ids_of_its_rows(home: Home, ids: tuple[str, str]) -> None:
    body = bring(home, file=("artist_connections.npz", LINK), ids=ids).json()
    assert (body["name"], body["pairs"], body["known"]["pairs"]) == ("artist_connections", 1, 1)
    assert Truth.open(home.truths / body["id"]).pairs.to_pylist() == [{"artist_id": "a000", "similar_id": "a002"}]


def test_ids_that_nobody_knows_are_warned_of(home: Home, version: Version) -> None:
    body = bring(home, file=("t.csv", "artist_id,similar_id\nx,y\n")).json()
    assert (body["known"]["pairs"], body["known"]["unknown_pairs"]) == (0, 1)
    assert body["warning"].startswith(f"version {version.id} has both artists of none of the pairs")


def test_where_no_version_serves_the_newest_snapshot_is_asked(tmp_path: Path, snapshot: Snapshot) -> None:
    home = Home(tmp_path)
    alone = bring(home, file=("t.csv", CSV)).json()
    assert (alone["pairs"], alone["known"], alone["warning"]) == (3, None, None)
    shutil.copytree(snapshot.folder, home.snapshots / snapshot.id)
    again = bring(home, file=("t.csv", CSV)).json()
    assert again["id"] == alone["id"]
    assert (again["known"]["version"], again["known"]["snapshot"]) == (None, snapshot.id)
    assert (again["known"]["pairs"], again["known"]["examples"]) == (2, ["nobody"])


def test_truths_are_listed_the_newest_first_and_told_one_by_one(home: Home) -> None:
    (empty,) = asked(home, "/v1/truths")
    assert empty.json() == {"truths": [], "damaged": []}
    first, second = (bring(home, f"/v1/truths?name={name}", file=("t.csv", CSV)).json() for name in "tu")
    listed, single, other = asked(home, "/v1/truths", f"/v1/truths/{first['id']}", "/v1/truths/0123456789abcdef")
    bare = [{name: truth[name] for name in truth if name not in ("known", "warning")} for truth in (second, first)]
    assert listed.json() == {"truths": bare, "damaged": []}
    assert single.json() == first
    problem_of(other, 404, "not found")


def test_a_damaged_truth_is_told_of_and_stays_what_it_is(home: Home) -> None:
    body = bring(home, file=("t.csv", CSV)).json()
    pairs = home.truths / body["id"] / "pairs.parquet"
    flip_a_byte(pairs)
    for answer in (*asked(home, f"/v1/truths/{body['id']}"), bring(home, file=("t.csv", CSV))):
        assert "damaged, found sha256" in problem_of(answer, 409, "damaged truth")["detail"]
    pairs.write_bytes(b"")
    (listed,) = asked(home, "/v1/truths")
    assert [each["truth"] for each in listed.json()["damaged"]] == [body["id"]]


def test_it_needs_the_key_of_an_admin(home: Home) -> None:
    for headers, status, title in (({}, 401, "key needed"), (key_headers(home, Role.READ), 403, "not allowed")):
        (answer,) = asked(home, "/v1/truths", method="POST", headers=headers, files={"file": ("t.csv", CSV)})
        problem_of(answer, status, title)
    assert kept(home) == []


async def test_uploads_of_the_same_truth_at_once_end_in_one(home: Home, headers: dict[str, str]) -> None:
    async with running(home) as (_, client):
        tasks = (client.post("/v1/truths", files={"file": ("t.csv", CSV)}, headers=headers) for _ in range(MAX_UPLOADS))
        answers = await asyncio.gather(*tasks)
        assert {answer.status_code for answer in answers} == {201}
        (only,) = {answer.json()["id"] for answer in answers}
        assert [path.name for path in home.truths.iterdir()] == [only]
