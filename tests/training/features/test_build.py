from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from riyl.core.catalog.tables import Tables
from riyl.core.changes.effective import EffectiveChanges, write_effective
from riyl.core.changes.fold import fold
from riyl.core.errors import InputError, MismatchError
from riyl.core.storage.ground_truth import find_truth
from riyl.core.storage.snapshot import Snapshot
from riyl.training.features.build import build_snapshot, import_similar
from riyl.training.features.recipe import Recipe, TagRecipe
from tests.conftest import SMALL_RECIPE, small_world, write_tables
from tests.training.features.others import world_of_strangers

ARTISTS = {"artist_id": ["a", "b", "c"], "name": ["A", "B", "C"]}


def test_artists_stand_by_id_and_lack_what_the_tables_lack(snapshot: Snapshot) -> None:
    assert snapshot.artist_ids == [f"a{i:03d}" for i in range(60)]
    assert snapshot.modalities["tags"].rows.tolist() == [i for i in range(59) if i % 5 != 4]
    assert snapshot.modalities["cf"].rows.tolist() == [i for i in range(59) if i % 7 != 6]
    assert snapshot.modalities["audio"].rows.tolist() == list(range(59))
    assert np.flatnonzero(~snapshot.having()).tolist() == [59]
    full = [i for i in range(59) if i % 5 != 4 and i % 7 != 6]
    assert np.flatnonzero(snapshot.having(["audio", "cf", "tags"])).tolist() == full


def test_evidence_and_popularity_count_what_the_tables_hold(snapshot: Snapshot, world: Path) -> None:
    assert set(snapshot.modalities["tags"].evidence.tolist()) == {3}
    assert set(snapshot.modalities["cf"].evidence.tolist()) == {5}
    assert set(snapshot.modalities["audio"].evidence.tolist()) == {2}
    plays = pq.read_table(world / "plays.parquet").to_pylist()
    assert snapshot.listeners[:8].tolist() == [5, 5, 5, 5, 5, 5, 0, 5]
    assert snapshot.plays[0] == sum(row["count"] for row in plays if row["artist_id"] == "a000")


def test_the_same_tables_and_recipe_give_the_same_id_and_bytes(world: Path, tmp_path: Path) -> None:
    first = build_snapshot(Tables.open(world), SMALL_RECIPE, tmp_path / "one")
    second = build_snapshot(Tables.open(world), SMALL_RECIPE, tmp_path / "two")
    assert first.manifest == second.manifest
    assert build_snapshot(Tables.open(world), SMALL_RECIPE, tmp_path / "one").folder == first.folder
    other = build_snapshot(Tables.open(world), Recipe(tags=TagRecipe(dims=5), cf=SMALL_RECIPE.cf), tmp_path / "one")
    assert other.id != first.id


def test_a_kept_basis_places_new_artists_and_leaves_the_old_where_they_were(
    snapshot: Snapshot, world: Path, tmp_path: Path
) -> None:
    grown = tmp_path / "grown"
    small_world(grown)  # the same world ...
    for name, extra in {  # ... and one more artist, with the tags and plays of artist 0
        "artists": {"artist_id": ["zz"], "name": ["New"]},
        "tags": _rows_of(world, "tags", "a000", "zz"),
        "plays": _rows_of(world, "plays", "a000", "zz"),
    }.items():
        table = pq.read_table(grown / f"{name}.parquet").to_pydict()
        write_tables(grown, **{name: {c: [*table[c], *extra[c]] for c in table}})
    placed = build_snapshot(Tables.open(grown), SMALL_RECIPE, tmp_path / "snapshots", keep=snapshot)
    assert placed.featurizer_id == snapshot.featurizer_id
    assert placed.id != snapshot.id
    for name in ("tags", "cf", "audio"):
        before, after = snapshot.modalities[name], placed.modalities[name]
        np.testing.assert_array_equal(after.vectors[: len(before.vectors)], before.vectors)
        for block, numbers in before.blocks.items():
            np.testing.assert_allclose(after.blocks[block][: len(numbers)], numbers, atol=1e-6)
            np.testing.assert_allclose(after.blocks[block][-1], numbers[0], atol=1e-5)
    for name in ("tags", "cf"):
        after = placed.modalities[name]
        assert after.rows[-1] == 60
        np.testing.assert_allclose(after.vectors[-1], after.vectors[0], rtol=1e-6)


