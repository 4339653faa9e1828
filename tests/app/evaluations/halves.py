"""Two catalogs of the synthetic world: each has half of its listeners and half of its tags."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from riyl.core.catalog.tables import Tables
from riyl.core.settings import Home
from riyl.core.storage.snapshot import Snapshot
from riyl.training.config import load_config
from riyl.training.datasets.synthetic import generate
from riyl.training.features.build import build_snapshot, import_similar
from riyl.training.train import train
from tests.conftest import SMALL_RECIPE

N = 120
ONLY_FIRST = 10
"""Number of artists that the second half lacks: the last ones."""


@dataclass(frozen=True)
class Halves:
    """Home with two catalogs of N artists, and of all but the last of them.

    Attributes:
        home: the home; each catalog has a model called mine, and the first one has the ground truth.
        first, other: the catalogs. Artists of the other one have other ids, in another order, and the same mbids.
        counterparts: by artist of the first, its id in the other.
        map_file: the same as a file.
    """

    home: Home
    first: Snapshot
    other: Snapshot
    counterparts: Mapping[str, str]
    map_file: Path


def make_halves(root: Path) -> Halves:
    """Make the tables, snapshots, models and the ground truth of two halves."""
    home, world = Home(root / "home"), root / "world"
    world.mkdir()
    generate(world, artists=N)
    ids = pq.read_table(world / "artists.parquet")["artist_id"].to_pylist()
    counterparts = {id: f"b{N - row:04d}" for row, id in enumerate(ids) if row < N - ONLY_FIRST}
    map_file = root / "map.csv"
    map_file.write_text("artist_id,other_artist_id\n" + "".join(f"{a},{b}\n" for a, b in counterparts.items()))
    folders = [
        write_half(world, root / name, half, names)
        for half, name, names in ((0, "first", {id: id for id in ids}), (1, "other", counterparts))
    ]
    import_similar(Tables.open(world), home.truths)
    first, other = (build_snapshot(Tables.open(folder), SMALL_RECIPE, home.snapshots) for folder in folders)
    _, config = load_config("default")
    for seed, snapshot in enumerate((first, other)):
        train("mine", config, snapshot, home.models, seed=seed, threads=1)
    return Halves(home, first, other, counterparts, map_file)


def write_half(world: Path, folder: Path, half: int, names: Mapping[str, str], *, audio: bool = True) -> Path:
    """Write the tables of the artists in `names`, under these ids: every second listener and every second tag.

    Artists without mbid get one, so that all of them can be joined by it.
    """
    folder.mkdir(parents=True)
    for name in ("artists", "tags", "plays", *(["audio"] if audio else [])):
        table = pq.read_table(world / f"{name}.parquet")
        if name == "artists":
            made = pc.binary_join_element_wise("made", table["artist_id"], "-")
            table = table.set_column(2, "mbid", pc.coalesce(table["mbid"], made))
        ids = table["artist_id"].to_pylist()
        of_half = {"tags": "tag", "plays": "user_id"}.get(name)
        parity = None if of_half is None else table[of_half].dictionary_encode().combine_chunks().indices.to_pylist()
        kept = [i for i, id in enumerate(ids) if id in names and (parity is None or parity[i] % 2 == half)]
        renamed = pa.array([names[ids[i]] for i in kept], pa.string())
        position = table.column_names.index("artist_id")
        pq.write_table(
            table.take(pa.array(kept)).set_column(position, "artist_id", renamed), folder / f"{name}.parquet"
        )
    return folder
