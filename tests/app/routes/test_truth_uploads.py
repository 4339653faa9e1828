"""Tests of refused uploads of ground truths, which store nothing."""

from __future__ import annotations

import asyncio
import io
import logging
import random
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from riyl.app.routes.forms import MAX_UPLOAD_BYTES
from riyl.core.settings import Home
from tests.app.conftest import asked, key_headers, problem_of, running
from tests.app.readers import peak_bytes, reader_of, readers_of
from tests.app.routes.truths import CSV, LINK, bring, kept
from tests.core.catalog.bombs import parquet_bomb


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
        ({"file": ("x.npz", LINK)}, "x.npz: found neither ids of its rows nor olga.csv beside it; wanted one of them"),
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


def test_a_form_field_that_belongs_into_the_address_is_told_so(home: Home, headers: dict[str, str]) -> None:
    files = {"file": ("t.csv", CSV)}
    (answer,) = asked(home, "/v1/truths", method="POST", headers=headers, files=files, data={"directed": "true"})
    detail = problem_of(answer, 422, "invalid request")["detail"]
    assert detail == "body: found a part called 'directed'; wanted file and ids (other values go into the address)"


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


async def form_of(size: int, taken: list[int]) -> AsyncIterator[bytes]:
    """Yield a form whose file does not end before `size` bytes."""
    yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="t.csv"\r\n\r\n'
    for start in range(0, size, 1 << 20):
        taken.append(start)
        yield b"a" * (1 << 20)


FORM = {"content-type": "multipart/form-data; boundary=b"}


@pytest.mark.parametrize("announced", [{}, {"content-length": str(MAX_UPLOAD_BYTES)}])
async def test_an_upload_is_413_as_soon_as_it_is_too_large(home: Home, announced: dict[str, str]) -> None:
    headers = {**key_headers(home), **FORM, **announced}
    async with running(home) as (_, client):
        taken: list[int] = []
        body = form_of(2 * MAX_UPLOAD_BYTES, taken)
        answer = await client.post("/v1/truths", content=body, headers=headers)
        detail = problem_of(answer, 413, "body too large")["detail"]
        assert detail == f"found a body of more than {MAX_UPLOAD_BYTES} bytes; wanted at most that"
        assert answer.headers["connection"] == "close"
        assert len(taken) == MAX_UPLOAD_BYTES >> 20
    assert kept(home) == []


async def test_an_upload_that_is_announced_as_too_large_is_not_read(home: Home) -> None:
    headers = {**key_headers(home), **FORM, "content-length": str(MAX_UPLOAD_BYTES + 1)}
    async with running(home) as (_, client):
        taken: list[int] = []
        answer = await client.post("/v1/truths", content=form_of(1 << 20, taken), headers=headers)
        problem_of(answer, 413, "body too large")
        assert taken == []


async def test_nothing_is_read_of_who_may_not(home: Home) -> None:
    async with running(home) as (_, client):
        taken: list[int] = []
        answer = await client.post("/v1/truths", content=form_of(8 << 20, taken), headers=FORM)
        problem_of(answer, 401, "key needed")
        assert taken == []


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


async def test_the_service_stays_small_and_answers_while_a_file_takes_too_much(home: Home) -> None:
    content = parquet_bomb()
    assert len(content) < 1 << 17
    async with running(home) as (_, client):
        key = key_headers(home)
        assert (await client.post("/v1/truths", files={"file": ("t.csv", CSV)}, headers=key)).status_code == 201
        before = peak_bytes(reset=True)
        posting = asyncio.create_task(client.post("/v1/truths", files={"file": ("t.parquet", content)}, headers=key))
        reader = await reader_of()
        reader.suspend()
        assert (await client.get("/healthz")).status_code == 200
        reader.resume()
        detail = problem_of(await posting, 422, "invalid request")["detail"]
        assert detail.startswith("t.parquet: the file takes more than 768 MB of memory to read; wanted a smaller one")
        assert peak_bytes() - before < 32 << 20


async def test_one_upload_is_read_at_a_time(home: Home) -> None:
    async with running(home) as (_, client):
        key = key_headers(home)
        posting = [
            asyncio.create_task(client.post(f"/v1/truths?name={i}", files={"file": ("t.csv", CSV)}, headers=key))
            for i in range(3)
        ]
        for _ in posting:
            reader = await reader_of()
            reader.suspend()
            waiting = [each for each in posting if not each.done()]
            for _ in range(20):
                await asyncio.sleep(0)
            assert readers_of() == [reader]
            reader.resume()
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        assert {(await each).status_code for each in posting} == {201}


def upload_scope(headers: list[tuple[bytes, bytes]]) -> dict[str, Any]:
    """Return the ASGI scope of an upload."""
    return {
        "type": "http",
        "method": "POST",
        "path": "/v1/truths",
        "raw_path": b"/v1/truths",
        "query_string": b"",
        "headers": headers,
    }


async def test_an_upload_whose_client_leaves_makes_room_for_the_next(home: Home) -> None:
    async with running(home) as (app, client):
        key = key_headers(home)
        request = client.build_request("POST", "/v1/truths", files={"file": ("t.csv", CSV)}, headers=key)
        messages = [{"type": "http.request", "body": await request.aread()}]
        leaves = asyncio.Event()

        async def receive() -> dict[str, Any]:
            if messages:
                return messages.pop()
            await leaves.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            pass

        scope = upload_scope([(name.lower(), value) for name, value in request.headers.raw])
        answering = asyncio.create_task(app(scope, receive, send))
        reader = await reader_of()
        reader.suspend()
        leaves.set()
        await answering
        assert not reader.is_running()
        assert kept(home) == []
        assert (await client.post("/v1/truths", files={"file": ("t.csv", CSV)}, headers=key)).status_code == 201


def test_the_headers_and_fields_of_a_form_are_bounded(home: Home) -> None:
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="t.csv"\r\n'
    for content in (
        head + b"X: " + b"y" * (8 << 20) + b"\r\n\r\n",
        head + b"X: y\r\n" * (1 << 20) + b"\r\n",
        b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\n' + b"y" * (8 << 20) + b"\r\n--b--\r\n",
        (head + b"\r\na\r\n") * (1 << 16) + b"--b--\r\n",
    ):
        (answer,) = asked(home, "/v1/truths", method="POST", headers={**key_headers(home), **FORM}, content=content)
        assert problem_of(answer, 422, "invalid request")["detail"].startswith(
            "body: found no readable multipart/form-"
        )
    assert kept(home) == []


async def test_a_client_that_goes_away_is_no_error_of_ours(home: Home, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    async with running(home) as (app, _):
        messages = [{"type": "http.request", "body": b"--b\r\n", "more_body": True}, {"type": "http.disconnect"}]
        sent: list[dict[str, Any]] = []
        headers = [(name.encode(), value.encode()) for name, value in {**key_headers(home), **FORM}.items()]

        async def receive() -> dict[str, Any]:
            return messages.pop(0)

        async def send(message: Any) -> None:
            sent.append(message)

        scope = upload_scope([*headers, (b"host", b"localhost"), (b"transfer-encoding", b"chunked")])
        await app(scope, receive, send)
        assert sent[0]["status"] == 422
    assert caplog.records == []
    assert kept(home) == []