def _rows_of(world: Path, table: str, artist: str, new: str) -> dict[str, list[object]]:
    columns = pq.read_table(world / f"{table}.parquet").to_pydict()
    positions = [i for i, artist_id in enumerate(columns["artist_id"]) if artist_id == artist]
    return {c: [new if c == "artist_id" else values[i] for i in positions] for c, values in columns.items()}


def test_tables_may_lack_modalities_of_the_kept_basis(snapshot: Snapshot, tmp_path: Path) -> None:
    folder = small_world(tmp_path / "t")
    (folder / "audio.parquet").unlink()
    (folder / "plays.parquet").unlink()
    placed = build_snapshot(Tables.open(folder), Recipe(), tmp_path / "s", keep=snapshot)
    assert placed.featurizer_id == snapshot.featurizer_id
    assert list(placed.modalities) == list(placed.manifest["modalities"]) == ["tags"]
    np.testing.assert_array_equal(placed.modalities["tags"].vectors, snapshot.modalities["tags"].vectors)


def test_listeners_that_the_kept_basis_does_not_know_leave_cf_to_nobody(
    snapshot: Snapshot, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tables = Tables.open(world_of_strangers(tmp_path / "t"))
    placed = build_snapshot(tables, Recipe(), tmp_path / "s", keep=snapshot)
    assert placed.manifest["modalities"] == {"cf": 0, "tags": len(snapshot.modalities["tags"].rows)}
    assert placed.modalities["cf"].vectors.shape == (0, 5)
    assert placed.modalities["cf"].blocks["listeners"].shape == (0, 36)
    assert placed.modalities_had == ["tags"]
    assert f"nothing_usable modality=cf rows={tables.count_rows('plays')}" in caplog.text
    assert placed.listeners.tolist() == snapshot.listeners.tolist()  # popularity needs no featurizer
    np.testing.assert_array_equal(placed.modalities["tags"].vectors, snapshot.modalities["tags"].vectors)


def test_tags_that_the_kept_basis_does_not_know_leave_tags_to_nobody(snapshot: Snapshot, tmp_path: Path) -> None:
    folder = small_world(tmp_path / "t")
    write_tables(folder, tags={"artist_id": ["a000", "a001"], "tag": ["odd", "odd"], "weight": [1.0, 2.0]})
    tags = build_snapshot(Tables.open(folder), Recipe(), tmp_path / "s", keep=snapshot).modalities["tags"]
    assert tags.vectors.shape == (0, 6)
    assert tags.sets is not None
    assert tags.sets.indptr.tolist() == [0]


def test_tables_of_which_the_kept_basis_knows_nothing_are_refused(
    snapshot: Snapshot, tables_folder: Callable[..., Path], tmp_path: Path
) -> None:
    folder = tables_folder(
        artists=ARTISTS,
        plays={"user_id": ["x"], "artist_id": ["a"], "count": [1]},
        tags={"artist_id": ["a"], "tag": ["odd"], "weight": [1.0]},
    )
    with pytest.raises(InputError, match="found nothing in cf, tags that the kept featurizer can use"):
        build_snapshot(Tables.open(folder), Recipe(), tmp_path / "s", keep=snapshot)
    assert not list((tmp_path / "s").glob("*"))


def test_a_modality_that_the_kept_basis_lacks_is_passed_over_only_where_it_is_asked(
    snapshot: Snapshot, tmp_path: Path
) -> None:
    folder = small_world(tmp_path / "t")
    write_tables(folder, bio={"artist_id": ["a000"], "vector": [[1.0]]})
    tables, snapshots = Tables.open(folder), tmp_path / "s"
    refused = (
        "the kept featurizer has audio, cf, tags; the tables also have bio: fit a new featurizer .*--pass-over bio"
    )
    with pytest.raises(MismatchError, match=refused):
        build_snapshot(tables, Recipe(), snapshots, keep=snapshot)
    placed = build_snapshot(tables, Recipe(), snapshots, keep=snapshot, pass_over=["bio"])
    assert list(placed.modalities) == ["audio", "cf", "tags"]
    assert "bio.parquet" in placed.manifest["tables"]
    with pytest.raises(MismatchError, match=refused):  # the same tables another night, when nobody asks for it
        build_snapshot(tables, Recipe(), snapshots, keep=snapshot)
    for wrong in (["tags"], ["smell", "bio"]):
        with pytest.raises(InputError, match=f"pass over: found {wrong[0]}; wanted modalities .* lacks: bio"):
            build_snapshot(tables, Recipe(), snapshots, keep=snapshot, pass_over=wrong)
    with pytest.raises(InputError, match="pass over bio: found no kept featurizer"):
        build_snapshot(tables, Recipe(), snapshots, pass_over=["bio"])


def test_a_required_modality_that_nobody_has_is_refused(snapshot: Snapshot, tmp_path: Path) -> None:
    tables, snapshots = Tables.open(world_of_strangers(tmp_path / "t")), tmp_path / "s"
    required = ["audio", "cf", "tags"]
    refused = "no artist has audio, cf that .* can use; wanted at least one artist with each of audio, cf, tags"
    with pytest.raises(MismatchError, match=refused):
        build_snapshot(tables, Recipe(), snapshots, keep=snapshot, required=required)
    assert not list(snapshots.glob("*"))
    build_snapshot(tables, Recipe(), snapshots, keep=snapshot, required=["tags"])
    with pytest.raises(MismatchError, match=refused):
        build_snapshot(tables, Recipe(), snapshots, keep=snapshot, required=required)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"audio": {"artist_id": ["a"], "vector": [[1.0]]}}, "audio: found vectors of 1 numbers .* has 8"),
        (
            {"tags": {"artist_id": ["a"], "vector": [[1.0]]}},
            "tags: found vectors in the tables; the kept .* has none",
        ),
        (
            {"cf": {"artist_id": ["a"], "vector": [[1.0]]}},
            "cf: found vectors in the tables; the kept .* has none",
        ),
    ],
)
def test_a_modality_of_another_kind_than_in_the_kept_basis_is_refused(
    table: dict[str, dict[str, list[object]]],
    message: str,
    snapshot: Snapshot,
    tables_folder: Callable[..., Path],
    tmp_path: Path,
) -> None:
    with pytest.raises(MismatchError, match=message):
        build_snapshot(Tables.open(tables_folder(artists=ARTISTS, **table)), Recipe(), tmp_path / "s", keep=snapshot)


