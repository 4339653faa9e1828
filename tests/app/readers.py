"""Processes that read uploads, and the memory of this one."""

from __future__ import annotations

from pathlib import Path

import psutil

from tests.app.conftest import until


def readers_of(pid: int | None = None) -> list[psutil.Process]:
    """Return the processes that read uploads for another one, else for this one."""
    readers = []
    for process in psutil.Process(pid).children():
        try:
            # until it runs its own program it is a copy of the service
            if "riyl.app.services.upload_reader" in process.cmdline():
                readers.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return readers


async def reader_of(pid: int | None = None) -> psutil.Process:
    """Return the process that reads an upload, once it is there."""
    await until(lambda: bool(readers_of(pid)))
    (reader,) = readers_of(pid)
    return reader


def peak_bytes(*, reset: bool = False) -> int:
    """Return the peak memory of this process, in bytes; since the last reset, if there was one."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM"))
