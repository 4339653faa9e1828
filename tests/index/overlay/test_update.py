"""A version under changes, against a re-index of the same artists and a naive search among all of them."""

from __future__ import annotations

import gc
import json
import shutil
import weakref
from collections.abc import Mapping, Sequence
from copy import copy
from pathlib import Path

import numpy as np
import pytest

import riyl.index.scoring.hubness
from riyl.core.changes.effective import EffectiveChanges
from riyl.core.storage.snapshot import Snapshot
from riyl.core.types import ArtistId
from riyl.index.overlay import update
from riyl.index.overlay.overlay import VersionOverlay
from riyl.index.overlay.update import OverlayUpdater
from tests.index.overlay.naive import Naive
from tests.index.overlay.world import CONFIGS, N, World, changed, some


@pytest.fixture(scope="module", params=CONFIGS)
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("world"), request.param)


def agrees(overlay: VersionOverlay, world: World, naive: Naive, k: int = 200) -> None:
    """Check that every list holds the best of all artists by the naive scores."""
    searcher = world.searcher.under(overlay)
    assert sorted(searcher.artist_ids.to_pylist()) == naive.ids
    assert searcher.n_artists == len(naive.ids)
    for artist in naive.ids:
        row = searcher.row_of_id(artist)
        assert row is not None
        assert searcher.is_searchable(row) == (artist in naive.known)
        assert searcher.artist(row).modalities == naive.pattern[artist]
        assert searcher.artist(row).listeners == naive.listeners[artist]
        if artist not in naive.known:
            continue
        np.testing.assert_allclose(searcher.vector(row), naive.vector[artist], atol=1e-6)
        neighbours, wanted = searcher.similar(row, k), naive.scores(artist)
        ids = searcher.ids_of(neighbours.rows)
        assert len(set(ids)) == len(ids) == min(k, len(wanted))
        np.testing.assert_allclose(neighbours.scores, [wanted[other] for other in ids], atol=2e-5)
        np.testing.assert_allclose(neighbours.scores, sorted(wanted.values(), reverse=True)[:k], atol=2e-5)


def test_lists_are_those_of_a_search_among_all_who_are_there(world: World) -> None:
    effective = some(np.random.default_rng(0), new=25, old=20, deleted=15)
    agrees(world.changing()(effective, 60), world, Naive(world, effective))


def test_lists_that_lose_too_many_are_searched_for(world: World) -> None:
    effective = some(np.random.default_rng(1), new=3, old=10, deleted=70)
    overlay = world.changing()(effective, 83)
    assert any(
        len(world.searcher.under(overlay).ready(row).rows) < 200 for row in np.flatnonzero(~overlay.tombstones[:N])
    )
    agrees(overlay, world, Naive(world, effective))


