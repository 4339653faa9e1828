"""Truths over HTTP: brought, listed, held against what serves; and every upload that is refused, with nothing kept."""

from __future__ import annotations

import asyncio
import io
import logging
import random
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scipy.sparse as sp

from app.bounds import LARGEST_UPLOAD_BYTES
from core.db.keys import Role
from core.settings import Home
from core.snapshot import Snapshot
from core.truth import Truth
from index.artifact import Version
from tests.app.conftest import asked, flip_a_byte, key_headers, problem_of, run, running

CSV = "artist_id,similar_id\na000,a003\na003,a000\na001,a001\na001,a004\na002,nobody\n"


def npz(matrix: sp.coo_matrix) -> bytes:
    out = io.BytesIO()
    sp.save_npz(out, matrix)
    return out.getvalue()


LINK = npz(sp.coo_matrix(([1], ([0], [2])), shape=(3, 3)))


def bring(home: Home, path: str = "/v1/truths", **parts: Any) -> httpx.Response:
    """The answer to an upload: `parts` as httpx takes files, or file as CSV text alone."""
    files = {name: (f"mine.{name}", part) if isinstance(part, bytes | str) else part for name, part in parts.items()}
    (answer,) = asked(home, path, method="POST", headers=key_headers(home), files=files)
    return answer


def kept(home: Home) -> list[Path]:
    """Everything in the folder of truths."""
    return list(home.truths.rglob("*")) if home.truths.exists() else []