def test_a_further_modality_needs_no_code(tables_folder: Callable[..., Path], tmp_path: Path) -> None:
    folder = tables_folder(artists=ARTISTS, bio={"artist_id": ["c", "a"], "vector": [[1.0, 2.0], [3.0, 4.0]]})
    snapshot = build_snapshot(Tables.open(folder), Recipe(), tmp_path / "s")
    assert list(snapshot.modalities) == ["bio"]
    assert snapshot.modalities["bio"].rows.tolist() == [0, 2]
    assert snapshot.modalities["bio"].vectors.tolist() == [[3.0, 4.0], [1.0, 2.0]]


def test_tags_may_come_as_vectors(tables_folder: Callable[..., Path], tmp_path: Path) -> None:
    folder = tables_folder(artists=ARTISTS, tags={"artist_id": ["b", "a"], "vector": [[1.0, 2.0], [3.0, 4.0]]})
    tags = build_snapshot(Tables.open(folder), Recipe(), tmp_path / "s").modalities["tags"]
    assert tags.sets is None
    assert tags.vectors.tolist() == [[3.0, 4.0], [1.0, 2.0]]


def test_a_zero_vector_is_no_knowledge(tables_folder: Callable[..., Path], tmp_path: Path) -> None:
    folder = tables_folder(artists=ARTISTS, audio={"artist_id": ["a", "b"], "vector": [[0.0, 0.0], [3.0, 4.0]]})
    assert build_snapshot(Tables.open(folder), Recipe(), tmp_path / "s").modalities["audio"].rows.tolist() == [1]


def test_a_modality_that_nobody_has_is_refused(tables_folder: Callable[..., Path], tmp_path: Path) -> None:
    folder = tables_folder(artists=ARTISTS, audio={"artist_id": ["x"], "vector": [[1.0]]})
    with pytest.raises(InputError, match="audio.parquet: found no usable row of any artist"):
        build_snapshot(Tables.open(folder), Recipe(), tmp_path / "s")
    assert not list((tmp_path / "s").glob("*"))