@pytest.mark.parametrize("queries", [20_000, 90])
def test_an_artist_under_another_name_keeps_its_h(
    queries: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(riyl.index.scoring.hubness, "QUERIES", queries)
    world = World(tmp_path, "balanced")
    scoring = world.version.scoring
    assert scoring.thresholds is not None
    assert scoring.thresholds.values.shape == (2, min(queries, N - 1))
    effective = {f"a{row:03d}": EffectiveChanges(f"a{row:03d}", False, {"name": "New"}) for row in range(0, N, 9)}
    searcher = world.searcher.under(world.changing()(effective, 1))
    rows = {row: searcher.row_of_id(f"a{row:03d}") for row in range(0, N, 9)}
    assert all(row is not None and row >= N for row in rows.values())
    actual = [searcher.overlay.h.at(row) for row in rows.values()]
    np.testing.assert_allclose(actual, scoring.h[list(rows)], atol=1e-5)


def in_order(
    changing: OverlayUpdater,
    effective: Mapping[ArtistId, EffectiveChanges | None],
    order: Sequence[ArtistId],
    at_once: int,
) -> VersionOverlay:
    overlay = changing.overlay
    for start in range(0, len(order), at_once):
        overlay = changing({artist: effective[artist] for artist in order[start : start + at_once]}, start + 1)
    return overlay


def answers(world: World, overlay: VersionOverlay) -> dict[ArtistId, tuple[list[ArtistId], bytes]]:
    """Return every list with the bits of its scores."""
    searcher, lists = world.searcher.under(overlay), {}
    for artist in sorted(searcher.artist_ids.to_pylist()):
        row = searcher.row_of_id(artist)
        assert row is not None
        if searcher.is_searchable(row):
            listed = searcher.similar(row, 100)
            lists[artist] = (searcher.ids_of(listed.rows), listed.scores.tobytes())
    return lists


@pytest.mark.parametrize("at_once", [1, 7])
def test_the_order_in_which_changes_come_tells_nothing(world: World, at_once: int) -> None:
    rng = np.random.default_rng(2)
    effective = some(rng, new=12, old=12, deleted=6)
    expected = answers(world, world.changing()(effective, 30))
    changing, order = world.changing(), sorted(effective)
    # first other changes, which are dropped again
    in_order(changing, some(rng, new=12, old=9, deleted=9), [], 1)
    before = some(rng, new=12, old=9, deleted=9)
    in_order(changing, before, sorted(before), 5)
    in_order(changing, dict.fromkeys(before), sorted(before), 4)
    assert answers(world, in_order(changing, effective, rng.permutation(order).tolist(), at_once)) == expected


def test_what_was_given_before_stays_as_it_is(world: World) -> None:
    rng, changing = np.random.default_rng(3), world.changing()
    first = changing(some(rng, new=6, old=6, deleted=3), 15)
    before = answers(world, first)
    for number in range(4):
        changing(some(rng, new=6, old=6, deleted=3), 20 + number)
    assert answers(world, first) == before
    assert answers(world, changing.overlay) != before


def test_earlier_overlays_are_not_kept_in_memory(world: World) -> None:
    changing, earlier = world.changing(), []
    for number in range(1, 4):
        overlay = changing(some(np.random.default_rng(number), new=2, old=2, deleted=0), number)
        earlier.append(weakref.ref(overlay))
    del overlay
    gc.collect()
    assert [reference() for reference in earlier[:-1]] == [None, None]
    assert earlier[-1]() is changing.overlay


def test_rows_that_are_gone_are_cleared_away(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(update, "_CLEARED_FROM", 10)
    rng, changing = np.random.default_rng(4), world.changing()
    rows = []
    for number in range(6):
        effective = some(np.random.default_rng(40 + number), new=8, old=0, deleted=0)
        rows.append(changing(effective, number).n_rows)
    assert rows == [N + 8, N + 16, N + 8, N + 16, N + 8, N + 16]
    effective = some(rng, new=8, old=0, deleted=0)
    overlay = changing(effective, 7)
    assert overlay.n_rows == N + 8
    searcher = world.searcher.under(overlay)
    assert [searcher.artist(row).id for row in range(N, N + 8)] == sorted(effective)
    for artist, stands in effective.items():
        row = searcher.row_of_id(artist)
        assert row is not None
        assert row in searcher.named(stands.payload["name"])
    monkeypatch.undo()
    agrees(overlay, world, Naive(world, effective))


def test_dropped_changes_leave_the_version_as_it_was(world: World) -> None:
    changing, effective = world.changing(), some(np.random.default_rng(5), new=4, old=4, deleted=4)
    assert changing(effective, 12)
    dropped = changing(dict.fromkeys(effective), 13)
    assert not dropped.row_of_id
    assert not dropped.tombstones[:N].any()
    for row in range(N - 1):
        neighbours = world.searcher.under(dropped).similar(row, 200)
        np.testing.assert_array_equal(neighbours.rows, world.version.neighbours[row, :200])
        np.testing.assert_array_equal(neighbours.scores, world.version.scores[row, :200])


def test_what_was_folded_in_and_does_not_stand_any_more_is_as_the_tables_say(world: World) -> None:
    rng = np.random.default_rng(6)
    folded = some(rng, new=9, old=12, deleted=9)
    later = world.after(folded)
    assert later.version.n_artists == N
    now: dict[ArtistId, EffectiveChanges | None] = dict.fromkeys(folded)
    for number, artist in enumerate(sorted(folded)):
        if number % 3 == 0:  # fewer fields than before
            now[artist] = EffectiveChanges(artist, False, {"name": "Less"})
        elif number % 3 == 1:
            now[artist] = changed(rng, artist)
    overlay = later.changing()(now, 40)
    stands = {artist: each for artist, each in now.items() if each is not None}
    # an artist of the tables without remaining changes is as in the tables, and yet differs from the version
    naive = Naive(
        later, stands | {a: EffectiveChanges(a, False, {}) for a in folded if now[a] is None and a.startswith("a")}
    )
    agrees(overlay, later, naive)


def test_who_is_merged_is_gone_and_leads_to_the_other(world: World) -> None:
    mbid = "A74B1B7F-71a5-4011-9441-d0b5e4122711"
    effective = {
        "a001": EffectiveChanges("a001", True, {}, "a002", mbid),
        "a002": EffectiveChanges("a002", True, {}, "n1"),
        "n1": EffectiveChanges("n1", False, {"name": "New"}),
        "old": EffectiveChanges("old", True, {}, "a003"),
        "lost": EffectiveChanges("lost", True, {}, "a004"),
        "a004": EffectiveChanges("a004", True, {}),
    }
    changing = world.changing()
    searcher = world.searcher.under(changing(effective, 6))
    assert [searcher.row_of_id(artist) for artist in ("a001", "a002", "a004", "old")] == [None] * 4
    moved = [searcher.moved_to(key) for key in ("a001", mbid, mbid.lower(), "a002", "old", "lost", "a004", "a003", "x")]
    assert moved == ["n1", "n1", "n1", "n1", "a003", None, None, None, None]
    back = world.searcher.under(changing({"a001": EffectiveChanges("a001", False, {"name": "Back"}), "old": None}, 7))
    assert [back.moved_to(key) for key in ("a001", mbid, "old", "a002")] == [None, None, None, "n1"]
    assert back.row_of_id("a001") is not None


def test_one_whose_name_nobody_says_is_nowhere(world: World) -> None:
    overlay = world.changing()({"n1": EffectiveChanges("n1", False, {"tags": {"ska": 1.0}})}, 1)
    searcher = world.searcher.under(overlay)
    assert searcher.row_of("n1") is None
    assert searcher.n_artists == N


def test_where_nothing_encodes_an_artist_keeps_what_the_version_has(world: World) -> None:
    tags = {"tags": {"noise": 1.0}, "mbid": "m"}
    effective = {
        "a000": EffectiveChanges("a000", False, tags),
        "n1": EffectiveChanges("n1", False, {"name": "New", **tags}),
        "a003": EffectiveChanges("a003", True, {}),
    }
    searcher = world.searcher.under(world.changing(encodes=False)(effective, 3))
    row, new = searcher.row_of_id("a000"), searcher.row_of_id("n1")
    assert row is not None
    assert new is not None
    np.testing.assert_array_equal(searcher.vector(row), world.version.embeddings[0])
    artist = searcher.artist(row)
    assert (artist.name, artist.mbid, artist.listeners) == ("Artist 0", "m", world.version.listeners[0])
    assert not searcher.is_searchable(new)
    assert searcher.artist(new).modalities == ()
    assert searcher.row_of_id("a003") is None
    assert searcher.rows_of("M") == [row, new]


def test_a_patch_is_merged_key_by_key_into_what_the_tables_say(world: World) -> None:
    plays = world.snapshot.raw_terms["plays"].of(0)
    tags = world.snapshot.raw_terms["tags"].of(0)
    tombstones, tag = sorted(plays)[0], sorted(tags)[0]
    patch = {"plays": {"somebody": 3.0, tombstones: None}, "tags": {f" {tag.upper()}": 99.0, "noise": 2.0}}
    effective = {"a000": EffectiveChanges("a000", False, patch)}
    overlay = world.changing()(effective, 1)
    searcher = world.searcher.under(overlay)
    row = searcher.row_of_id("a000")
    assert row is not None
    artist = searcher.artist(row)
    assert (artist.listeners, artist.plays) == (len(plays), sum(plays.values()) - plays[tombstones] + 3.0)
    places, weights = overlay.artist(row).sets["tags"]
    words = [world.version.terms("tags")[position].as_py() for position in places.tolist()]
    assert dict(zip(words, weights.tolist(), strict=True)) == {**tags, tag: 99.0, "noise": 2.0}
    agrees(overlay, world, Naive(world, effective), k=20)


def test_where_the_tables_terms_are_not_kept_a_patch_waits_and_the_vector_stays(
    world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    old = copy(world)
    old.snapshot = without_raw_terms(world.snapshot, tmp_path / "old")
    effective = {
        "a000": EffectiveChanges(
            "a000", False, {"name": "Patched", "tags": {"noise": 9.0}, "plays": {"somebody": 3.0}}
        ),
        "a001": EffectiveChanges("a001", False, {"tags": {"bop": 9.0}}, whole=frozenset({"tags"})),
        "n1": EffectiveChanges("n1", False, {"name": "New", "tags": {"ska": 1.0}}),
    }
    overlay = old.changing()(effective, 3)
    searcher = world.searcher.under(overlay)
    rows = {artist: searcher.row_of_id(artist) for artist in effective}
    assert None not in rows.values()
    artist = searcher.artist(rows["a000"])  # type: ignore[arg-type]
    assert (artist.name, artist.listeners) == ("Patched", world.version.listeners[0])
    np.testing.assert_allclose(searcher.vector(rows["a000"]), world.version.embeddings[0], atol=1e-6)  # type: ignore[arg-type]
    assert [each for each in caplog.messages if each.startswith("change_waits")] == [
        "change_waits artist=a000 field=tags: shown after the next re-index",
        "change_waits artist=a000 field=plays: shown after the next re-index",
    ]
    # replacing changes and new artists do not wait
    full = world.searcher.under(world.changing()(effective, 3))
    for each in ("a001", "n1"):
        np.testing.assert_array_equal(searcher.vector(rows[each]), full.vector(full.row_of_id(each)))  # type: ignore[arg-type]


def without_raw_terms(snapshot: Snapshot, folder: Path) -> Snapshot:
    """Return the snapshot as an earlier release made it, without raw terms."""
    shutil.copytree(snapshot.folder, folder)
    shutil.rmtree(folder / "raw")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"] = {name: entry for name, entry in manifest["files"].items() if not name.startswith("raw/")}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return Snapshot.open(folder)
