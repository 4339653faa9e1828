"""A version under changes, against what a re-index makes of the same artists and a naive search among all of them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from copy import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.changes import ChangeKind, Standing, after, write_standing
from core.folding import fold
from core.model import Model
from core.snapshot import Snapshot
from core.tables import Tables
from core.types import ArtistId
from index import apply
from index.apply import Changing
from index.artifact import Version
from index.build import build_version
from index.cold import ColdEncoder
from index.embed import embed
from index.fitting import patterns_of
from index.live import Live
from index.put import Placer
from index.search import Searcher
from tests.conftest import SMALL_RECIPE, small_world
from tests.index.conftest import CORRECTED
from training.config import load_config
from training.features.build import build_snapshot
from training.train import train

N = 320
"""Artists: more than a ready list holds."""


class World:
    """A catalog of N artists, a model of it, and its version."""

    def __init__(self, folder: Path, *, corrected: bool) -> None:
        self.folder = folder
        self.tables = Tables.open(small_world(folder / "tables", n=N))
        self.snapshot = build_snapshot(self.tables, SMALL_RECIPE, folder / "snapshots")
        name, config = ("corrected", CORRECTED) if corrected else load_config("default")
        self.model: Model = train(name, config, self.snapshot, folder / "models")
        self.version = build_version(self.model, self.snapshot, folder / "versions")
        self.searcher = Searcher(self.version)

    def after(self, standing: Mapping[ArtistId, Standing]) -> World:
        """The same with a version that has changes folded in."""
        found = copy(self)
        found.snapshot = self.reindexed(standing)
        found.version = build_version(self.model, found.snapshot, self.folder / "versions")
        found.searcher = Searcher(found.version)
        return found

    def changing(self, *, encodes: bool = True) -> Changing:
        encoder = ColdEncoder.open(self.model, self.snapshot) if encodes else None
        placer = Placer(self.version, encoder)
        return Changing(self.version, placer, self.searcher.row_of_own, self.searcher.own_names)

    def reindexed(self, standing: Mapping[ArtistId, Standing]) -> Snapshot:
        """What a re-index makes of the tables and what stands."""
        identity = write_standing(self.folder / "changes", [standing[artist] for artist in sorted(standing)])
        folded = fold(self.tables, self.folder / "changes" / f"{identity}.ndjson", 1)
        return build_snapshot(folded, SMALL_RECIPE, self.folder / "snapshots", keep=self.snapshot)


@pytest.fixture(scope="module", params=[False, True], ids=["default", "corrected"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("world"), corrected=request.param)


def said(rng: np.random.Generator) -> dict[str, Any]:
    """Something of an artist: any of its fields, some of them null."""
    found: dict[str, Any] = {"name": f"Changed {rng.integers(1000)}"}
    if rng.random() < 0.6:
        words = rng.permutation(["ska", "dub", "noise", "Drone", "bop", "swing", "unheard of"])[: rng.integers(1, 5)]
        found["tags"] = None if rng.random() < 0.2 else {str(word): float(rng.integers(1, 9)) for word in words}
    if rng.random() < 0.6:
        users = [f"u{rng.integers(3)}{rng.integers(14):02d}" for _ in range(rng.integers(1, 8))]
        found["plays"] = None if rng.random() < 0.2 else {user: float(rng.integers(1, 30)) for user in users}
    if rng.random() < 0.6:
        tracks = rng.standard_normal((rng.integers(1, 4), 8)).round(3).tolist()
        found["vectors"] = {"audio": None if rng.random() < 0.2 else tracks}
    return found


def changed(rng: np.random.Generator, artist: ArtistId) -> Standing:
    """What stands of an artist after a put or a patch, of which some entries are null, and often another patch."""
    stands: Standing | None = None
    for kind in [ChangeKind.PUT if rng.random() < 0.5 else ChangeKind.PATCH] + [ChangeKind.PATCH] * rng.integers(2):
        fields = said(rng)
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


def some(rng: np.random.Generator, new: int, old: int, deleted: int) -> dict[ArtistId, Standing]:
    """What stands of so many artists, the first rows among those that change."""
    rows = rng.permutation(N - 1)
    standing = [changed(rng, f"n{i:03d}") for i in range(new)]
    standing += [changed(rng, f"a{row:03d}") for row in rows[:old].tolist()]
    standing += [Standing(f"a{row:03d}", True, {}) for row in rows[old : old + deleted].tolist()]
    return {each.artist: each for each in standing}


class Naive:
    """Scores among all artists who are there, one by one: vectors by a re-index, h of live ones by its definition."""

    def __init__(self, world: World, standing: Mapping[ArtistId, Standing]) -> None:
        after, version = world.reindexed(standing), world.version
        embedding = embed(world.model, after)
        sets, of = patterns_of(after)
        self.ids = after.artist_ids
        self.vector = dict(zip(self.ids, embedding.vectors.astype(float), strict=True))
        self.known = {a for a, known in zip(self.ids, embedding.covered, strict=True) if known}
        self.pattern = {a: sets[p] for a, p in zip(self.ids, of.tolist(), strict=True)}
        self.listeners = dict(zip(self.ids, after.listeners.tolist(), strict=True))
        self.c = {
            (p, q): float(version.scoring.c[i, j])
            for i, p in enumerate(version.patterns_of_modalities)
            for j, q in enumerate(version.patterns_of_modalities)
        }
        own = dict(zip(version.artist_ids, range(version.n_artists), strict=True))
        self.h = {}
        for a in self.known:
            if a in own and a not in standing:
                self.h[a] = float(version.scoring.h[own[a]])
            else:
                self.h[a] = self._h(version, a)

    def _h(self, version: Version, artist: ArtistId) -> float:
        settings, patterns = version.scoring.settings, version.patterns_of_modalities
        scores, less, equal, others = [], 0, 1, 1
        for row, other in enumerate(version.artist_ids):
            if other == artist:
                continue
            others += 1
            less += int(version.listeners[row] < self.listeners[artist])
            equal += int(version.listeners[row] == self.listeners[artist])
            if version.known[row]:
                cosine = float(version.embeddings[row].astype(float) @ self.vector[artist])
                scores.append(cosine + self.c.get((patterns[version.patterns[row]], self.pattern[artist]), 0.0))
        mean = float(np.mean(sorted(scores)[-settings.neighbours :]))
        return settings.hubness * mean - settings.popularity * (2 * (less + equal / 2) / others - 1)

    def scores(self, artist: ArtistId) -> dict[ArtistId, float]:
        """Of everybody else, as an answer to one."""
        return {
            other: float(self.vector[artist] @ self.vector[other])
            - self.h[other]
            + self.c.get((self.pattern[artist], self.pattern[other]), 0.0)
            for other in self.known
            if other != artist
        }


def agrees(live: Live, world: World, naive: Naive, k: int = 200) -> None:
    """Every list is the best of all who are there, by the naive scores."""
    searcher = world.searcher.under(live)
    assert sorted(searcher.artist_ids.to_pylist()) == naive.ids
    assert searcher.n_artists == len(naive.ids)
    for artist in naive.ids:
        row = searcher.row_of_id(artist)
        assert row is not None
        assert searcher.is_known(row) == (artist in naive.known)
        assert searcher.artist(row).modalities == naive.pattern[artist]
        assert searcher.artist(row).listeners == naive.listeners[artist]
        if artist not in naive.known:
            continue
        np.testing.assert_allclose(searcher.vector(row), naive.vector[artist], atol=1e-6)
        found, wanted = searcher.similar(row, k), naive.scores(artist)
        ids = searcher.ids_of(found.rows)
        assert len(set(ids)) == len(ids) == min(k, len(wanted))
        np.testing.assert_allclose(found.scores, [wanted[other] for other in ids], atol=2e-5)
        np.testing.assert_allclose(found.scores, sorted(wanted.values(), reverse=True)[:k], atol=2e-5)


def test_lists_are_those_of_a_search_among_all_who_are_there(world: World) -> None:
    standing = some(np.random.default_rng(0), new=25, old=20, deleted=15)
    agrees(world.changing()(standing, 60), world, Naive(world, standing))


def test_lists_that_lose_too_many_are_searched_for(world: World) -> None:
    standing = some(np.random.default_rng(1), new=3, old=10, deleted=70)
    live = world.changing()(standing, 83)
    assert any(len(world.searcher.under(live).ready(row).rows) < 200 for row in np.flatnonzero(~live.gone[:N]))
    agrees(live, world, Naive(world, standing))


def in_order(
    changing: Changing, standing: Mapping[ArtistId, Standing | None], order: Sequence[ArtistId], at_once: int
) -> Live:
    live = changing.live
    for start in range(0, len(order), at_once):
        live = changing({artist: standing[artist] for artist in order[start : start + at_once]}, start + 1)
    return live


def answers(world: World, live: Live) -> dict[ArtistId, tuple[list[ArtistId], bytes]]:
    """Every list, to the last bit of its scores."""
    searcher, found = world.searcher.under(live), {}
    for artist in sorted(searcher.artist_ids.to_pylist()):
        row = searcher.row_of_id(artist)
        assert row is not None
        if searcher.is_known(row):
            listed = searcher.similar(row, 100)
            found[artist] = (searcher.ids_of(listed.rows), listed.scores.tobytes())
    return found


@pytest.mark.parametrize("at_once", [1, 7])
def test_the_order_in_which_changes_come_tells_nothing(world: World, at_once: int) -> None:
    rng = np.random.default_rng(2)
    standing = some(rng, new=12, old=12, deleted=6)
    whole = answers(world, world.changing()(standing, 30))
    changing, order = world.changing(), sorted(standing)
    # first something else, which does not stand any more in the end
    in_order(changing, some(rng, new=12, old=9, deleted=9), [], 1)
    before = some(rng, new=12, old=9, deleted=9)
    in_order(changing, before, sorted(before), 5)
    in_order(changing, dict.fromkeys(before), sorted(before), 4)
    assert answers(world, in_order(changing, standing, rng.permutation(order).tolist(), at_once)) == whole


def test_what_was_given_before_stays_as_it_is(world: World) -> None:
    rng, changing = np.random.default_rng(3), world.changing()
    first = changing(some(rng, new=6, old=6, deleted=3), 15)
    before = answers(world, first)
    for number in range(4):
        changing(some(rng, new=6, old=6, deleted=3), 20 + number)
    assert answers(world, first) == before
    assert answers(world, changing.live) != before


def test_rows_that_are_gone_are_cleared_away(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apply, "_CLEARED_FROM", 10)
    rng, changing = np.random.default_rng(4), world.changing()
    rows = []
    for number in range(6):
        standing = some(np.random.default_rng(40 + number), new=8, old=0, deleted=0)
        rows.append(changing(standing, number).n_rows)
    assert rows == [N + 8, N + 16, N + 8, N + 16, N + 8, N + 16]
    standing = some(rng, new=8, old=0, deleted=0)
    live = changing(standing, 7)
    assert live.n_rows == N + 8
    searcher = world.searcher.under(live)
    assert [searcher.artist(row).id for row in range(N, N + 8)] == sorted(standing)
    for artist, stands in standing.items():
        row = searcher.row_of_id(artist)
        assert row is not None
        assert row in searcher.named(stands.said["name"])
    monkeypatch.undo()
    agrees(live, world, Naive(world, standing))


def test_dropped_changes_leave_the_version_as_it_was(world: World) -> None:
    changing, standing = world.changing(), some(np.random.default_rng(5), new=4, old=4, deleted=4)
    assert changing(standing, 12)
    dropped = changing(dict.fromkeys(standing), 13)
    assert not dropped.row_of_id
    assert not dropped.gone[:N].any()
    for row in range(N - 1):
        found = world.searcher.under(dropped).similar(row, 200)
        np.testing.assert_array_equal(found.rows, world.version.neighbours[row, :200])
        np.testing.assert_array_equal(found.scores, world.version.scores[row, :200])


def test_what_was_folded_in_and_does_not_stand_any_more_is_as_the_tables_say(world: World) -> None:
    rng = np.random.default_rng(6)
    folded = some(rng, new=9, old=12, deleted=9)
    later = world.after(folded)
    assert later.version.n_artists == N
    now: dict[ArtistId, Standing | None] = dict.fromkeys(folded)
    for number, artist in enumerate(sorted(folded)):
        if number % 3 == 0:  # less is said of it than was
            now[artist] = Standing(artist, False, {"name": "Less"})
        elif number % 3 == 1:
            now[artist] = changed(rng, artist)
    live = later.changing()(now, 40)
    stands = {artist: each for artist, each in now.items() if each is not None}
    # of whom nothing stands and whom the tables have, all is as in the tables, and yet not as in the version
    naive = Naive(later, stands | {a: Standing(a, False, {}) for a in folded if now[a] is None and a.startswith("a")})
    agrees(live, later, naive)


def test_who_is_merged_is_gone_and_leads_to_the_other(world: World) -> None:
    mbid = "A74B1B7F-71a5-4011-9441-d0b5e4122711"
    standing = {
        "a001": Standing("a001", True, {}, "a002", mbid),
        "a002": Standing("a002", True, {}, "n1"),
        "n1": Standing("n1", False, {"name": "New"}),
        "old": Standing("old", True, {}, "a003"),
        "lost": Standing("lost", True, {}, "a004"),
        "a004": Standing("a004", True, {}),
    }
    changing = world.changing()
    searcher = world.searcher.under(changing(standing, 6))
    assert [searcher.row_of_id(artist) for artist in ("a001", "a002", "a004", "old")] == [None] * 4
    moved = [searcher.moved_to(key) for key in ("a001", mbid, mbid.lower(), "a002", "old", "lost", "a004", "a003", "x")]
    assert moved == ["n1", "n1", "n1", "n1", "a003", None, None, None, None]
    back = world.searcher.under(changing({"a001": Standing("a001", False, {"name": "Back"}), "old": None}, 7))
    assert [back.moved_to(key) for key in ("a001", mbid, "old", "a002")] == [None, None, None, "n1"]
    assert back.row_of_id("a001") is not None


def test_one_whose_name_nobody_says_is_nowhere(world: World) -> None:
    live = world.changing()({"n1": Standing("n1", False, {"tags": {"ska": 1.0}})}, 1)
    searcher = world.searcher.under(live)
    assert searcher.row_of("n1") is None
    assert searcher.n_artists == N


def test_where_nothing_encodes_an_artist_keeps_what_the_version_has(world: World) -> None:
    tags = {"tags": {"noise": 1.0}, "mbid": "m"}
    standing = {
        "a000": Standing("a000", False, tags),
        "n1": Standing("n1", False, {"name": "New", **tags}),
        "a003": Standing("a003", True, {}),
    }
    searcher = world.searcher.under(world.changing(encodes=False)(standing, 3))
    row, new = searcher.row_of_id("a000"), searcher.row_of_id("n1")
    assert row is not None
    assert new is not None
    np.testing.assert_array_equal(searcher.vector(row), world.version.embeddings[0])
    artist = searcher.artist(row)
    assert (artist.name, artist.mbid, artist.listeners) == ("Artist 0", "m", world.version.listeners[0])
    assert not searcher.is_known(new)
    assert searcher.artist(new).modalities == ()
    assert searcher.row_of_id("a003") is None
    assert searcher.rows_of("M") == [row, new]


def test_a_patch_is_merged_key_by_key_into_what_the_tables_say(world: World) -> None:
    plays = world.snapshot.raw_terms["plays"].of(0)
    tags = world.snapshot.raw_terms["tags"].of(0)
    gone, kept = sorted(plays)[0], sorted(tags)[0]
    patch = {"plays": {"somebody": 3.0, gone: None}, "tags": {f" {kept.upper()}": 99.0, "noise": 2.0}}
    standing = {"a000": Standing("a000", False, patch)}
    live = world.changing()(standing, 1)
    searcher = world.searcher.under(live)
    row = searcher.row_of_id("a000")
    assert row is not None
    artist = searcher.artist(row)
    assert (artist.listeners, artist.plays) == (len(plays), sum(plays.values()) - plays[gone] + 3.0)
    places, weights = live.artist(row).sets["tags"]
    words = [world.version.terms("tags")[place].as_py() for place in places.tolist()]
    assert dict(zip(words, weights.tolist(), strict=True)) == {**tags, kept: 99.0, "noise": 2.0}
    agrees(live, world, Naive(world, standing), k=20)


def test_where_the_tables_terms_are_not_kept_a_patch_waits_and_the_vector_stays(
    world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    old = copy(world)
    old.snapshot = without_raw_terms(world.snapshot, tmp_path / "old")
    standing = {
        "a000": Standing("a000", False, {"name": "Patched", "tags": {"noise": 9.0}, "plays": {"somebody": 3.0}}),
        "a001": Standing("a001", False, {"tags": {"bop": 9.0}}, whole=frozenset({"tags"})),
        "n1": Standing("n1", False, {"name": "New", "tags": {"ska": 1.0}}),
    }
    live = old.changing()(standing, 3)
    searcher = world.searcher.under(live)
    rows = {artist: searcher.row_of_id(artist) for artist in standing}
    assert None not in rows.values()
    artist = searcher.artist(rows["a000"])  # type: ignore[arg-type]
    assert (artist.name, artist.listeners) == ("Patched", world.version.listeners[0])
    np.testing.assert_allclose(searcher.vector(rows["a000"]), world.version.embeddings[0], atol=1e-6)  # type: ignore[arg-type]
    assert [each for each in caplog.messages if each.startswith("change_waits")] == [
        "change_waits artist=a000 field=tags: shown after the next re-index",
        "change_waits artist=a000 field=plays: shown after the next re-index",
    ]
    # what replaces, and who is new, does not wait
    full = world.searcher.under(world.changing()(standing, 3))
    for each in ("a001", "n1"):
        np.testing.assert_array_equal(searcher.vector(rows[each]), full.vector(full.row_of_id(each)))  # type: ignore[arg-type]


def without_raw_terms(snapshot: Snapshot, folder: Path) -> Snapshot:
    """The snapshot as a release made it that kept none."""
    shutil.copytree(snapshot.folder, folder)
    shutil.rmtree(folder / "raw")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"] = {name: entry for name, entry in manifest["files"].items() if not name.startswith("raw/")}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return Snapshot.open(folder)
