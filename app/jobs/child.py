"""The worker that a service starts for itself, and starts again when it ends."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from time import monotonic
from types import TracebackType

from core.settings import Settings

log = logging.getLogger(__name__)

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
"""Before a worker that has ended is started again; doubled each time it ends soon after."""

SOON_S = 60.0
STOP_S = 3.0
"""It has this long to end; a job that runs then goes on at the next start."""

COMMAND = "import sys; from app.cli import main; main()"


class OwnWorker:
    """A worker process for as long as the block runs; it ends with this process, however this one ends."""

    def __init__(self, settings: Settings) -> None:
        self._home = str(settings.home)
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
        pause = FIRST_PAUSE_S
        while not self._stop.is_set():
            with self._guard:
                if self._stop.is_set():
                    return
                # it reads its standard input until that ends, which is when this process does
                self._process = subprocess.Popen(
                    [sys.executable, "-c", COMMAND, "--home", self._home, "worker", "--until-closed"],
                    stdin=subprocess.PIPE,
                )
            began = monotonic()
            code = self._process.wait()
            if self._stop.is_set():
                return
            pause = FIRST_PAUSE_S if monotonic() - began > SOON_S else min(pause * 2, LONGEST_PAUSE_S)
            log.warning("worker_ended", extra={"code": code, "again_in_s": pause})
            self._stop.wait(pause)
