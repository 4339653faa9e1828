"""Carries out one attack, as a process on one core: `python -m tests.hostile.attacker NAME`.

The target comes as JSON on stdin; the answers go as JSON to stdout.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys

from tests.hostile import attack_bodies, attack_changes, attack_connections, attack_uploads
from tests.hostile.registry import ATTACKS, Target

MODULES = (attack_connections, attack_bodies, attack_changes, attack_uploads)
"""The modules whose attacks are registered."""


def main() -> None:
    """Run the attack that the command line names."""
    target = Target(**json.load(sys.stdin))
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    json.dump(asyncio.run(ATTACKS[sys.argv[1]](target)), sys.stdout)


if __name__ == "__main__":
    main()
