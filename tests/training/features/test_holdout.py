from __future__ import annotations

import hashlib
import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from riyl.app.cli import app
from riyl.core.catalog.tables import Tables
from riyl.core.errors import ConfigError, InputError
from riyl.core.storage.snapshot import Snapshot
from riyl.training.features.build import build_snapshot
from riyl.training.features.holdout import artists_to_fit_on, holdout_artists
from riyl.training.features.recipe import CfRecipe, Recipe, TagRecipe, VectorRecipe, load_recipe
from riyl.training.features.tune import tune_cf
from tests.conftest import SMALL_RECIPE, small_world, write_tables
from tests.training.features.others import world_with_others, world_without
from tests.training.features.scenes import write_scenes

IDS = [f"a{i:03d}" for i in range(60)]
SHARE = 0.3
RECIPE = SMALL_RECIPE.model_copy(update={"holdout": SHARE})
OTHER_RECIPE = Recipe(
    tags=TagRecipe(weighting="tfidf", dims=5, min_artists=1),
    cf=CfRecipe(factors=4, counts="raw", iterations=3),
    vectors={"audio": VectorRecipe(scale="standard")},
    seed=3,
    holdout=SHARE,
)


def lowest(ids: list[str], share: float, seed: int) -> list[str]:
    """Return the artists whose hash, as a fraction of 1, is below the share."""

    def fraction(artist: str) -> float:
        return int(hashlib.blake2b(f"held out:{seed}:{artist}".encode(), digest_size=8).hexdigest(), 16) / 2**64

    return [artist for artist in ids if fraction(artist) < share]


def chosen(ids: list[str], share: float, seed: int = 0) -> list[str]:
    return list(itertools.compress(ids, holdout_artists(ids, share, seed).tolist()))


def built(folder: Path, recipe: Recipe, snapshots: Path) -> Snapshot:
    return build_snapshot(Tables.open(folder), recipe, snapshots)


def basis_files(snapshot: Snapshot) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in (snapshot.folder / "featurizer").iterdir() if p.name != "featurizer.json"}


def test_who_is_held_out_is_a_hash_of_seed_and_id_for_ever() -> None:
    # printf held out:0:a003 | b2sum -l 64 begins with 22, that of a014 with 0d, all others above 4ccc..., which is 0.3
    assert chosen(IDS[:15], 0.3) == ["a003", "a014"]
    assert chosen(["Björk", "!!!", "نجاة"], 0.5) == lowest(["Björk", "!!!", "نجاة"], 0.5, 0)
    for seed in (0, 7):
        assert chosen(IDS, 0.25, seed) == lowest(IDS, 0.25, seed)
    assert chosen(IDS, 0.0) == chosen([], 0.5) == []


def test_an_artist_is_held_out_whoever_else_is_there() -> None:
    out = chosen(IDS, SHARE)
    for ids in (IDS[::2], [*IDS[40:], "new", "newer"], ["b", *IDS[::-1]]):
        assert set(chosen(ids, SHARE)) & set(IDS) == set(out) & set(ids)


def test_the_share_is_about_what_was_asked_for_and_a_larger_one_holds_out_the_same_and_more() -> None:
    ids = [f"artist {i}" for i in range(10_000)]
    fifth, tenth, other = set(chosen(ids, 0.2)), set(chosen(ids, 0.1)), set(chosen(ids, 0.2, seed=1))
    assert abs(len(fifth) - 2000) < 5 * 40  # of 10,000 coins of chance 0.2 the deviation is 40
    assert abs(len(tenth) - 1000) < 5 * 30
    assert tenth < fifth
    assert abs(len(fifth & other) - 400) < 5 * 20  # another seed is another draw


@pytest.mark.parametrize("recipe", [RECIPE, OTHER_RECIPE])
def test_the_basis_is_that_of_a_catalog_without_the_held_out(recipe: Recipe, tmp_path: Path) -> None:
    out = chosen(IDS, SHARE, recipe.seed)
    snapshot = built(small_world(tmp_path / "t"), recipe, tmp_path / "s")
    bare = recipe.model_copy(update={"holdout": 0.0})
    without = built(world_without(tmp_path / "without", out), bare, tmp_path / "s")
    assert basis_files(snapshot) == basis_files(without)
    assert list(itertools.compress(IDS, snapshot.holdout.tolist())) == out
    assert (snapshot.n_artists, snapshot.manifest["holdout"]) == (60, len(out))
    placed = build_snapshot(Tables.open(tmp_path / "t"), bare, tmp_path / "s", keep=without)
    for name, modality in placed.modalities.items():  # everyone is placed, the held-out too
        assert snapshot.modalities[name].rows.tolist() == modality.rows.tolist()
        np.testing.assert_array_equal(snapshot.modalities[name].vectors, modality.vectors)


