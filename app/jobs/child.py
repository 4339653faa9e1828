"""The worker that a service starts for itself, and starts again when it ends."""

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
"""Before a worker that has ended is started again; doubled each time it ends soon after."""

SOON_S = 60.0
STOP_S = 3.0
"""It has this long to end; a job that runs then goes on at the next start."""

COMMAND = (sys.executable, "-c", "import sys; from riyl.app.cli import main; main()")


@dataclass(frozen=True)
class WorkerStatus:
    """How a service's own worker is.

    Attributes:
        state: failed is one that has ended, and is started again at `again_at`.
        reason: why it ended last; None from when it runs.
        failures: times in a row that it ended before it had run for a minute.
    """

    state: Literal["starting", "running", "failed"]
    failures: int = 0
    reason: str | None = None
    again_at: datetime | None = None


class WorkerMetrics(Protocol):
    """Receives the state of a service's own worker; `riyl.app.http.metrics` collects it."""

    def worker(self, *, running: bool, failed: bool) -> None:
        """Record whether the worker runs, and count one that has ended."""


class WorkerMonitor:
    """What a service knows of its own worker; None where it has none."""

    def __init__(self, metrics: WorkerMetrics) -> None:
        self.now: WorkerStatus | None = None
        self._metrics = metrics

    def tell(self, status: WorkerStatus) -> None:
        """Say how it is from now on."""
        self.now = status
        self._metrics.worker(running=status.state == "running", failed=status.state == "failed")


class OwnWorker:
    """A worker process for as long as the block runs; it ends with this process, however this one ends.

    Args:
        monitor: told how it is.
        command: what runs `riyl` in another process.
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
        """Run a worker to its end; why it ended."""
        with self._guard:
            if self._stop.is_set():
                return ""
            try:
                # it reads its standard input until that ends, which is when this process does; a Ctrl-C is for this
                # process alone, which tells it
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
"""What a worker says on its standard output when it has started; anything else is why it cannot run."""


def say_to_service(reason: str) -> None:
    """Say `RUNNING`, or why this worker cannot run, to the service that started it."""
    sys.stdout.write(json.dumps({"worker": reason}) + "\n")
    sys.stdout.flush()


def said_by_worker(line: bytes) -> str | None:
    """What a worker said; None of a line that a library printed."""
    try:
        message = json.loads(line)
    except ValueError:
        return None
    return str(message["worker"]) if isinstance(message, dict) and "worker" in message else None


def pause_after(failures: int) -> float:
    """Seconds until a worker is started again that has failed so many times in a row."""
    return float(min(FIRST_PAUSE_S * 2 ** min(failures - 1, 10), MAX_PAUSE_S))
