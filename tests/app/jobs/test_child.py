from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client.exposition import generate_latest

from riyl.app.http.metrics import Metrics
from riyl.app.jobs import child
from riyl.app.jobs.child import OwnWorker, WorkerMonitor, WorkerStatus, pause_after, said_by_worker
from riyl.core.settings import Home, Settings
from tests.app.conftest import POLL_S, problem_of, running

FAILS = (sys.executable, "-c", "print('a library says hello'); print('{\"worker\": \"no room\"}'); raise SystemExit(1)")
RUNS = (sys.executable, "-c", 'import sys; print(\'{"worker": ""}\', flush=True); sys.stdin.read()')
DIES = (sys.executable, "-c", 'import os; print(\'{"worker": ""}\', flush=True); os._exit(7)')


class Heard(WorkerMonitor):
    """Monitor that keeps all statuses for a test that waits for them."""

    def __init__(self) -> None:
        self.metrics = Metrics()
        super().__init__(self.metrics)
        self.all: list[WorkerStatus] = []
        self._told = threading.Condition()

    def tell(self, status: WorkerStatus) -> None:
        super().tell(status)
        with self._told:
            self.all.append(status)
            self._told.notify_all()

    def wait(self, holds: Callable[[list[WorkerStatus]], bool]) -> None:
        with self._told:
            assert self._told.wait_for(lambda: holds(self.all), 60)

    def figures(self) -> list[str]:
        return [line for line in generate_latest(self.metrics.registry).decode().splitlines() if "riyl_worker" in line]


def test_pauses_double_up_to_a_minute() -> None:
    assert [pause_after(n) for n in (1, 2, 3, 6, 7, 100_000)] == [1, 2, 4, 32, 60, 60]


def test_only_what_a_worker_says_is_heard() -> None:
    lines = [b'{"worker": "no room"}\n', b'{"worker": ""}', b"hello", b"3", b'{"other": 1}', b"\xff"]
    assert [said_by_worker(line) for line in lines] == ["no room", "", None, None, None, None]


def test_a_worker_that_cannot_run_is_started_again_and_the_reason_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child, "FIRST_PAUSE_S", POLL_S)
    heard = Heard()
    with OwnWorker(Settings(home=tmp_path), heard, FAILS):
        heard.wait(lambda statuses: sum(each.state == "failed" for each in statuses) == 3)
    failed = [each for each in heard.all if each.state == "failed"]
    assert [(each.failures, each.reason) for each in failed[:3]] == [(n, "no room") for n in (1, 2, 3)]
    assert all(each.again_at is not None for each in failed)
    assert "riyl_worker_running 0.0" in heard.figures()
    assert "riyl_worker_failures_total 3.0" in heard.figures()


@pytest.mark.parametrize(
    ("command", "reason"), [(DIES, "it ended with exit code 7"), (("/no/such/python",), "it cannot be started: ")]
)
def test_one_that_dies_in_silence_has_a_reason_too(tmp_path: Path, command: tuple[str, ...], reason: str) -> None:
    heard = Heard()
    with OwnWorker(Settings(home=tmp_path), heard, command):
        heard.wait(lambda statuses: statuses[-1].state == "failed")
    assert str(heard.all[-1].reason).startswith(reason)


@pytest.mark.parametrize(("command", "state"), [(RUNS, "running"), (FAILS, "failed")])
def test_it_ends_with_the_block_whether_it_runs_or_waits_to_be_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], state: str
) -> None:
    monkeypatch.setattr(child, "FIRST_PAUSE_S", 600.0)
    monkeypatch.setattr(child, "MAX_PAUSE_S", 600.0)
    monkeypatch.setattr(child, "STOP_S", 60.0)
    heard = Heard()
    with OwnWorker(Settings(home=tmp_path), heard, command):
        heard.wait(lambda statuses: statuses[-1].state == state)
        assert ("riyl_worker_running 1.0" in heard.figures()) == (state == "running")
    assert "own-worker" not in {thread.name for thread in threading.enumerate()}
    assert heard.all[-1].state == state


async def test_readiness_says_how_the_worker_is(home: Home, tmp_path: Path) -> None:
    async with running(home) as (app, client):
        assert "worker" not in (await client.get("/readyz")).json()
        app.state.own_worker.tell(WorkerStatus("failed", 2, "another worker runs"))
        answer = await client.get("/readyz")
        assert answer.status_code == 200
        assert answer.json()["worker"] == {
            "state": "failed",
            "failures": 2,
            "reason": "another worker runs",
            "again_at": None,
        }
    async with running(Home(tmp_path / "empty")) as (app, client):
        app.state.own_worker.tell(WorkerStatus("failed", 2, "another worker runs"))
        problem = problem_of(await client.get("/readyz"), 503, "not ready")
        assert "riyl index build --promote" in problem["detail"]
        assert problem["detail"].endswith("the worker, which would run jobs, fails: another worker runs")
