"""Tests of supervision that is interrupted and continued."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import astuple, replace
from pathlib import Path

import numpy as np
import pytest

from riyl.core.storage.ground_truth import Truth, save_truth
from riyl.core.storage.relations import Relation
from riyl.core.storage.snapshot import Snapshot
from riyl.training.cca.fine_tune import FineTuned
from riyl.training.cca.supervision import read_similarity_pairs
from riyl.training.train import train
from tests.conftest import REPOSITORY
from tests.training.cca.test_fine_tune import CONFIG, partners, refined


@pytest.fixture(scope="module")
def truth(snapshot: Snapshot, tmp_path_factory: pytest.TempPathFactory) -> Truth:
    return save_truth(tmp_path_factory.mktemp("l"), "camps", partners(snapshot), directed=False, source="test")


def assert_same(first: FineTuned, second: FineTuned) -> None:
    assert first.scores == second.scores
    for name, part in first.parts.items():
        other = second.parts[name]
        assert part.residual is not None
        assert other.residual is not None
        np.testing.assert_array_equal(part.weights, other.weights)
        for mine, theirs in zip(astuple(part.residual), astuple(other.residual), strict=True):
            np.testing.assert_array_equal(mine, theirs)


def test_a_refinement_killed_in_mid_epoch_goes_on_bit_for_bit(snapshot: Snapshot, truth: Truth, tmp_path: Path) -> None:
    code = f"""
import os, signal
from pathlib import Path
from riyl.core.storage.ground_truth import Truth
from riyl.core.storage.relations import Relation
from riyl.core.storage.snapshot import Snapshot
import riyl.training.cca.fine_tune as fine_tune
from riyl.training.cca.supervision import read_similarity_pairs
from tests.training.cca.test_fine_tune import CONFIG, refined
inner, calls = fine_tune.cross_entropy_of_pairs, [0]
def killed(*args):
    calls[0] += 1
    if calls[0] == 33:
        os.kill(os.getpid(), signal.SIGKILL)
    return inner(*args)
fine_tune.cross_entropy_of_pairs = killed
snapshot, truth = Snapshot.open(Path({str(snapshot.folder)!r})), Truth.open(Path({str(truth.folder)!r}))
pairs = read_similarity_pairs([Relation(truth)], snapshot, CONFIG.supervision, 0)
refined(snapshot, pairs, Path({str(tmp_path / "c")!r}), max_epochs=12)
"""
    died = subprocess.run(
        [sys.executable, "-c", code],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(REPOSITORY), *sys.path])},
        check=False,
    )
    assert died.returncode == -signal.SIGKILL
    similarity_pairs = read_similarity_pairs([Relation(truth)], snapshot, CONFIG.supervision, 0)
    epochs = list[int]()
    resumed = refined(
        snapshot, similarity_pairs, tmp_path / "c", progress=lambda _, done, __: epochs.append(done), max_epochs=12
    )
    assert 1 < epochs[0] < 12
    assert resumed.scores["supervision_epoch"] > epochs[0]
    assert_same(resumed, refined(snapshot, similarity_pairs, tmp_path / "d", max_epochs=12))
    assert_same(resumed, refined(snapshot, similarity_pairs, tmp_path / "c", max_epochs=12))  # it was finished


def test_a_checkpoint_of_other_settings_pairs_or_seed_is_ignored(
    snapshot: Snapshot, truth: Truth, tmp_path: Path
) -> None:
    pairs = read_similarity_pairs([Relation(truth)], snapshot, CONFIG.supervision, 0)
    heavier = replace(pairs, graph=(2 * pairs.graph).tocsr())
    refined(snapshot, pairs, tmp_path / "c", max_epochs=2)
    for others, seed, hidden in ((pairs, 0, 7), (pairs, 1, 8), (heavier, 0, 8)):
        shutil.copy(tmp_path / "c", tmp_path / "other")
        changed = refined(snapshot, others, tmp_path / "other", seed, max_epochs=2, hidden=hidden)
        (tmp_path / "other").unlink()
        assert_same(changed, refined(snapshot, others, tmp_path / "other", seed, max_epochs=2, hidden=hidden))


def test_a_training_that_is_interrupted_is_continued_and_leaves_nothing_behind(
    snapshot: Snapshot, truth: Truth, tmp_path: Path
) -> None:
    def stop(step: str, done: int, _: int) -> None:
        if (step, done) == ("supervision", 3):
            raise KeyboardInterrupt

    config = CONFIG.model_copy(update={"supervision": CONFIG.supervision.model_copy(update={"max_epochs": 5})})
    with pytest.raises(KeyboardInterrupt):
        train("short", config, snapshot, tmp_path / "a", relations=[Relation(truth)], progress=stop)
    assert [path.name for path in (tmp_path / "a").glob("*/*")] == ["checkpoint.safetensors"]
    resumed = train("short", config, snapshot, tmp_path / "a", relations=[Relation(truth)])
    assert [path.name for path in (tmp_path / "a").iterdir()] == [resumed.id]
    whole = train("short", config, snapshot, tmp_path / "b", relations=[Relation(truth)])
    assert whole.card == resumed.card
