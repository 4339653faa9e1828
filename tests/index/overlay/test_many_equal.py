"""Imports with many equal artists: lists stay right, and memory grows with the changes, not with pairs."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from riyl.core.changes.effective import EffectiveChanges
from riyl.core.types import ArtistId
from riyl.index.overlay.overlay import VersionOverlay
from riyl.index.search.neighbours import best_of, exact_scores
from tests.index.overlay.world import CONFIGS, World

WHOLE = frozenset(["tags"])


@pytest.fixture(scope="module", params=CONFIGS)
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("world"), request.param)


def equal(tag: str, n: int) -> dict[ArtistId, EffectiveChanges]:
    """Return n new artists with one tag."""
    return {
        f"{tag}-{i:05d}": EffectiveChanges(
            f"{tag}-{i:05d}", False, {"name": f"{tag} {i}", "tags": {tag: 1.0}}, whole=WHOLE
        )
        for i in range(n)
    }


def agrees_with_a_search(overlay: VersionOverlay, world: World, artists: list[ArtistId]) -> None:
    """Check that lists are the best of a search among all, with equal artists in the same order.

    The version's own scores are computed in float32, and differ from a search's in the last bit.
    """
    searcher = world.searcher.under(overlay)
    for artist in artists:
        row = searcher.row_of_id(artist)
        assert row is not None
        scores = exact_scores(overlay, row, uncorrected=False)
        scores[row] = -np.inf
        for k in (1, 50, 200):
            expected, neighbours = best_of(overlay, scores, k), searcher.similar(row, k)
            ids, expected_ids = searcher.ids_of(neighbours.rows), searcher.ids_of(expected.rows)
            assert [each for each in ids if "-" in each] == [each for each in expected_ids if "-" in each]
            np.testing.assert_allclose(neighbours.scores, expected.scores, atol=2e-5)


ASKING = ["ska-00000", "ska-00699", "dub-00003", *(f"a{i:03d}" for i in range(0, 300, 12))]


def test_lists_are_right_where_more_artists_are_equal_than_a_list_holds(world: World) -> None:
    changing = world.changing()
    effective = equal("ska", 700) | equal("dub", 300)
    overlay = changing(effective, 1000)
    agrees_with_a_search(overlay, world, ASKING)
    assert all(len(entries.rows) <= 256 for entries in overlay.entries.values())
    assert any(entries.floor is not None for entries in overlay.entries.values())
    # most artists of the lists are deleted, and those left out before move up
    listed = world.searcher.under(overlay)
    first = listed.ids_of(listed.similar(listed.row_of_id("ska-00000") or 0, 200).rows)
    assert len(first) == 200
    gone = {artist: EffectiveChanges(artist, True, {}) for artist in first if artist in effective}
    assert len(gone) > 100
    asking = [artist for artist in ASKING if artist not in gone]
    agrees_with_a_search(changing(gone, 1001), world, asking)


def test_the_order_of_equal_artists_tells_nothing(world: World) -> None:
    effective = equal("ska", 400)
    whole = world.changing()(effective, 400)
    in_parts = world.changing()
    for start in range(0, 400, 64):
        overlay = in_parts(dict(list(reversed(effective.items()))[start : start + 64]), start)
    for artist in ("ska-00000", "a000", "a024"):
        lists = []
        for each in (whole, overlay):
            searcher = world.searcher.under(each)
            neighbours = searcher.similar(searcher.row_of_id(artist) or 0, 200)
            lists.append((searcher.ids_of(neighbours.rows), neighbours.scores.tobytes()))
        assert lists[0] == lists[1]


def test_memory_grows_with_the_changes(tmp_path: Path) -> None:
    world = World(tmp_path, "corrected")
    peaks = []
    for n in (1000, 2000):
        changing, effective = world.changing(), equal("ska", n)
        tracemalloc.start()
        changing(effective, n)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # all pairs would take four times as much, and 800 MB
    assert peaks[1] < 3 * peaks[0]
    assert peaks[1] < 100 << 20
