"""Tests of the allocator's settings, each in a process of its own: they hold for a whole process."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

MANY = """
import threading
from pathlib import Path
from riyl.core.allocator import limit_arenas, release_freed_memory

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
"""


def printed(program: str) -> str:
    """Run a program after `MANY`, and return its output."""
    return subprocess.run([sys.executable, "-c", MANY + program], capture_output=True, text=True, check=True).stdout


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has arenas and malloc_trim")
def test_freed_memory_between_blocks_in_use_is_returned() -> None:
    program = """
blocks = [bytearray(20_000) for _ in range(5000)]  # 100 MB, below the size that is mapped by itself
del blocks[::2], blocks[::2]  # every fourth stays, so that no end of the heap is free
before = resident()
release_freed_memory()
print(before - resident())
"""
    assert int(printed(program)) > 25_000_000


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has arenas and malloc_trim")
def test_threads_share_two_arenas() -> None:
    program = """
limit_arenas()
kept, barrier = [], threading.Barrier(8)
def work():
    barrier.wait()
    kept.append(bytearray(10_000))
    barrier.wait()
threads = [threading.Thread(target=work) for _ in range(8)]
[thread.start() for thread in threads], [thread.join() for thread in threads]
import ctypes
ctypes.CDLL(None).malloc_stats()
"""
    run = subprocess.run([sys.executable, "-c", MANY + program], capture_output=True, text=True, check=True)
    assert 1 <= run.stderr.count("Arena ") <= 2, run.stderr
