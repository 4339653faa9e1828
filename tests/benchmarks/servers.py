"""Servers on this machine, each in its own process."""

import contextlib
import os
import subprocess
import time

import httpx

from tests.conftest import REPOSITORY


@contextlib.contextmanager
def running(command, port, path="/", environment=None):
    """Start a server on a port; yield the seconds from its start to its first answer of any kind."""
    variables = {**os.environ, **(environment or {})}
    started = time.perf_counter()
    process = subprocess.Popen(command, cwd=REPOSITORY, env=variables, stderr=subprocess.DEVNULL)
    try:
        while True:
            with contextlib.suppress(httpx.TransportError):
                httpx.get(f"http://127.0.0.1:{port}{path}")
                break
            if process.poll() is not None:
                raise RuntimeError(f"the server on port {port} ended with {process.returncode}")
        yield time.perf_counter() - started
    finally:
        process.terminate()
        process.wait()