@pytest.mark.parametrize("recipe", [RECIPE, OTHER_RECIPE])
def test_nothing_of_the_held_out_comes_through(recipe: Recipe, tmp_path: Path) -> None:
    out = chosen(IDS, SHARE, recipe.seed)
    snapshot = built(small_world(tmp_path / "t"), recipe, tmp_path / "s")
    others = built(world_with_others(tmp_path / "others", out), recipe, tmp_path / "s")
    assert others.id != snapshot.id
    assert others.featurizer_id == snapshot.featurizer_id
    for name, modality in snapshot.modalities.items():
        mask, other_mask = ~snapshot.holdout[modality.rows], ~others.holdout[others.modalities[name].rows]
        assert modality.vectors[mask].tobytes() == others.modalities[name].vectors[other_mask].tobytes()
        for block, numbers in modality.blocks.items():
            np.testing.assert_allclose(numbers[mask], others.modalities[name].blocks[block][other_mask], atol=1e-6)
    seen = recipe.model_copy(update={"holdout": 0.0})
    bases = {built(tmp_path / name, seen, tmp_path / "s").featurizer_id for name in ("t", "others")}
    assert len(bases) == 2  # what is not held out does come through


def test_a_kept_basis_still_says_whom_it_was_fitted_without(tmp_path: Path) -> None:
    first = built(small_world(tmp_path / "t"), RECIPE, tmp_path / "s")
    new = next(artist for artist in (f"n{i}" for i in range(99)) if chosen([artist], SHARE))
    removed = chosen(IDS, SHARE)[0]
    audio = {"vector": np.eye(8)[[0, 1]].tolist(), "track_id": ["x", "y"]}

    def placed(name: str, ids: list[str], keep: Snapshot) -> Snapshot:
        folder = write_tables(
            tmp_path / name, artists={"artist_id": ids, "name": ids}, audio={**audio, "artist_id": ids[:2]}
        )
        for table in ("tags", "plays"):
            (folder / f"{table}.parquet").write_bytes((tmp_path / "t" / f"{table}.parquet").read_bytes())
        return build_snapshot(Tables.open(folder), Recipe(), tmp_path / "s", keep=keep)

    later = [artist for artist in IDS if artist != removed] + [new]
    second = placed("later", later, first)
    assert list(itertools.compress(second.artist_ids, second.holdout.tolist())) == chosen(IDS, SHARE)[1:]
    third = placed("back", [*IDS, new], second)
    assert list(itertools.compress(third.artist_ids, third.holdout.tolist())) == chosen(IDS, SHARE)
    assert second.featurizer_id == third.featurizer_id == first.featurizer_id
    assert second.manifest["recipe"]["holdout"] == SHARE


# Digests from before artists could be held out, and before listeners had factors as terms.
NO_LISTENERS = CfRecipe(listener_factors=0)
CSV = {
    "artists": "artist_id,name\na,A\nb,B\nc,C\n",
    "audio": 'artist_id,vector\na,"[1.0, 0.5]"\nb,"[0.25, 2.0]"\nc,"[3.0, 1.0]"\n',
}


@pytest.mark.parametrize(
    ("recipe", "snapshot", "featurizer"),
    [
        (Recipe(cf=NO_LISTENERS), "bf0dd6c476bcddae", "ad78e0ef463a27a8"),
        (Recipe(cf=NO_LISTENERS, holdout=0.0), "bf0dd6c476bcddae", "ad78e0ef463a27a8"),
        (
            Recipe(cf=NO_LISTENERS, seed=3, vectors={"audio": VectorRecipe(scale="standard")}),
            "b7292f8ac347b8c1",
            "558fce61e86a4d5a",
        ),
    ],
)
def test_without_a_share_nothing_is_other_than_it_was(
    recipe: Recipe, snapshot: str, featurizer: str, tmp_path: Path
) -> None:
    for name, text in CSV.items():
        (tmp_path / f"{name}.csv").write_text(text)
    actual = built(tmp_path, recipe, tmp_path / "s")
    assert (actual.id, actual.featurizer_id) == (snapshot, featurizer)
    assert set(json.loads((actual.folder / "featurizer" / "featurizer.json").read_text())) == {
        "format",
        "modalities",
        "recipe",
    }
    assert "holdout" not in actual.manifest
    assert "holdout" not in actual.manifest["recipe"]
    assert not (actual.folder / "holdout.npy").exists()
    assert actual.holdout.tolist() == [False] * 3


def test_a_share_is_part_of_the_identity(tmp_path: Path) -> None:
    folder = small_world(tmp_path / "t")
    shares = [RECIPE.model_copy(update={"holdout": share}) for share in (0.0, 0.1, 0.3)]
    assert len({built(folder, recipe, tmp_path / "s").id for recipe in shares}) == 3


