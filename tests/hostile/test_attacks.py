"""Bounded attacks on a real service, one after the other, beside good clients.

`make hostile` uses 100,000 artists, prints the effect of each attack, and fails where a limit is exceeded; `make
hostile-small` (RIYL_HOSTILE_SMALL=1) uses 2,000 and checks nothing that depends on time. RIYL_HOSTILE_HOME=FOLDER uses
a ready home, or makes one there that the next run uses.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.hostile.attacker import MODULES
from tests.hostile.conftest import SMALL, Printed
from tests.hostile.homes import attacked
from tests.hostile.registry import ATTACKS, Answers, Target
from tests.hostile.watch import MIB, Watched, still_answers, warm_up, watched

pytestmark = pytest.mark.hostile

MAX_PEAK_BYTES = 300 * MIB
"""Maximum memory of the API above its idle memory, in bytes."""

MAX_HEALTH_S = 0.25
"""Maximum duration of a request to /healthz, in seconds."""

MAX_FAILED_SHARE = 0.01
"""Maximum share of good requests that fail."""

ATTACK_S = 300.0


@pytest.mark.parametrize("name", ATTACKS)
def test_the_service_withstands(name: str, attacked_home: Path, printed: Printed) -> None:
    with attacked(attacked_home, small=SMALL) as target:
        seen, answers = asyncio.run(carried_out(name, target))
        lives = asyncio.run(still_answers(target))
    printed(row(name, seen, answers))
    assert lives
    assert (answers["500"], seen.errors) == (0, 0)
    assert missed(seen) == []


def test_every_attack_is_described_and_in_the_table() -> None:
    assert len(ATTACKS) > 30
    assert {run.__module__ for run in ATTACKS.values()} == {module.__name__ for module in MODULES}
    assert [name for name, run in ATTACKS.items() if not (run.__doc__ or "").endswith(".")] == []


async def carried_out(name: str, target: Target) -> tuple[Watched, Answers]:
    """Run an attack in a process of its own, and return its effect on others and the responses that it got.

    Raises:
        RuntimeError: the attacker failed.
    """
    await warm_up(target)
    async with watched(target) as seen:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.hostile.attacker", name),
            cwd=REPOSITORY,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(ATTACK_S):
            out, _ = await process.communicate(json.dumps(asdict(target)).encode())
    if process.returncode != 0:
        raise RuntimeError(f"the attacker ended with {process.returncode}")
    return seen, Counter(json.loads(out))


def missed(seen: Watched) -> list[str]:
    """Return the exceeded limits; in a small run only those that do not depend on time."""
    bounds = {f"peak at most {MAX_PEAK_BYTES // MIB} MiB above rest": seen.peak_bytes <= MAX_PEAK_BYTES}
    if not SMALL:
        bounds[f"/healthz within {MAX_HEALTH_S} s"] = seen.longest_s <= MAX_HEALTH_S
        bounds[f"at most {MAX_FAILED_SHARE:.0%} of good requests failed"] = seen.failed_share <= MAX_FAILED_SHARE
    return [bound for bound, holds in bounds.items() if not holds]


def row(name: str, seen: Watched, answers: Answers) -> str:
    """Format a line of the table."""
    counts = ", ".join(f"{answer} x{count}" for answer, count in sorted(answers.items()))
    return (
        f"{name:34} {seen.peak_bytes / MIB:9.0f} {seen.children_bytes / MIB:8.0f} {1e3 * seen.longest_s:10.0f} "
        f"{100 * seen.failed_share:8.2f}  {counts or '-'}"
    )
