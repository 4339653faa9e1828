"""Variants of the small world: without some artists, with other data of some, and catalogs for a kept featurizer."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from tests.conftest import small_world, write_tables


def world_without(folder: Path, ids: Collection[str]) -> Path:
    """Write the small world without these artists: only the table `similar` still names them."""
    small_world(folder)
    for name in ("artists", "tags", "plays", "audio"):
        write_tables(folder, **{name: _rows(folder, name, without=ids)})
    return folder


def world_with_others(folder: Path, ids: Collection[str]) -> Path:
    """Write the small world with other data for these artists.

    Their tags are some of their own and all of the world's, their listeners likewise, and their audio is far from that
    of the world.
    """
    small_world(folder)
    rng = np.random.default_rng(99)
    words = [*sorted(set(_rows(folder, "tags")["tag"])), "alien", "strange", "odd"]
    users = [*sorted(set(_rows(folder, "plays")["user_id"])), "x1", "x2", "x3"]
    changed: dict[str, dict[str, list[object]]] = {
        "tags": {
            "artist_id": [artist for artist in ids for _ in words],
            "tag": [word for _ in ids for word in words],
            "weight": rng.uniform(50, 900, len(ids) * len(words)).tolist(),
        },
        "plays": {
            "user_id": [user for _ in ids for user in users],
            "artist_id": [artist for artist in ids for _ in users],
            "count": rng.integers(1000, 9000, len(ids) * len(users)).tolist(),
        },
        "audio": {
            "artist_id": list(ids),
            "track_id": [f"{artist}-x" for artist in ids],
            "vector": rng.uniform(500, 900, (len(ids), 8)).tolist(),
        },
    }
    for name, more in changed.items():
        columns = _rows(folder, name, without=ids)
        write_tables(folder, **{name: {column: more[column] + values for column, values in columns.items()}})
    return folder


def world_of_strangers(folder: Path) -> Path:
    """Write the small world without audio, and with other listeners throughout."""
    small_world(folder)
    (folder / "audio.parquet").unlink()
    plays = _rows(folder, "plays")
    write_tables(folder, plays={**plays, "user_id": [f"x{user}" for user in plays["user_id"]]})
    return folder


def _rows(folder: Path, name: str, without: Collection[str] = ()) -> dict[str, list[object]]:
    columns = pq.read_table(folder / f"{name}.parquet").to_pydict()
    at = [i for i, artist in enumerate(columns["artist_id"]) if artist not in without]
    return {column: [values[i] for i in at] for column, values in columns.items()}