def seed_that_holds_out(ids: list[str]) -> int:
    return next(seed for seed in itertools.count() if lowest(ids, 0.5, seed) == ids)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"audio": {"artist_id": ["a", "b"], "vector": [[1.0], [2.0]]}}, "vectors: found none"),
        (
            {"plays": {"user_id": ["u", "v"], "artist_id": ["a", "b"], "count": [1, 2]}},
            "found 0 artists of the catalog and 0 listeners",
        ),
        (
            {"tags": {"artist_id": ["a", "b"], "tag": ["x", "x"], "weight": [1.0, 2.0]}},
            "found 0 tags of at least 2 artists",
        ),
    ],
)
def test_too_few_left_to_fit_on_are_refused(
    table: dict[str, dict[str, list[object]]], message: str, tmp_path: Path
) -> None:
    folder = write_tables(tmp_path / "t", artists={"artist_id": ["a", "b"], "name": ["A", "B"]}, **table)
    recipe = Recipe(holdout=0.5, seed=seed_that_holds_out(["a", "b"]))
    with pytest.raises(InputError, match=f"{message}.*; 2 of 2 artists are held out"):
        built(folder, recipe, tmp_path / "s")
    assert not list((tmp_path / "s").glob("*"))


def test_who_may_be_fitted_on_has_all_and_is_not_held_out(tmp_path: Path) -> None:
    snapshot = built(small_world(tmp_path / "t"), RECIPE, tmp_path / "s")
    out = set(chosen(IDS, SHARE))
    full = [i for i in range(59) if i % 5 != 4 and i % 7 != 6]
    wanted = [i for i in full if IDS[i] not in out]
    assert artists_to_fit_on(snapshot, ["audio", "cf", "tags"], at_least=2).tolist() == wanted
    with pytest.raises(
        InputError,
        match=f"found {len(wanted)} artists that have all of audio, cf, tags, and {len(full) - len(wanted)} more that "
        "are held out; wanted at least 50",
    ):
        artists_to_fit_on(snapshot, ["audio", "cf", "tags"], at_least=50)


def test_cf_is_tuned_without_the_held_out(tmp_path: Path) -> None:
    folder = write_scenes(tmp_path / "t")
    ids = [f"a{i:02d}" for i in range(60)]
    recipe = Recipe(cf=CfRecipe(factors=8, iterations=3), holdout=0.2)
    out = set(chosen(ids, 0.2))
    plays = Tables.open(folder).batches("plays")
    rows = [row for batch in plays for row in batch.to_pylist() if row["artist_id"] not in out]
    bare = write_tables(
        tmp_path / "bare",
        artists={"artist_id": ids, "name": ids},
        plays={column: [row[column] for row in rows] for column in ("user_id", "artist_id", "count")},
    )
    held = tune_cf(Tables.open(folder), recipe, tmp_path, trials=2)
    without = tune_cf(Tables.open(bare), recipe.model_copy(update={"holdout": 0.0}), tmp_path, trials=2)
    assert held.trials == without.trials
    seen = tune_cf(Tables.open(folder), recipe.model_copy(update={"holdout": 0.0}), tmp_path, trials=1)
    assert seen.id not in (held.id, without.id)
    assert seen.trials[0].score != held.trials[0].score
    assert held.recipe.holdout == 0.2


@pytest.mark.parametrize("share", ["-0.1", "0.6", "nan"])
def test_a_share_that_is_none_is_refused(share: str, tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text(f"holdout = {share}")
    with pytest.raises(ConfigError, match="r.toml: holdout: Input should be"):
        load_recipe(tmp_path / "r.toml")
    arguments = ["--home", str(tmp_path), "snapshot", "build", str(small_world(tmp_path / "t")), "--holdout", share]
    assert CliRunner().invoke(app, arguments).exit_code == 2


def test_the_command_is_short_for_the_recipe(tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text("holdout = 0.3\n[tags]\ndims = 6\n[cf]\nfactors = 5\niterations = 8\n")
    (tmp_path / "bare.toml").write_text("[tags]\ndims = 6\n[cf]\nfactors = 5\niterations = 8\n")
    build = ["--home", str(tmp_path), "snapshot", "build", str(small_world(tmp_path / "t")), "--features"]
    output = CliRunner().invoke(app, [*build, str(tmp_path / "r.toml")]).output
    assert f"holdout: {len(chosen(IDS, SHARE))} artists, without which featurizer and models are fitted" in output
    ask = ["--json", *build, str(tmp_path / "bare.toml"), "--holdout", "0.3"]
    manifest = json.loads(CliRunner().invoke(app, ask).output)
    assert manifest["recipe"]["holdout"] == 0.3
    assert f"snapshot {manifest['id']}:" in output
    result = CliRunner().invoke(app, [*build[:-1], "--holdout", "0.3", "--featurizer-from", manifest["id"]])
    assert result.exit_code == 2
