from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from riyl.core.catalog.tables import Tables
from riyl.core.errors import ConfigError, InputError
from riyl.core.storage.snapshot import Snapshot
from riyl.training.config import ContrastiveConfig, SetSpec
from riyl.training.contrastive.loop import Trained, train_contrastive
from riyl.training.features.build import build_snapshot
from riyl.training.features.holdout import holdout_artists
from riyl.training.features.recipe import Recipe
from tests.conftest import REPOSITORY, SMALL_RECIPE, small_world, snapshot_of, write_tables
from tests.training.features.others import world_with_others, world_without

CONFIG = ContrastiveConfig(
    method="contrastive",
    encoders={"tags": SetSpec(attention=8, heads=2)},
    dim=6,
    learning_rate=1e-2,
    batch_size=8,
    max_epochs=12,
    patience=12,
)


def run(snapshot: Snapshot, checkpoint: Path, config: ContrastiveConfig = CONFIG, seed: int = 0) -> Trained:
    return train_contrastive(config, snapshot, seed=seed, checkpoint=checkpoint)


def assert_same(first: Trained, second: Trained) -> None:
    a, b = first.encoders.state_dict(), second.encoders.state_dict()
    assert a.keys() == b.keys()
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert first.scores == second.scores


def test_training_on_the_full_artists_lowers_the_loss(snapshot: Snapshot, tmp_path: Path) -> None:
    trained = run(snapshot, tmp_path / "c")
    assert list(trained.encoders) == ["audio", "tags", "cf"]
    first = run(snapshot, tmp_path / "first", CONFIG.model_copy(update={"max_epochs": 1}))
    assert trained.scores["train_loss"] < 0.95 * first.scores["train_loss"]
    full = np.flatnonzero(snapshot.having())
    assert len(trained.inputs["audio"]) == int(snapshot.having(["audio", "cf", "tags"]).sum()) < len(full)


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(snapshot: Snapshot, tmp_path: Path) -> None:
    first = run(snapshot, tmp_path / "a")
    assert_same(first, run(snapshot, tmp_path / "b"))
    other = run(snapshot, tmp_path / "c", seed=1)
    assert not torch.equal(first.encoders["cf"].out.weight, other.encoders["cf"].out.weight)


def test_training_in_two_goes_equals_one_bit_for_bit(snapshot: Snapshot, tmp_path: Path) -> None:
    run(snapshot, tmp_path / "c", CONFIG.model_copy(update={"max_epochs": 5}))
    assert_same(run(snapshot, tmp_path / "c"), run(snapshot, tmp_path / "d"))


def test_a_run_killed_in_mid_epoch_goes_on_bit_for_bit(snapshot: Snapshot, tmp_path: Path) -> None:
    code = f"""
import os, signal
from pathlib import Path
from riyl.core.storage.snapshot import Snapshot
import riyl.training.contrastive.loop as loop
from tests.training.contrastive.test_loop import CONFIG
inner, calls = loop.pair_losses, [0]
def pair_losses(*args):
    calls[0] += 1
    if calls[0] == 23:
        os.kill(os.getpid(), signal.SIGKILL)
    return inner(*args)
loop.pair_losses = pair_losses
snapshot = Snapshot.open(Path({str(snapshot.folder)!r}))
loop.train_contrastive(CONFIG, snapshot, seed=0, checkpoint=Path({str(tmp_path / "c")!r}))
"""
    died = subprocess.run(
        [sys.executable, "-c", code],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(REPOSITORY), *sys.path])},
        check=False,
    )
    assert died.returncode == -signal.SIGKILL
    assert (tmp_path / "c").exists()
    torch.set_num_threads(os.cpu_count() or 1)
    assert_same(run(snapshot, tmp_path / "c"), run(snapshot, tmp_path / "d"))


def test_training_stops_when_the_watched_value_gets_no_better(snapshot: Snapshot, tmp_path: Path) -> None:
    eager = CONFIG.model_copy(update={"max_epochs": 500, "patience": 3, "stop_by": "rank", "learning_rate": 0.05})
    trained = run(snapshot, tmp_path / "c", eager)
    assert trained.scores["epochs"] == trained.scores["best_epoch"] + 3 < 500


