"""`riyl` in processes of their own, forked from one that has imported it.

The import takes two seconds, longer than most commands of the tests. A process is otherwise one that was started: it
has its own arguments, environment, working directory, output, signals and exit code. Tests of what the import or the
start of the interpreter does start one as a user does.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import NoReturn

LENGTH = struct.Struct("!Q")
"""Number of bytes of an order, which precedes it."""

LAZY = (
    *("alembic.command", "dbos", "implicit.cpu.als", "onnxscript", "scipy.sparse.linalg", "scipy.stats"),
    *("sklearn.decomposition", "sklearn.random_projection", "torch.onnx"),
    *("riyl.evaluation.report", "riyl.training.cca.fit", "riyl.training.contrastive.export"),
    "riyl.training.contrastive.loop",
)
"""Modules that commands import when they need them, which takes longer than most of their work in tests."""

DESCRIPTORS = 3
"""Files that come with an order: the command's output, its errors, and the one that its id and exit code go to."""


class Command:
    """`riyl` with arguments, in a process that runs from now on.

    Args:
        arguments: arguments of `riyl`.
        environment: all of its environment variables.
        cwd: its working directory.
        stdout, stderr: descriptors of its output; by default those of this process.

    Attributes:
        pid: id of the process.
    """

    def __init__(
        self, arguments: list[str], environment: Mapping[str, str], cwd: Path, *, stdout: int = 1, stderr: int = 2
    ) -> None:
        order = json.dumps({"arguments": arguments, "environment": dict(environment), "cwd": str(cwd)}).encode()
        self._status, write = os.pipe()
        server = _server()
        socket.send_fds(server, [LENGTH.pack(len(order))], [stdout, stderr, write])
        server.sendall(order)
        os.close(write)
        self._code: int | None = None
        self.pid = self._read()

    def __enter__(self) -> Command:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self.wait()

    def send_signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it, unless it has been waited for."""
        if self._code is None:
            with suppress(ProcessLookupError):
                self.send_signal(signal.SIGKILL)

    def wait(self, timeout_s: float | None = None) -> int:
        """Wait for its end, and return its exit code; that of a signal is negative.

        Raises:
            TimeoutError: it does not end in time.
        """
        if self._code is None:
            ended = select.poll()  # select.select takes no descriptor above 1023
            ended.register(self._status, select.POLLIN)
            if not ended.poll(None if timeout_s is None else timeout_s * 1000):
                raise TimeoutError(f"process {self.pid} still runs after {timeout_s} s")
            self._code = self._read()
            os.close(self._status)
        return self._code

    def _read(self) -> int:
        (number,) = struct.unpack("!i", os.read(self._status, 4))
        return int(number)


def run(
    arguments: list[str], environment: Mapping[str, str], cwd: Path, timeout_s: float | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `riyl` to its end, and return its output and exit code."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        with Command(arguments, environment, cwd, stdout=out.fileno(), stderr=err.fileno()) as command:
            code = command.wait(timeout_s)
        texts = [file.seek(0) or file.read().decode() for file in (out, err)]
    return subprocess.CompletedProcess(["riyl", *arguments], code, *texts)


@cache
def _server() -> socket.socket:
    """Start the process that the others are forked from; it ends with this one."""
    here, there = socket.socketpair()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RIYL_")}
    command = [sys.executable, __file__, str(there.fileno())]
    process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, pass_fds=[there.fileno()])
    there.close()

    def end() -> None:
        here.close()
        process.wait()

    atexit.register(end)
    return here


def _serve(orders: socket.socket) -> None:
    """Fork two processes for each order: the command, and one that waits for it."""
    while True:
        length, descriptors, _, _ = socket.recv_fds(orders, LENGTH.size, DESCRIPTORS)
        if not length:
            return
        order = json.loads(orders.recv(LENGTH.unpack(length)[0], socket.MSG_WAITALL))
        waiting = os.fork()
        if waiting == 0:
            orders.close()
            _attend(order, *descriptors)
        for each in descriptors:
            os.close(each)
        while os.waitpid(-1, os.WNOHANG)[0]:  # those that waited for earlier commands
            pass


def _attend(order: dict[str, object], stdout: int, stderr: int, status: int) -> NoReturn:
    pid = os.fork()
    if pid == 0:
        os.close(status)
        _become(order, stdout, stderr)
    for each in (stdout, stderr):
        os.close(each)
    os.write(status, struct.pack("!i", pid))
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.write(status, struct.pack("!i", code))
    os._exit(0)


def _become(order: dict[str, object], stdout: int, stderr: int) -> NoReturn:
    for given, number in ((stdout, 1), (stderr, 2)):
        os.dup2(given, number)
        os.close(given)
    os.chdir(str(order["cwd"]))
    os.environ.clear()
    os.environ.update(order["environment"])  # type: ignore[call-overload]
    sys.argv = ["riyl", *order["arguments"]]  # type: ignore[misc]
    main()
    raise SystemExit(0)


if __name__ == "__main__":
    sys.path.pop(0)  # the folder of tests, whose names are those of packages
    from riyl.app.cli import main

    for name in LAZY:
        import_module(name)
    gc.freeze()  # else each process would copy and collect all of these objects at its end
    _serve(socket.socket(fileno=int(sys.argv[1])))
