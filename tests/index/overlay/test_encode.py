"""Live artists of a model that takes blocks, against a re-index of the same changes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from riyl.core.changes.effective import ChangeKind, EffectiveChanges, after
from riyl.index.build.build import build_version
from riyl.index.encoding.cold_start import ColdEncoder
from riyl.index.encoding.embed import embed
from riyl.index.overlay.encode import LiveArtistEncoder
from tests.index.blocks import model_with_blocks
from tests.index.overlay.world import World

PLAYS = {"u001": 4, "u105": 2.0, "stranger": 9, "u210": 1}


def test_live_plays_are_encoded_with_the_block_as_in_a_reindex(tmp_path: Path) -> None:
    world = World(tmp_path, "default")
    world.model, _ = model_with_blocks(world.snapshot, tmp_path / "models")
    world.version = build_version(world.model, world.snapshot, tmp_path / "versions")
    changes: dict[str, EffectiveChanges] = {}
    for artist, kind, fields in (
        ("new", ChangeKind.PUT, {"name": "New", "plays": PLAYS}),
        ("a000", ChangeKind.PATCH, {"plays": PLAYS}),
        ("a001", ChangeKind.PATCH, {"name": "Renamed"}),
        ("a002", ChangeKind.PATCH, {"vectors": {"audio": [[0.5] * 8]}}),
    ):
        changes[artist] = after(None, artist, kind, fields)
    encode = LiveArtistEncoder(world.version, ColdEncoder.open(world.model, world.snapshot))
    rows = {artist: row for row, artist in enumerate(world.version.artist_ids)}
    artists = encode(list(changes.values()), [rows.get(artist, -1) for artist in changes])
    reindexed = world.reindexed(changes)
    embedding = embed(world.model, reindexed)
    for artist in artists:
        assert artist is not None
        row = reindexed.artist_ids.index(artist.id)
        np.testing.assert_allclose(artist.vector, embedding.vectors[row], atol=1e-5)
    before = world.version.embeddings[rows["a001"]]
    np.testing.assert_allclose(artists[2].vector, before, atol=1e-6)  # type: ignore[union-attr]
    assert np.abs(artists[1].vector - world.version.embeddings[rows["a000"]]).max() > 0.01  # type: ignore[union-attr]