def test_fewer_artists_than_a_batch_make_one_batch(
    snapshot: Snapshot, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    trained = run(snapshot, tmp_path / "c", CONFIG.model_copy(update={"batch_size": 4096, "max_epochs": 2}))
    assert trained.scores["epochs"] == 2
    assert "small_catalog" in caplog.text


def test_a_config_uses_the_modalities_that_there_are(tmp_path: Path) -> None:
    folder = small_world(tmp_path / "t")
    (folder / "plays.parquet").unlink()
    rng = np.random.default_rng(0)
    ids = [f"a{i:03d}" for i in range(50)]
    write_tables(folder, bio={"artist_id": ids, "vector": rng.standard_normal((50, 3)).tolist()})
    snapshot = build_snapshot(Tables.open(folder), SMALL_RECIPE, tmp_path / "s")
    trained = run(snapshot, tmp_path / "c", CONFIG.model_copy(update={"max_epochs": 1}))
    assert list(trained.encoders) == ["audio", "tags", "bio"]


def test_a_single_modality_is_refused(tmp_path: Path) -> None:
    ids = ["a", "b", "c", "d", "e"]
    audio = {"artist_id": ids, "vector": np.eye(5).tolist()}
    with pytest.raises(ConfigError, match="has only audio; a contrastive method needs at least two modalities"):
        run(snapshot_of(tmp_path, ids, audio=audio), tmp_path / "c")


def test_too_few_full_artists_are_refused(tmp_path: Path) -> None:
    ids = ["a", "b", "c", "d", "e"]
    audio = {"artist_id": ids[:3], "vector": np.eye(3).tolist()}
    bio = {"artist_id": ids[1:], "vector": np.eye(4).tolist()}
    with pytest.raises(InputError, match="found 2 artists that have all of audio, bio; wanted at least 4"):
        run(snapshot_of(tmp_path, ids, audio=audio, bio=bio), tmp_path / "c")


@pytest.fixture(scope="module")
def holding_out(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """Build the small world's snapshot with 30 % of the artists held out."""
    base = tmp_path_factory.mktemp("held")
    recipe = SMALL_RECIPE.model_copy(update={"holdout": 0.3})
    return build_snapshot(Tables.open(small_world(base / "t")), recipe, base / "s")


def test_nobody_who_is_held_out_is_trained_on(holding_out: Snapshot, tmp_path: Path) -> None:
    short = CONFIG.model_copy(update={"max_epochs": 3})
    out = [artist for artist, held in zip(holding_out.artist_ids, holding_out.holdout.tolist(), strict=True) if held]
    trained = run(holding_out, tmp_path / "c", short)
    bare = Tables.open(world_without(tmp_path / "bare", out))
    assert_same(trained, run(build_snapshot(bare, SMALL_RECIPE, tmp_path / "s"), tmp_path / "d", short))
    others = Tables.open(world_with_others(tmp_path / "others", out))
    held = SMALL_RECIPE.model_copy(update={"holdout": 0.3})
    assert_same(trained, run(build_snapshot(others, held, tmp_path / "s"), tmp_path / "e", short))


def test_training_without_the_held_out_goes_on_where_it_was(holding_out: Snapshot, tmp_path: Path) -> None:
    run(holding_out, tmp_path / "c", CONFIG.model_copy(update={"max_epochs": 2}))
    short = CONFIG.model_copy(update={"max_epochs": 4})
    assert_same(run(holding_out, tmp_path / "c", short), run(holding_out, tmp_path / "d", short))


def test_too_few_who_are_not_held_out_are_refused(tmp_path: Path) -> None:
    ids = [f"a{i}" for i in range(6)]
    seed = next(s for s in range(10_000) if holdout_artists(ids, 0.5, s).tolist() == [True] * 3 + [False] * 3)
    vectors = {"artist_id": ids, "vector": np.eye(6).tolist()}
    snapshot = snapshot_of(tmp_path, ids, Recipe(holdout=0.5, seed=seed), audio=vectors, bio=vectors)
    with pytest.raises(
        InputError, match="found 3 artists that have all of audio, bio, and 3 more that are held out; wanted"
    ):
        run(snapshot, tmp_path / "c")
