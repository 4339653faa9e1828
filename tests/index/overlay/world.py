"""A catalog with a version, and random changes of its artists."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from pathlib import Path
from typing import Any

import numpy as np

from riyl.core.catalog.tables import Tables
from riyl.core.changes.effective import ChangeKind, EffectiveChanges, after, write_effective
from riyl.core.changes.fold import FoldedTables, fold
from riyl.core.storage.model import Model
from riyl.core.storage.snapshot import Snapshot
from riyl.core.types import ArtistId
from riyl.index.build.build import build_version
from riyl.index.encoding.cold_start import ColdEncoder
from riyl.index.overlay.encode import LiveArtistEncoder
from riyl.index.overlay.update import OverlayUpdater
from riyl.index.search.searcher import Searcher
from riyl.training.config import Config, load_config
from riyl.training.features.build import build_snapshot
from riyl.training.train import train
from tests.conftest import SMALL_RECIPE, small_world
from tests.index.conftest import BALANCED, CORRECTED

N = 320
"""Number of artists, more than a ready list holds."""

CONFIGS: dict[str, Config] = {
    "default": load_config("default")[1],
    "corrected": CORRECTED,
    "balanced": BALANCED,
}


class World:
    """A catalog, by default of N artists, with a model and a version of it, of one of CONFIGS."""

    def __init__(self, folder: Path, config: str, *, tables: Path | None = None) -> None:
        self.folder = folder
        self.tables = Tables.open(small_world(folder / "tables", n=N) if tables is None else tables)
        self.snapshot = build_snapshot(self.tables, SMALL_RECIPE, folder / "snapshots")
        self.model: Model = train(config, CONFIGS[config], self.snapshot, folder / "models")
        self.version = build_version(self.model, self.snapshot, folder / "versions")
        self.searcher = Searcher(self.version)

    def after(self, effective: Mapping[ArtistId, EffectiveChanges]) -> World:
        """Return this world with a version that has changes folded in."""
        world = copy(self)
        world.snapshot = self.reindexed(effective)
        world.version = build_version(self.model, world.snapshot, self.folder / "versions")
        world.searcher = Searcher(world.version)
        return world

    def changing(self, *, encodes: bool = True) -> OverlayUpdater:
        encoder = ColdEncoder.open(self.model, self.snapshot) if encodes else None
        placer = LiveArtistEncoder(self.version, encoder)
        return OverlayUpdater(self.version, placer, self.searcher.row_of_own, self.searcher.own_names)

    def reindexed(self, effective: Mapping[ArtistId, EffectiveChanges]) -> Snapshot:
        """Build the snapshot that a re-index makes of the tables and the effective changes."""
        return build_snapshot(self.folded(effective), SMALL_RECIPE, self.folder / "snapshots", keep=self.snapshot)

    def folded(self, effective: Mapping[ArtistId, EffectiveChanges]) -> FoldedTables:
        """Fold the effective changes into the tables."""
        identity = write_effective(self.folder / "changes", [effective[artist] for artist in sorted(effective)])
        return fold(self.tables, self.folder / "changes" / f"{identity}.ndjson", 1)


def payload(rng: np.random.Generator) -> dict[str, Any]:
    """Draw a payload for an artist: any of its fields, some of them null."""
    fields: dict[str, Any] = {"name": f"Changed {rng.integers(1000)}"}
    if rng.random() < 0.6:
        words = rng.permutation(["ska", "dub", "noise", "Drone", "bop", "swing", "unheard of"])[: rng.integers(1, 5)]
        fields["tags"] = None if rng.random() < 0.2 else {str(word): float(rng.integers(1, 9)) for word in words}
    if rng.random() < 0.6:
        users = [f"u{rng.integers(3)}{rng.integers(14):02d}" for _ in range(rng.integers(1, 8))]
        fields["plays"] = None if rng.random() < 0.2 else {user: float(rng.integers(1, 30)) for user in users}
    if rng.random() < 0.6:
        tracks = rng.standard_normal((rng.integers(1, 4), 8)).round(3).tolist()
        fields["vectors"] = {"audio": None if rng.random() < 0.2 else tracks}
    return fields


def changed(rng: np.random.Generator, artist: ArtistId) -> EffectiveChanges:
    """Draw effective changes of an artist: after a put or a patch, some entries null, and often another patch."""
    stands: EffectiveChanges | None = None
    for kind in [ChangeKind.PUT if rng.random() < 0.5 else ChangeKind.PATCH] + [ChangeKind.PATCH] * rng.integers(2):
        fields = payload(rng)
        if kind is ChangeKind.PATCH:
            for field, entries in (("tags", ["SKA ", "noise", "Bop", "dub"]), ("plays", ["u001", "u102", "u203"])):
                picked = {str(entry): None for entry in rng.permutation(entries)[: rng.integers(3)]}
                if fields.get(field):
                    taken = {entry.lower() for entry in fields[field]}
                    picked = {entry: None for entry in picked if entry.strip().lower() not in taken}
                    fields[field] = {**fields[field], **picked}
                elif field not in fields and picked:
                    fields[field] = picked
        stands = after(stands, artist, kind, fields)
    assert stands is not None
    return stands


def some(rng: np.random.Generator, new: int, old: int, deleted: int) -> dict[ArtistId, EffectiveChanges]:
    """Draw effective changes of new, old and deleted artists; the last row never changes."""
    rows = rng.permutation(N - 1)
    effective = [changed(rng, f"n{i:03d}") for i in range(new)]
    effective += [changed(rng, f"a{row:03d}") for row in rows[:old].tolist()]
    effective += [EffectiveChanges(f"a{row:03d}", True, {}) for row in rows[old : old + deleted].tolist()]
    return {each.artist: each for each in effective}
