"""Worker process that a service starts for itself, and restarts when it ends."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import monotonic
from types import TracebackType
from typing import Literal, Protocol

from riyl.core.settings import Settings

log = logging.getLogger(__name__)

FIRST_PAUSE_S = 1.0
MAX_PAUSE_S = 60.0
"""Minimum and maximum delay before a worker that has ended is restarted, in seconds; doubled each time it ends soon."""

SOON_S = 60.0
STOP_S = 3.0
"""Run time below which a worker ended soon, and maximum time for it to stop, in seconds.

A job that runs when it stops continues at the next start.
"""

COMMAND = (sys.executable, "-c", "import sys; from riyl.app.cli import main; main()")


@dataclass(frozen=True)
class WorkerStatus:
    """Status of a service's own worker.

    Attributes:
        state: a failed worker has ended, and is restarted at `again_at`.
        reason: why it ended last; None once it runs.
        failures: number of times in a row that it ended before it had run for a minute.
    """

    state: Literal["starting", "running", "failed"]
    failures: int = 0
    reason: str | None = None
    again_at: datetime | None = None


class WorkerMetrics(Protocol):
    """Receiver of the state of a service's own worker; `riyl.app.http.metrics` collects it."""

    def worker(self, *, running: bool, failed: bool) -> None:
        """Record whether the worker runs, and count a failure."""


class WorkerMonitor:
    """Status of a service's own worker; `now` is None where it has none."""

    def __init__(self, metrics: WorkerMetrics) -> None:
        self.now: WorkerStatus | None = None
        self._metrics = metrics

    def tell(self, status: WorkerStatus) -> None:
        """Record a new status."""
        self.now = status
        self._metrics.worker(running=status.state == "running", failed=status.state == "failed")


class OwnWorker:
    """A worker process for as long as the block runs; it ends with this process, however this process ends.

    Args:
        settings: settings of the service; the worker gets its home.
        monitor: receives the status of the worker.
        command: command that runs `riyl` in another process.
    """

    def __init__(self, settings: Settings, monitor: WorkerMonitor, command: tuple[str, ...] = COMMAND) -> None:
        self._command = [*command, "--home", str(settings.home), "worker", "--until-closed"]
        self._monitor = monitor
        self._failures = 0
        self._stop = threading.Event()
        self._guard = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._keep, name="own-worker", daemon=True)

    def __enter__(self) -> OwnWorker:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        with self._guard:
            if self._process is not None:
                self._process.terminate()
        self._thread.join(STOP_S)
        if self._process is not None and self._process.poll() is None:
            self._process.kill()

    def _keep(self) -> None:
        reason = None
        while not self._stop.is_set():
            self._monitor.tell(WorkerStatus("starting", self._failures, reason))
            began = monotonic()
            reason = self._run()
            if self._stop.is_set():
                return
            self._failures = 1 if monotonic() - began > SOON_S else self._failures + 1
            pause_s = pause_after(self._failures)
            again_at = datetime.now(UTC) + timedelta(seconds=pause_s)
            self._monitor.tell(WorkerStatus("failed", self._failures, reason, again_at))
            log.error("worker_failed", extra={"reason": reason, "failures": self._failures, "again_in_s": pause_s})
            self._stop.wait(pause_s)

    def _run(self) -> str:
        """Run a worker to its end, and return why it ended."""
        with self._guard:
            if self._stop.is_set():
                return ""
            try:
                # the worker ends once its standard input is closed, when this process ends; a Ctrl-C reaches this
                # process alone, which stops the worker
                process = self._process = subprocess.Popen(
                    self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
                )
            except OSError as error:
                return f"it cannot be started: {error}"
        last_status = None
        with process:
            for line in process.stdout or ():
                status = said_by_worker(line)
                if status == RUNNING:
                    self._monitor.tell(WorkerStatus("running", self._failures))
                last_status = status or last_status
        return (
            last_status
            if last_status is not None and last_status != RUNNING
            else f"it ended with exit code {process.returncode}"
        )


RUNNING = ""
"""Message on the standard output of a worker that has started; any other message is why it cannot run."""


def say_to_service(reason: str) -> None:
    """Report `RUNNING`, or why this worker cannot run, to the service that started it."""
    sys.stdout.write(json.dumps({"worker": reason}) + "\n")
    sys.stdout.flush()


def said_by_worker(line: bytes) -> str | None:
    """Return the message of a worker; None for a line that a library printed."""
    try:
        message = json.loads(line)
    except ValueError:
        return None
    return str(message["worker"]) if isinstance(message, dict) and "worker" in message else None


def pause_after(failures: int) -> float:
    """Return the seconds until a worker that has failed so many times in a row is restarted."""
    return float(min(FIRST_PAUSE_S * 2 ** min(failures - 1, 10), MAX_PAUSE_S))
