"""A model that takes the artist's name: snapshots, versions, live changes, evaluation, and hostile names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from riyl.core.changes.effective import ChangeKind, after
from riyl.core.errors import FormatError, MismatchError, NothingKnownError
from riyl.core.storage.model import Model
from riyl.core.storage.part import NAME, NGRAMS, NamePart, Part, read_ngrams
from riyl.core.storage.sealed_files import SealedFile
from riyl.core.types import Matrix
from riyl.evaluation.catalog_systems import joined_parts, joined_system
from riyl.evaluation.catalogs import ArtistJoin, JoinedCatalog
from riyl.evaluation.groups import deal_groups, grouped_system
from riyl.evaluation.systems import fuse, model_parts, model_system, subset_system, version_parts
from riyl.index.build.build import build_version
from riyl.index.encoding.cold_start import ColdEncoder
from riyl.index.encoding.embed import embed, parts_of
from riyl.index.encoding.name_part import NameEncoder, limit_names, name_parts
from riyl.index.overlay.artist_parts import parts_of_artist
from riyl.index.overlay.artists import LiveArtist
from riyl.index.overlay.encode import LiveArtistEncoder
from riyl.index.overlay.overlay import VersionOverlay
from riyl.index.search.explain import explain
from riyl.index.search.query import QueryVector, build_query
from riyl.index.search.searcher import Searcher
from riyl.training.cca.blocks import z_of
from riyl.training.cca.fit import fit_cca
from riyl.training.train import train
from tests.conftest import small_world
from tests.index.conftest import CORRECTED
from tests.index.overlay.world import World
from tests.training.features.test_name import rename, scene_names

N = 320
NAMED = CORRECTED.model_copy(update={"name": True})
LAST = f"a{N - 1:03d}"
"""The artist that has nothing but a name."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Build a catalog whose names tell the scene, and a model and a version that take the name."""
    folder = tmp_path_factory.mktemp("named-world")
    tables = rename(small_world(folder / "tables", n=N), scene_names(N))
    world = World(folder, "corrected", tables=tables)
    world.model = train("named", NAMED, world.snapshot, folder / "models")
    world.version = build_version(world.model, world.snapshot, folder / "versions")
    world.searcher = Searcher(world.version)
    return world


def sums_of(world: World) -> Matrix:
    """Add up the parts of the modalities, (N, d) float64."""
    sums = np.zeros((N, world.model.dim))
    for modality in ("audio", "cf", "tags"):
        sums[world.snapshot.modalities[modality].rows] += parts_of(world.model, world.snapshot, modality)
    return sums


def limited(parts: np.ndarray, sums: np.ndarray) -> np.ndarray:
    """Shorten each row to half the length of the sum, one by one."""
    rows = [
        p * min(1, 0.5 * np.linalg.norm(s) / max(float(np.linalg.norm(p)), 1e-30))
        for p, s in zip(parts, sums, strict=True)
    ]
    return np.array(rows)


def unit(vectors: np.ndarray) -> Matrix:
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.where(norms > 0, norms, 1))


def live(world: World, artist: str, kind: ChangeKind, fields: dict[str, object]) -> LiveArtist:
    encode = LiveArtistEncoder(world.version, ColdEncoder.open(world.model, world.snapshot))
    ids = world.version.artist_ids
    (live_artist,) = encode([after(None, artist, kind, fields)], [ids.index(artist) if artist in ids else -1])
    assert live_artist is not None
    return live_artist


def test_the_part_of_a_name_is_its_row_times_the_map(world: World) -> None:
    parts, views = fit_cca(NAMED, world.snapshot, 0)
    view = views[NAME]
    expected = z_of(parts[NAME].blocks, view.reader.read(view.modality, 0, N - 1)) @ parts[NAME].weights
    names = scene_names(N)
    encode = NameEncoder(world.model)
    np.testing.assert_allclose(encode(names[:-1]), expected, atol=1e-5)
    some = encode([names[2], "日本", names[0], names[2]])
    np.testing.assert_allclose(some, [expected[2], np.zeros(some.shape[1]), expected[0], expected[2]], atol=1e-5)
    rows = np.array([5, 3], np.int32)
    np.testing.assert_allclose(name_parts(world.model, world.snapshot, rows), expected[rows], atol=1e-5)


def test_an_embedding_is_the_sum_of_the_modalities_and_the_name(world: World) -> None:
    sums = sums_of(world)
    expected = unit(sums + limited(NameEncoder(world.model)(scene_names(N)), sums))
    embedding = embed(world.model, world.snapshot)
    np.testing.assert_allclose(embedding.vectors, expected, atol=1e-5)
    assert np.flatnonzero(~embedding.covered).tolist() == [N - 1]
    masked = embed(world.model, world.snapshot, only=["audio", "cf", "tags"])
    np.testing.assert_allclose(masked.vectors, unit(sums), atol=1e-5)
    assert np.abs(masked.vectors - embedding.vectors).max() > 0.05


