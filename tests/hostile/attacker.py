"""Run one attack, as a process on one core: `python -m tests.hostile.attacker NAME`.

The target is read as JSON from stdin; the responses are written as JSON to stdout.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys

from tests.hostile import attack_bodies, attack_changes, attack_connections, attack_uploads
from tests.hostile.registry import ATTACKS, Target

MODULES = (attack_connections, attack_bodies, attack_changes, attack_uploads)
"""Modules whose attacks are registered."""


def main() -> None:
    """Run the attack that the command line names."""
    target = Target(**json.load(sys.stdin))
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    json.dump(asyncio.run(ATTACKS[sys.argv[1]](target)), sys.stdout)


if __name__ == "__main__":
    main()
