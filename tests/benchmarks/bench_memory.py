"""Peak memory and time of each step of the offline path, each in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from riyl.training.datasets.synthetic import generate
from tests.benchmarks.conftest import SMALL, Report, sized

pytestmark = pytest.mark.bench

ARTISTS = sized(5000, 300)
SOURCE = sized("synthetic", "{base}/made")
"""Source of the tables: the one of 5,000 artists, or made-up tables of fewer."""

STEPS = {
    "tables": ["data", "tables", SOURCE, "{base}/tables"],
    "snapshot": ["snapshot", "build", "{base}/tables"],
    "train paper-msd": ["train", "--config", "paper-msd"],
    "export embeddings": ["export", "embeddings", "--out", "{base}/e.parquet"],
    "evaluate, 10 systems": ["evaluate"],
}

RUN = """
import sys, time
from pathlib import Path
from riyl.app.cli import app
start = time.perf_counter()
try:
    app(sys.argv[1:])
except SystemExit as end:
    if end.code:
        raise
# not getrusage, whose peak a child takes over from the process that started it
lines = Path("/proc/self/status").read_text().splitlines()
used = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
print(f"PEAK {used:.0f} {time.perf_counter() - start:.1f}", file=sys.stderr)
"""


def test_peak_memory_of_each_step(tmp_path: Path, report: Report) -> None:
    if SMALL:
        (tmp_path / "made").mkdir()
        generate(tmp_path / "made", artists=ARTISTS)
    report(f"peak memory of each step, {ARTISTS:,} synthetic artists")
    for step, arguments in STEPS.items():
        step_arguments = [a.format(base=tmp_path) for a in arguments]
        command = [sys.executable, "-c", RUN, "--home", str(tmp_path / "home"), *step_arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        _, mebibytes, seconds = done.stderr.splitlines()[-1].split()
        report(
            f"  {step:22} {mebibytes:>6} MiB  {seconds:>6} s",
            **{f"{step}, mib": float(mebibytes), f"{step}, s": float(seconds)},
        )
