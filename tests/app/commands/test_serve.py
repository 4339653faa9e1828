"""Tests of `riyl serve` as a process: start, answers, logs, limits, and orderly shutdown."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from riyl.core.settings import Home
from riyl.index.artifact.version import Version
from tests.app.conftest import key_headers
from tests.commands import Command
from tests.conftest import REPOSITORY


@contextmanager
def serve(home: Path, log: Path, *options: str, **environment: str) -> Iterator[tuple[Command, int]]:
    """Start `riyl serve` on a free port, and wait until it listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    variables = {name: value for name, value in os.environ.items() if not name.startswith("RIYL_")}
    variables |= {"RIYL_PORT": str(port), **environment}
    arguments = ["--home", str(home), "serve", *options]
    with log.open("wb") as out, Command(arguments, variables, REPOSITORY, stderr=out.fileno()) as process:
        with httpx.Client(transport=httpx.HTTPTransport(retries=8)) as client:
            assert client.get(f"http://127.0.0.1:{port}/healthz").status_code == 200
        yield process, port


def lines_of(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


def read_until_closed(connection: socket.socket) -> bytes:
    parts = []
    while part := connection.recv(65536):
        parts.append(part)
    return b"".join(parts)


def test_importing_the_service_imports_nothing_that_trains_and_does_nothing() -> None:
    code = (
        "import sys, logging, threading; import riyl.app.main, riyl.app.http.server;"
        "found = {'torch', 'sklearn', 'implicit', 'onnx', 'dbos'} & set(sys.modules);"
        "print(sorted(found), logging.getLogger().handlers, threading.active_count())"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout == "[] [] 1\n"


def test_it_answers_logs_json_and_ends_with_0_on_sigterm(home: Home, version: Version, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with serve(home.root, log) as (process, port):
        address = f"http://127.0.0.1:{port}"
        answer = httpx.get(f"{address}/v1/artists/a001/similar?k=3", headers={"x-request-id": "mine"})
        assert (answer.status_code, answer.json()["version"]) == (200, version.id)
        assert "server" not in answer.headers
        assert httpx.head(f"{address}/v1/index").status_code == 200
        assert httpx.get(f"{address}/v1/artists/no/such").status_code == 404
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout_s=20) == 0
    lines = lines_of(log)
    assert all({"time", "level", "event"} <= line.keys() for line in lines)
    assert "service_ended" in {line["event"] for line in lines[-2:]}, "the worker beside it may end a moment later"
    (taken,) = [line for line in lines if line["event"] == "version_taken"]
    assert taken["version"] == version.id
    requests = [line for line in lines if line["event"] == "request"]
    (entry,) = [line for line in requests if line["request_id"] == "mine"]
    assert entry["ms"] > 0
    assert {name: entry[name] for name in ("method", "path", "status", "version", "level")} == {
        "method": "GET",
        "path": "/v1/artists/{id}/similar",
        "status": 200,
        "version": version.id,
        "level": "info",
    }
    assert [(line["method"], line["path"], line["status"]) for line in requests[-2:]] == [
        ("HEAD", "/v1/index", 200),
        ("GET", "/v1/artists/{id}", 404),
    ]


def test_requests_are_not_logged_at_level_warning(home: Home, tmp_path: Path) -> None:
    with serve(home.root, tmp_path / "log", RIYL_LOG_LEVEL="warning") as (process, _):
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout_s=20) == 0
    assert lines_of(tmp_path / "log") == []


@pytest.mark.parametrize(
    ("host", "environment", "warned"),
    [("0.0.0.0", {}, True), ("0.0.0.0", {"RIYL_REQUIRE_KEY": "true"}, False), ("localhost", {}, False)],
)
def test_who_lets_everybody_read_is_told_so(
    home: Home, tmp_path: Path, host: str, environment: dict[str, str], warned: bool
) -> None:
    with serve(home.root, tmp_path / "log", "--no-worker", "--host", host, RIYL_LOG_LEVEL="WARNING", **environment) as (
        process,
        port,
    ):
        status = httpx.get(f"http://127.0.0.1:{port}/v1/artists/a001/similar").status_code
        assert status == (401 if environment else 200)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout_s=20) == 0
    assert [(line["level"], line["event"], line["host"]) for line in lines_of(tmp_path / "log")] == [
        ("warning", "open_to_all", host)
    ] * warned


