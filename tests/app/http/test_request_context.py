"""Responses and logs of requests that fail unexpectedly."""

from __future__ import annotations

import asyncio
import json
import logging

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from riyl.app.http.logging import JsonFormatter, RequestLog
from riyl.app.http.metrics import Metrics
from riyl.app.http.request_context import RequestContextMiddleware
from riyl.core.errors import FormatError, RiylError
from riyl.core.settings import Home
from tests.app.conftest import problem_of, running


@pytest.mark.parametrize("error", [RuntimeError("secret"), RiylError("secret")])
async def test_a_fault_of_ours_is_a_500_that_tells_only_the_log(
    home: Home, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail() -> None:
        raise error

    async with running(home) as (app, client):
        app.add_api_route("/fails", fail)
        answer = await client.get("/fails")
        assert answer.status_code == 500
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["title"] == "internal error"
        assert answer.json()["request_id"] == answer.headers["x-request-id"]
        assert "secret" not in answer.text
        (record,) = [r for r in caplog.records if r.getMessage() == "request_failed"]
        assert record.exc_info is not None
        assert record.exc_info[1] is error
        assert vars(record)["request_id"] == answer.headers["x-request-id"]
        figures = (await client.get("/metrics")).text
        assert 'riyl_http_request_seconds_count{method="GET",path="/fails",status="500"} 1.0' in figures


async def test_a_damaged_file_is_a_503_that_names_the_file_and_not_where_it_is_or_what_is_in_it(
    home: Home, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail() -> None:
        raise FormatError("/secret/plays.arrow: damaged, found secret; wanted text", file="plays.arrow")

    async with running(home) as (app, client):
        app.add_api_route("/fails", fail)
        body = problem_of(await client.get("/fails"), 503, "damaged file")
    assert body["detail"] == "plays.arrow is damaged; see the log of the service"
    (record,) = [r for r in caplog.records if r.getMessage() == "damaged_file"]
    assert vars(record)["reason"].startswith("/secret/plays.arrow")


async def test_paths_that_no_route_has_are_counted_as_one(home: Home) -> None:
    async with running(home) as (_, client):
        for path in ("/a", "/b", "/web/no.js", "/web/x/y"):
            await client.get(path)
        await client.request("BREW", "/c")
        lines = (await client.get("/metrics")).text.splitlines()
        counts = {line for line in lines if line.startswith("riyl_http_request_seconds_count")}
        assert 'riyl_http_request_seconds_count{method="GET",path="unmatched",status="404"} 2.0' in counts
        assert 'riyl_http_request_seconds_count{method="GET",path="/web",status="404"} 2.0' in counts
        assert 'riyl_http_request_seconds_count{method="other",path="unmatched",status="404"} 1.0' in counts


def test_a_record_is_one_json_object_with_its_fields() -> None:
    record = logging.getLogger("riyl.app.x").makeRecord(
        "riyl.app.x", logging.INFO, "f", 1, "version_taken", (), None, extra={"version": "v", "n": 3}
    )
    line = json.loads(JsonFormatter().format(record))
    assert {name: line[name] for name in ("level", "logger", "event", "version", "n")} == {
        "level": "info",
        "logger": "riyl.app.x",
        "event": "version_taken",
        "version": "v",
        "n": 3,
    }


def test_a_librarys_record_keeps_its_words_and_its_traceback() -> None:
    try:
        raise ValueError("odd\nthing")
    except ValueError as error:
        record = logging.getLogger("uvicorn.error").makeRecord(
            "uvicorn.error", logging.ERROR, "f", 1, "failed %s", ("here",), (ValueError, error, error.__traceback__)
        )
    text = JsonFormatter().format(record)
    line = json.loads(text)
    assert "\n" not in text
    assert (line["event"], line["message"]) == ("library", "failed here")
    assert line["traceback"].endswith("ValueError: odd\nthing")


async def test_request_lines_share_a_write(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    requests = RequestLog()
    requests.add("1", "GET", "/a", 200, 0.0015, "v")
    requests.add("2", "GET", "/b", 503, 0.1, None)
    assert capsys.readouterr().err == ""
    requests.flush()
    first, second = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert (first["request_id"], first["ms"], first["level"]) == ("1", 1.5, "info")
    assert (second["request_id"], second["version"], second["level"]) == ("2", None, "error")


async def test_a_request_that_the_ending_server_gives_up_is_503() -> None:
    begun, metrics = asyncio.Event(), Metrics()

    async def never(scope: Scope, receive: Receive, send: Send) -> None:
        begun.set()
        await asyncio.Event().wait()

    transport = httpx.ASGITransport(RequestContextMiddleware(never, metrics, RequestLog()))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        request = asyncio.create_task(client.post("/v1/artists:batch", content=b"{}"))
        await begun.wait()
        request.cancel()  # as uvicorn does after its timeout; the client is in the same task here
        answer = await request
    body = problem_of(answer, 503, "service ends")
    assert body["detail"].endswith("a batch with the same Idempotency-Key.")
    assert answer.headers["retry-after"] == "1"
