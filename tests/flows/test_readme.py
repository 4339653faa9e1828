"""The README's steps, one after the other, by a user with an empty home: nothing is sent, and nothing left there."""

from __future__ import annotations

import signal
import socket
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.conftest import small_world
from tests.guard import RIYL, Guard

pytestmark = pytest.mark.slow


def test_the_steps_with_own_tables_work_and_a_reindex_after_them_takes_the_same(tmp_path: Path) -> None:
    guard = Guard(tmp_path)
    small_world(tmp_path / "my-tables")
    for step in (
        "data tables my-tables checked",
        "snapshot build checked",
        "train --config paper-msd",
        "train",
        "evaluate --systems all --conditions raw,fmc,groups --rounds 20 --report out.html --figures-dir figures",
        "index build --promote",
        "export embeddings --out e.parquet",
        "similar a003",
    ):
        guard.riyl(*step.split())
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    serve = subprocess.Popen([*RIYL, "serve", "--port", address[17:]], cwd=tmp_path, env=guard.environment())
    try:
        with httpx.Client(base_url=address, transport=httpx.HTTPTransport(retries=8), timeout=60) as client:
            version = client.get("/readyz").json()["version"]
            assert client.post("/v1/similar", json={"seeds": [{"id": "a003"}]}).status_code == 200
            (stored,) = client.get("/v1/evaluations").json()["evaluations"]
            assert stored["truth_name"] == "similar"
        output = guard.riyl("jobs", "run", "reindex")
        assert f"done; version {version}, promoted False" in output
    finally:
        serve.send_signal(signal.SIGTERM)
        serve.wait(60)
    assert all(file.startswith(".cache/matplotlib/") for file in guard.written), guard.written
    assert guard.hosts == set()