def test_a_running_request_ends_before_the_service_does(home: Home, tmp_path: Path) -> None:
    with serve(home.root, tmp_path / "log") as (process, port), socket.create_connection(("127.0.0.1", port)) as slow:
        # requests more than the socket buffers hold, and reads nothing until the service was told to end
        request = b"GET /v1/artists/a001/similar?k=200 HTTP/1.1\r\nhost: localhost\r\n\r\n"
        slow.sendall(request * 300 + request.replace(b"host: localhost", b"host: localhost\r\nconnection: close"))
        slow.settimeout(20)
        first = slow.recv(1)
        process.send_signal(signal.SIGTERM)
        answers = first + read_until_closed(slow)
        assert process.wait(timeout_s=20) == 0
    assert answers.count(b"HTTP/1.1 200 OK") >= 1
    # responses that had begun were completed
    head, body = answers[answers.rindex(b"HTTP/1.1 200") :].split(b"\r\n\r\n", 1)
    assert f"content-length: {len(body)}".encode() in head


def test_event_streams_end_when_the_service_is_told_to(home: Home, tmp_path: Path) -> None:
    headers = key_headers(home)
    with serve(home.root, tmp_path / "log", "--no-worker") as (process, port):
        address = f"http://127.0.0.1:{port}/v1/jobs"
        job = httpx.post(address, headers=headers, json={"kind": "reindex"}).json()
        with httpx.stream("GET", f"{address}/{job['id']}/events", headers=headers) as stream:
            lines = stream.iter_lines()
            assert next(lines) == "event: job"
            process.send_signal(signal.SIGTERM)
            # reads to the end: a cut connection would raise
            assert [line[:5] for line in lines] == ["data:", ""]
        assert process.wait(timeout_s=10) == 0
    (entry,) = [line for line in lines_of(tmp_path / "log") if line.get("path") == "/v1/jobs/{id}/events"]
    assert (entry["status"], entry["level"]) == (200, "info")


def test_a_request_that_does_not_end_is_given_up(home: Home, tmp_path: Path) -> None:
    with (
        serve(home.root, tmp_path / "log", "--no-worker") as (process, port),
        socket.create_connection(("127.0.0.1", port)) as slow,
    ):
        slow.sendall(b"POST /v1/jobs HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\n\r\n")
        assert httpx.get(f"http://127.0.0.1:{port}/healthz").status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout_s=10) == 0


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\nhost: localhost\r\nx-long: " + b"a" * 1_000_000,
        b"GET /" + b"a" * 1_000_000,
        b"".join(b"x-%d: y\r\n" % i for i in range(100_000)).join([b"GET / HTTP/1.1\r\n", b""]),
    ],
    ids=["header", "address", "headers"],
)
def test_a_head_without_end_is_refused(home: Home, tmp_path: Path, sent: bytes) -> None:
    with serve(home.root, tmp_path / "log") as (_, port):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.settimeout(20)
            try:
                connection.sendall(sent)
                answer = read_until_closed(connection)
            except (ConnectionResetError, BrokenPipeError):
                answer = b""
            assert answer == b"" or answer.startswith(b"HTTP/1.1 400 ")
        assert httpx.get(f"http://127.0.0.1:{port}/healthz").status_code == 200


def test_a_large_body_is_read_and_is_no_head_however_it_arrives(home: Home, tmp_path: Path) -> None:
    pairs = b"artist_id,similar_id\n" + b"a001,a002\n" * 500_000
    with serve(home.root, tmp_path / "log", "--no-worker") as (_, port):
        address = f"http://127.0.0.1:{port}/v1/truths"
        with httpx.Client(headers=key_headers(home), timeout=60) as client:
            for _ in range(3):
                answer = client.post(address, files={"file": ("t.csv", pairs)})
                assert (answer.status_code, answer.json()["pairs"]) == (201, 1)


def test_a_large_body_that_nobody_reads_does_not_cut_its_answer_off(home: Home, tmp_path: Path) -> None:
    with (
        serve(home.root, tmp_path / "log", "--no-worker") as (_, port),
        socket.create_connection(("127.0.0.1", port)) as connection,
    ):
        connection.settimeout(20)
        size = 8 << 20
        connection.sendall(b"POST /v1/truths HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n" % size)
        connection.sendall(bytes(size))
        connection.sendall(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        answers = read_until_closed(connection)
    assert answers.startswith(b"HTTP/1.1 401 Unauthorized\r\n")
    assert answers.count(b"HTTP/1.1 ") == 2
    assert answers.endswith(b'{"status":"alive"}')


def test_a_port_that_is_taken_is_said_so(home: Home, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-c", "from riyl.app.cli import main; main()", "--home", str(home.root), "serve"]
        done = subprocess.run([*command, "--port", port], cwd=REPOSITORY, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: cannot listen at 127.0.0.1, port {port}: Address already in use")
    assert "Traceback" not in done.stderr
