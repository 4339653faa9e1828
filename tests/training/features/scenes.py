"""Made-up plays of three scenes, to tune CF on."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.conftest import write_tables

ARTISTS, LISTENERS, PLAYED = 60, 45, 10


def write_scenes(folder: Path) -> Path:
    """Write tables in which listener u plays 10 of the 20 artists of scene u % 3; artist a is of scene a % 3."""
    rng = np.random.default_rng(0)
    plays: dict[str, list[object]] = {"user_id": [], "artist_id": [], "count": []}
    for user in range(LISTENERS):
        for artist in rng.permutation(np.arange(user % 3, ARTISTS, 3))[:PLAYED]:
            plays["user_id"].append(f"u{user:02d}")
            plays["artist_id"].append(f"a{artist:02d}")
            plays["count"].append(int(rng.integers(1, 50)))
    ids: list[object] = [f"a{i:02d}" for i in range(ARTISTS)]
    return write_tables(folder, artists={"artist_id": ids, "name": ids}, plays=plays)