def test_a_catalog_of_names_alone_is_refused(tables_folder: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found no tags, plays, audio or other modality"):
        build_snapshot(Tables.open(tables_folder(artists=ARTISTS)), Recipe(), tmp_path / "s")


def test_popularity_comes_from_attributes_where_there_are_no_plays(
    tables_folder: Callable[..., Path], tmp_path: Path
) -> None:
    artists = {**ARTISTS, "listeners": [3, None, 1], "plays": [30.0, 4.0, None]}
    folder = tables_folder(artists=artists, audio={"artist_id": ["a", "b"], "vector": [[1.0], [2.0]]})
    snapshot = build_snapshot(Tables.open(folder), Recipe(), tmp_path / "s")
    assert snapshot.listeners.tolist() == [3, 0, 1]
    assert snapshot.plays.tolist() == [30.0, 4.0, 0.0]


def test_the_catalogs_own_links_become_a_truth(world: Path, tmp_path: Path) -> None:
    import_similar(Tables.open(world), tmp_path / "truths")
    truth = find_truth(tmp_path / "truths", "similar")
    assert truth.pairs.num_rows == pq.read_metadata(world / "similar.parquet").num_rows
    assert not truth.directed


def test_real_catalog_has_the_artists_of_its_conditions(real_data: Path, tmp_path: Path) -> None:
    source = real_data / "olga-artists"
    snapshot = build_snapshot(Tables.open(source), Recipe(), tmp_path / "s")
    ids = np.array(snapshot.artist_ids)
    assert set(ids[snapshot.having()]) == set((source / "raw.txt").read_text().split())
    assert set(ids[snapshot.having(["audio", "cf", "tags"])]) == set((source / "fmc.txt").read_text().split())


def test_what_the_tables_say_of_changed_artists_is_kept_and_sealed(world: Path, tmp_path: Path) -> None:
    standing = [
        EffectiveChanges("a001", True, {}),
        EffectiveChanges("a002", False, {"tags": {"ska": 1.0}}),
        EffectiveChanges("n", True, {}, "a0"),
    ]
    identity = write_effective(tmp_path, standing)
    tables = Tables.open(world)
    changed = build_snapshot(fold(tables, tmp_path / f"{identity}.ndjson", 3), SMALL_RECIPE, tmp_path / "snapshots")
    opened = Snapshot.open(changed.folder, verify=True)
    assert opened.base_rows is not None
    assert opened.base_rows.ids == {"a001", "a002", "n"}
    for artist in ("a001", "a002"):
        base_row = opened.base_rows.of(artist)
        assert base_row is not None
        assert base_row["name"] == f"Artist {int(artist[1:])}"
        rows = _rows_of(world, "tags", artist, artist)
        assert base_row["tags"] == dict(zip(rows["tag"], rows["weight"], strict=True))
        assert base_row["vectors"]["audio"].shape == (2, 8)
    assert opened.base_rows.of("n") is None
    files = {name for name in opened.manifest["files"] if name.startswith("base_rows/")}
    assert files == {f"base_rows/{name}.arrow" for name in ("artist-ids", "artists", "audio", "plays", "tags")}
    assert build_snapshot(tables, SMALL_RECIPE, tmp_path / "snapshots").base_rows is None


def test_the_raw_terms_of_every_artist_are_kept_whether_or_not_the_featurizer_knows_them(tmp_path: Path) -> None:
    tables = Tables.open(
        write_tables(
            tmp_path / "tables",
            artists={**ARTISTS},
            tags={
                "artist_id": ["b", "a", "a", "c", "a", "x"],
                "tag": ["ska", "Ska", "ska ", "ska", "hapax", "ska"],
                "weight": [1.0, 2.0, 0.5, 1.0, 4.0, 9.0],
            },
            plays={"user_id": ["u", "v", "v", "u"], "artist_id": ["a", "a", "a", "c"], "count": [1, 2, 3, 4]},
            audio={"artist_id": ["a", "b"], "vector": [[1.0, 0.0], [0.0, 1.0]]},
        )
    )
    recipe = Recipe(tags=TagRecipe(dims=2, min_artists=1), cf=SMALL_RECIPE.cf)
    snapshot = Snapshot.open(build_snapshot(tables, recipe, tmp_path / "s").folder, verify=True)
    assert set(snapshot.raw_terms) == {"tags", "plays"}
    assert [snapshot.raw_terms["tags"].of(row) for row in range(3)] == [
        {"ska": 2.5, "hapax": 4.0},
        {"ska": 1.0},
        {"ska": 1.0},
    ]
    assert [snapshot.raw_terms["plays"].of(row) for row in range(3)] == [{"u": 1.0, "v": 5.0}, {}, {"u": 4.0}]