def test_a_version_has_the_part_and_no_such_modality(world: World) -> None:
    version = world.version
    np.testing.assert_array_equal(version.embeddings, embed(world.model, world.snapshot).vectors)
    assert list(version.parts) == ["audio", "cf", "tags", NAME]
    assert version.modalities == ["audio", "cf", "tags"]
    assert all(NAME not in pattern for pattern in version.patterns_of_modalities)
    total = np.zeros(version.embeddings.shape)
    for parts in version.parts.values():
        total[parts.rows] += parts.vectors
    np.testing.assert_allclose(total, version.embeddings, atol=1e-6)
    assert N - 1 not in version.parts[NAME].rows


def test_calibration_is_that_of_the_modalities_alone(world: World) -> None:
    """Rename every artist: hubness and embeddings change, calibration does not."""
    other = world.after(
        {f"a{i:03d}": after(None, f"a{i:03d}", ChangeKind.PATCH, {"name": "Los Lobos"}) for i in range(N)}
    )
    assert np.abs(other.version.embeddings - world.version.embeddings).max() > 0.05
    np.testing.assert_array_equal(other.version.scoring.c, world.version.scoring.c)
    assert np.any(world.version.scoring.c)


@pytest.mark.parametrize(
    ("artist", "kind", "fields"),
    [
        ("new", ChangeKind.PUT, {"name": "Doom Grave", "tags": {"doom": 3.0, "noise": 1.0}}),
        ("a001", ChangeKind.PATCH, {"name": "Rey Fuego"}),
        ("a004", ChangeKind.PUT, {"name": "Duke Ellis", "plays": {"u001": 4, "u105": 2.0}}),
        ("a007", ChangeKind.PATCH, {"tags": {"bop": 2.0}}),
        (LAST, ChangeKind.PATCH, {"vectors": {"audio": [[0.5] * 8]}}),
    ],
)
def test_a_live_artist_is_that_of_a_reindex(
    artist: str, kind: ChangeKind, fields: dict[str, object], world: World
) -> None:
    changed = live(world, artist, kind, fields)
    reindexed = world.after({artist: after(None, artist, kind, fields)})
    row = reindexed.version.artist_ids.index(artist)
    np.testing.assert_allclose(changed.vector, reindexed.version.embeddings[row], atol=1e-5)
    assert list(changed.parts)[-1] == NAME
    assert NAME not in changed.modalities
    assert NAME not in changed.evidence
    for name, part in changed.parts.items():
        np.testing.assert_allclose(part, reindexed.version.parts[name].of(row), atol=1e-5)
    np.testing.assert_allclose(sum(changed.parts.values()), changed.vector, atol=1e-6)


def test_an_artist_with_only_a_name_has_no_embedding(world: World) -> None:
    for artist in (LAST, "stranger"):
        changed = live(world, artist, ChangeKind.PUT, {"name": "Black Throne"})
        assert not changed.has_embedding
        assert changed.parts == {}
    with pytest.raises(NothingKnownError):
        world.searcher.similar(N - 1, 10)


def test_a_part_that_is_zero_leaves_the_name_alone(world: World) -> None:
    encoder = ColdEncoder.open(world.model, world.snapshot)
    with pytest.raises(NothingKnownError, match="the parts of tags cancel each other out"):
        encoder.embedding({"tags": np.zeros(world.model.dim, np.float32)}, "Black Throne")


def test_a_rename_moves_the_artist_and_a_renaming_back_undoes_it(world: World) -> None:
    before = world.version.embeddings[1]
    moved = live(world, "a001", ChangeKind.PATCH, {"name": "Trio Ellis"})
    assert np.linalg.norm(moved.vector - before) > 0.05
    back = live(world, "a001", ChangeKind.PATCH, {"name": scene_names(2)[1]})
    np.testing.assert_allclose(back.vector, before, atol=1e-6)


def test_what_a_hostile_name_gains_is_bounded(world: World) -> None:
    """Rename artists of other scenes to the most heard artist: each gains, and no more than the naive bound.

    The part of a name has at most half the length of the other parts, so it turns an embedding by 30 degrees at most:
    the angle to any artist falls by no more than 30 degrees from that without a name.
    """
    target = int(world.version.by_popularity[0])
    famous, vector = scene_names(N)[target], world.version.embeddings[target].astype(float)
    cosines, plain = world.version.embeddings @ vector, unit(sums_of(world)) @ vector
    gains = []
    for row in [row for row in range(N - 1) if row % 3 != target % 3][:40]:
        changed = live(world, f"a{row:03d}", ChangeKind.PATCH, {"name": famous})
        bound = np.cos(max(0, np.arccos(plain[row]) - np.pi / 6))
        assert changed.vector @ vector <= bound + 1e-5
        gains.append(changed.vector @ vector - cosines[row])
    assert min(gains) > 0
    assert max(gains) < 1  # 2 sin 30 degrees, the chord of 60 degrees from one name to another