def test_a_pairs_file_is_kept_counted_and_held_against_what_serves(home: Home, version: Version) -> None:
    answer = bring(home, "/v1/truths?name=editorial", file=("my pairs.csv", CSV))
    assert answer.status_code == 201, answer.text
    found = answer.json()
    assert found.pop("id") == answer.headers["location"].removeprefix("/v1/truths/")
    assert found == {
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
    found = bring(home, file=("artist_connections.npz", LINK), ids=ids).json()
    assert (found["name"], found["pairs"], found["known"]["pairs"]) == ("artist_connections", 1, 1)
    assert Truth.open(home.truths / found["id"]).pairs.to_pylist() == [{"artist_id": "a000", "similar_id": "a002"}]


def test_ids_that_nobody_knows_are_warned_of(home: Home, version: Version) -> None:
    found = bring(home, file=("t.csv", "artist_id,similar_id\nx,y\n")).json()
    assert (found["known"]["pairs"], found["known"]["unknown_pairs"]) == (0, 1)
    assert found["warning"].startswith(f"version {version.id} has both artists of none of the pairs")


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
    listed, one, other = asked(home, "/v1/truths", f"/v1/truths/{first['id']}", "/v1/truths/0123456789abcdef")
    bare = [{name: truth[name] for name in truth if name not in ("known", "warning")} for truth in (second, first)]
    assert listed.json() == {"truths": bare, "damaged": []}
    assert one.json() == first
    problem_of(other, 404, "not found")


def test_a_damaged_truth_is_told_of_and_stays_what_it_is(home: Home) -> None:
    made = bring(home, file=("t.csv", CSV)).json()
    pairs = home.truths / made["id"] / "pairs.parquet"
    flip_a_byte(pairs)
    for answer in (*asked(home, f"/v1/truths/{made['id']}"), bring(home, file=("t.csv", CSV))):
        assert "damaged, found sha256" in problem_of(answer, 409, "damaged truth")["detail"]
    pairs.write_bytes(b"")
    (listed,) = asked(home, "/v1/truths")
    assert [each["truth"] for each in listed.json()["damaged"]] == [made["id"]]


@pytest.mark.parametrize(
    ("parts", "detail"),
    [
        ({}, "body.file: found nothing; wanted one file, as curl -F file=@FILE sends it"),
        ({"other": ("x.csv", CSV)}, "body: found a part called 'other'; wanted file and ids"),
        ({"file": ("x.xlsx", CSV)}, "body.file: found a file called 'x.xlsx'; wanted one that ends in .parquet, .csv,"),
        ({"file": ("", CSV)}, "body.file: found text without a file name; wanted one file"),
        ({"file": ("x.csv\x00", CSV)}, "body.file: found a file called 'x.csv"),
        ({"file": ("x.csv", "")}, "x.csv: found an empty file; wanted a header and at least one row"),
        ({"file": ("x.csv", "artist_id\na\n")}, "x.csv: found columns artist_id; wanted a column 'similar_id'"),
        ({"file": ("x.csv", "artist_id,similar_id\na,\n")}, "x.csv, row 1: found nothing in column 'similar_id'"),
        ({"file": ("x.csv", b"artist_id,similar_id\na,\xff\n")}, "x.csv, row 1: found byte 0xff, which is not UTF-8"),
        ({"file": ("../../x.parquet", b"PAR1")}, "x.parquet: found no readable Parquet file"),
        ({"file": ("x.npz", LINK)}, "x.npz: found no ids of its rows, nor olga.csv beside it; wanted them"),
        ({"file": ("x.npz", LINK), "ids": ("i.txt", "a\nb\n")}, "i.txt: found 2 rows; wanted 3, as x.npz has"),
        ({"file": ("x.npz", LINK), "ids": ("i.txt", "a\na\nb\n")}, "i.txt, row 2: found a again (first in row 1)"),
        ({"file": ("x.npz", LINK), "ids": ("i.pdf", "a\na\nb\n")}, "body.ids: found a file called 'i.pdf'; wanted"),
        ({"file": ("x.npz", b"PK"), "ids": ("i.txt", "a\n")}, "x.npz: found something damaged or of another kind"),
        ({"file": ("x.csv", CSV), "ids": ("i.txt", "a\n")}, "i.txt: found ids of rows beside x.csv; wanted none"),
        ({"file": ("a" * 100 + ".csv", CSV)}, "source of a truth: found 'aaaaaa"),
    ],
)
def test_a_wrong_upload_is_422_in_its_own_words_and_nothing_is_kept(
    home: Home, parts: dict[str, Any], detail: str
) -> None:
    if not parts:
        (answer,) = asked(
            home,
            "/v1/truths",
            method="POST",
            headers={**key_headers(home), "content-type": "multipart/form-data; boundary=b"},
            content=b"--b--\r\n",
        )
    else:
        answer = bring(home, **parts)
    assert problem_of(answer, 422, "invalid request")["detail"].startswith(detail)
    assert "/tmp" not in answer.text
    assert kept(home) == []


@pytest.mark.parametrize("content", [b"", b"garbage", b"--b\r\n", b"--b\r\nX: y\r\n\r\nz\r\n--b--\r\n", b"--b\r\n" * 9])
def test_a_body_that_is_no_form_is_422(home: Home, content: bytes) -> None:
    for form in ("multipart/form-data; boundary=b", "multipart/form-data"):
        headers = {**key_headers(home), "content-type": form}
        (answer,) = asked(home, "/v1/truths", method="POST", headers=headers, content=content)
        assert problem_of(answer, 422, "invalid request")["detail"].startswith("body")
    assert kept(home) == []


def test_a_form_field_that_belongs_into_the_address_is_told_so(home: Home) -> None:
    files = {"file": ("t.csv", CSV)}
    headers = key_headers(home)
    (answer,) = asked(home, "/v1/truths", method="POST", headers=headers, files=files, data={"directed": "true"})
    detail = problem_of(answer, 422, "invalid request")["detail"]
    assert detail == "body: found a part called 'directed'; wanted file and ids (the rest belongs into the address)"


@pytest.mark.parametrize("kind", [None, "text/csv", "application/json", "application/x-www-form-urlencoded", "x"])
def test_another_content_type_is_415(home: Home, kind: str | None) -> None:
    headers = key_headers(home) | ({} if kind is None else {"content-type": kind})
    (answer,) = asked(home, "/v1/truths", method="POST", headers=headers, content=CSV.encode())
    assert "wanted multipart/form-data" in problem_of(answer, 415, "unsupported media type")["detail"]
    assert kept(home) == []


@pytest.mark.parametrize("query", ["?name=", f"?name={'a' * 101}", "?directed=maybe", "?name=%00", "?name=a%0Ab"])
def test_a_name_or_direction_that_is_none_is_422(home: Home, query: str) -> None:
    problem_of(bring(home, f"/v1/truths{query}", file=("t.csv", CSV)), 422, "invalid request")
    assert kept(home) == []


def test_it_needs_the_key_of_an_admin(home: Home) -> None:
    for headers, status, title in (({}, 401, "key needed"), (key_headers(home, Role.READ), 403, "not allowed")):
        (answer,) = asked(home, "/v1/truths", method="POST", headers=headers, files={"file": ("t.csv", CSV)})
        problem_of(answer, status, title)
    assert kept(home) == []


async def form_of(size: int, taken: list[int]) -> AsyncIterator[bytes]:
    """A form whose file never ends before `size` bytes."""
    yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="t.csv"\r\n\r\n'
    for start in range(0, size, 1 << 20):
        taken.append(start)
        yield b"a" * (1 << 20)


FORM = {"content-type": "multipart/form-data; boundary=b"}


@pytest.mark.parametrize("announced", [{}, {"content-length": str(LARGEST_UPLOAD_BYTES)}])
def test_an_upload_is_413_as_soon_as_it_is_too_large(home: Home, announced: dict[str, str]) -> None:
    headers = {**key_headers(home), **FORM, **announced}

    async def scenario() -> None:
        async with running(home) as (_, client):
            taken: list[int] = []
            body = form_of(2 * LARGEST_UPLOAD_BYTES, taken)
            answer = await client.post("/v1/truths", content=body, headers=headers)
            detail = problem_of(answer, 413, "body too large")["detail"]
            assert detail == f"found a body of more than {LARGEST_UPLOAD_BYTES} bytes; wanted at most that"
            assert answer.headers["connection"] == "close"
            assert len(taken) == LARGEST_UPLOAD_BYTES >> 20

    run(scenario())
    assert kept(home) == []


def test_an_upload_that_is_announced_as_too_large_is_not_read(home: Home) -> None:
    headers = {**key_headers(home), **FORM, "content-length": str(LARGEST_UPLOAD_BYTES + 1)}

    async def scenario() -> None:
        async with running(home) as (_, client):
            taken: list[int] = []
            answer = await client.post("/v1/truths", content=form_of(1 << 20, taken), headers=headers)
            problem_of(answer, 413, "body too large")
            assert taken == []

    run(scenario())


def test_nothing_is_read_of_who_may_not(home: Home) -> None:
    async def scenario() -> None:
        async with running(home) as (_, client):
            taken: list[int] = []
            answer = await client.post("/v1/truths", content=form_of(8 << 20, taken), headers=FORM)
            problem_of(answer, 401, "key needed")
            assert taken == []

    run(scenario())


def test_ten_megabytes_of_garbage_are_422(home: Home) -> None:
    garbage = random.Random(0).randbytes(10 << 20)
    for name in ("t.csv", "t.parquet", "t.npz"):
        answer = bring(home, file=(name, garbage), **({"ids": ("i.txt", "a\n")} if name == "t.npz" else {}))
        problem_of(answer, 422, "invalid request")
    assert kept(home) == []


def test_a_file_that_unpacks_to_too_much_is_422(home: Home) -> None:
    out = io.BytesIO()
    same = pa.DictionaryArray.from_arrays(pa.array(np.zeros(1 << 20, np.int32)), pa.array(["x" * 1000]))
    pq.write_table(pa.table({"artist_id": same, "similar_id": same}), out)
    answer = bring(home, file=("t.parquet", out.getvalue()))
    detail = problem_of(answer, 422, "invalid request")["detail"]
    assert detail.startswith("t.parquet: found ")
    assert detail.endswith(f"bytes once unpacked; wanted at most {128 << 20}")
    assert kept(home) == []


def test_uploads_of_the_same_truth_at_once_end_in_one(home: Home) -> None:
    headers = key_headers(home)

    async def scenario() -> None:
        async with running(home) as (_, client):
            tasks = (client.post("/v1/truths", files={"file": ("t.csv", CSV)}, headers=headers) for _ in range(8))
            answers = await asyncio.gather(*tasks)
            assert {answer.status_code for answer in answers} == {201}
            (only,) = {answer.json()["id"] for answer in answers}
            assert [path.name for path in home.truths.iterdir()] == [only]

    run(scenario())


def test_a_client_that_goes_away_is_no_error_of_ours(home: Home, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        async with running(home) as (app, _):
            messages = [{"type": "http.request", "body": b"--b\r\n", "more_body": True}, {"type": "http.disconnect"}]
            sent: list[dict[str, Any]] = []
            headers = [(name.encode(), value.encode()) for name, value in {**key_headers(home), **FORM}.items()]

            async def receive() -> dict[str, Any]:
                return messages.pop(0)

            async def send(message: Any) -> None:
                sent.append(message)

            scope = {
                "type": "http",
                "method": "POST",
                "path": "/v1/truths",
                "raw_path": b"/v1/truths",
                "query_string": b"",
                "headers": [*headers, (b"transfer-encoding", b"chunked")],
            }
            await app(scope, receive, send)
            assert sent[0]["status"] == 422

    with caplog.at_level(logging.WARNING):
        run(scenario())
    assert caplog.records == []
    assert kept(home) == []