def test_a_long_name_part_is_half_as_long_as_the_others() -> None:
    parts, sums = np.array([[0, 9], [0, 1], [0, 9], [0, 0]], np.float32), np.array([[4, 0], [4, 0], [0, 0], [4, 0]])
    assert limit_names(parts, sums.astype(np.float32)).tolist() == [[0, 2], [0, 1], [0, 0], [0, 0]]


@pytest.mark.parametrize(
    "name",
    ["字", "\x00\x07\x1b[2J", "\u202eevil\u202c", "الفنان", "\ud7ff\uffff", "x" * 1000, "a" * 1_000_000, "  ", "'"],
)
def test_a_strange_name_is_one_more_part_or_none(name: str, world: World) -> None:
    changed = live(world, "a001", ChangeKind.PATCH, {"name": name})
    part = NameEncoder(world.model)([name])[0]
    total = sums_of(world)[1]
    np.testing.assert_allclose(changed.vector, unit(total + limited([part], [total])[0]), atol=1e-5)
    assert (NAME in changed.parts) == bool(part.any())


def test_subsets_and_groups_mask_the_name_and_the_whole_system_uses_it(world: World) -> None:
    everyone = ("audio", "cf", "tags")
    parts = model_parts(world.model, world.snapshot)
    assert tuple(parts) == everyone == tuple(version_parts(world.version))
    whole, masked = embed(world.model, world.snapshot), embed(world.model, world.snapshot, only=everyone)
    np.testing.assert_allclose(
        model_system("m", world.model, world.snapshot, parts, raw=True).queries, whole.vectors, atol=1e-6
    )
    np.testing.assert_allclose(subset_system("m", parts, everyone).queries, masked.vectors, atol=1e-6)
    full = np.flatnonzero(world.snapshot.having(list(everyone))).astype(np.int32)
    (groups,) = deal_groups(full, everyone, 0, 1)
    system = grouped_system("m", parts, groups)
    for g, subset in enumerate(groups.subsets):
        rows = full[groups.group == g]
        expected = embed(world.model, world.snapshot, only=subset).vectors[rows]
        np.testing.assert_allclose(system.queries[rows], expected, atol=1e-6)


def test_a_joined_catalog_has_the_names_of_its_artists(world: World) -> None:
    rows = [7, -1, 3, N - 1]
    catalog = JoinedCatalog("own", world.snapshot, ArtistJoin(np.array(rows, np.int32), "map.csv"))
    system = joined_system("m", world.model, catalog, joined_parts(world.model, catalog), raw=True)
    whole = embed(world.model, world.snapshot).vectors
    expected = [whole[row] if row >= 0 else np.zeros(world.model.dim) for row in rows]
    np.testing.assert_allclose(system.queries, expected, atol=1e-5)
    assert system.covered.tolist() == [True, False, True, False]


def test_the_name_is_added_where_another_part_is() -> None:
    parts = {"a": np.array([[8, 0], [0, 0]], np.float32), "b": np.array([[4, 0], [0, 0]], np.float32)}
    name = np.array([[0, 5], [0, 5]], np.float32)
    vectors, covered = fuse(parts, name=name)
    np.testing.assert_allclose(vectors, [[12 / 13, 5 / 13], [0, 0]], atol=1e-6)
    assert covered.tolist() == [True, False]


def test_an_explanation_has_the_share_of_the_name(world: World) -> None:
    version, overlay = world.version, VersionOverlay.of(world.version)
    calibration, parts = version.scoring.c[version.patterns[0]], parts_of_artist(overlay, 0)
    query = build_query([QueryVector(version.embeddings[0].astype(float), parts, calibration, row=0)])
    (why,) = explain(overlay, query, np.array([3]))
    pairs = {(pair.asked, pair.found): pair.share for pair in why.pairs}
    names = (version.parts[NAME].of(row) for row in (0, 3))
    assert pairs[NAME, NAME] == pytest.approx(float(np.dot(*names)), abs=1e-6)  # type: ignore[arg-type]
    assert {first for first, _ in pairs} == {*version.patterns_of_modalities[version.patterns[0]], NAME}
    assert sum(pairs.values()) == pytest.approx(float(version.embeddings[0] @ version.embeddings[3]), abs=1e-5)


def test_a_model_without_the_name_encodes_none(world: World, named_model: Model) -> None:
    assert name_parts(named_model, world.snapshot, np.arange(2, dtype=np.int32)) is None
    with pytest.raises(MismatchError, match="takes no name"):
        NameEncoder(named_model)(["x"])


def test_ngrams_that_do_not_fit_the_card_are_refused(tmp_path: Path) -> None:
    NamePart(Part("weighted", 1, 300), b"", ["abc"]).write(tmp_path)
    file = SealedFile(tmp_path, NGRAMS, (tmp_path / NGRAMS).stat().st_size)
    assert read_ngrams(file, Part("weighted", 1, 300)) == ["abc"]
    with pytest.raises(FormatError, match=r"name_ngrams.parquet: damaged, found 1 n-grams; wanted 2, as the card has"):
        read_ngrams(file, Part("weighted", 2, 300))
