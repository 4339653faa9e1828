from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from core.errors import FormatError, MismatchError
from core.files import content_id
from core.model import Model
from core.snapshot import Snapshot
from core.tables import Tables
from index.artifact import Version, read_arrow
from index.build import build_version
from index.embed import embed
from index.versions import current, versions
from tests.conftest import REPOSITORY, SMALL_RECIPE, small_world
from training.config import load_config
from training.features.build import build_snapshot
from training.train import train


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_same_inputs_give_the_same_id_and_bytes(
    version: Version, named_model: Model, named_snapshot: Snapshot, tmp_path: Path
) -> None:
    again = build_version(named_model, named_snapshot, tmp_path)
    assert again.id == version.id
    assert bytes_of(again.folder) == bytes_of(version.folder)


def test_building_again_finds_the_version_and_makes_it_the_newest(
    named_model: Model, named_snapshot: Snapshot, tmp_path: Path
) -> None:
    made = build_version(named_model, named_snapshot, tmp_path)
    os.utime(made.folder / "manifest.json", (1, 1))
    before = bytes_of(made.folder)
    heard: list[str] = []
    again = build_version(named_model, named_snapshot, tmp_path, progress=lambda step, done, total: heard.append(step))
    assert again.folder == made.folder
    assert bytes_of(again.folder) == before
    assert heard == []
    assert (made.folder / "manifest.json").stat().st_mtime > 1


def test_building_over_a_damaged_version_says_so(named_model: Model, named_snapshot: Snapshot, tmp_path: Path) -> None:
    made = build_version(named_model, named_snapshot, tmp_path)
    path = made.folder / "h.npy"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(FormatError, match="h.npy: damaged"):
        build_version(named_model, named_snapshot, tmp_path)


def test_the_id_is_a_hash_of_model_snapshot_change_and_settings(version: Version) -> None:
    fields = {"model": version.manifest["model"], "snapshot": version.manifest["snapshot"], "last_change": 0}
    settings = {"list_length": 256, "tie_seed": 0}
    assert version.id == content_id("version", {**fields, "settings": settings}) == version.folder.name


def test_every_artist_is_embedded_or_listed_with_the_reason(
    version: Version, named_model: Model, named_snapshot: Snapshot
) -> None:
    embedding = embed(named_model, named_snapshot)
    np.testing.assert_array_equal(version.embeddings, embedding.vectors)
    assert version.embeddings.dtype == np.float32
    np.testing.assert_array_equal(version.known, embedding.covered)
    assert read_arrow(version.folder / "left_out.arrow").to_pylist() == [{"artist_id": "a059", "reason": "no input"}]
    counts = version.manifest["counts"]
    assert (counts["artists"], counts["embedded"], counts["left_out"]) == (60, 59, {"no input": 1})


def test_artists_without_what_the_model_takes_are_listed_so(named_snapshot: Snapshot, tmp_path: Path) -> None:
    name, config = load_config("single-tags")
    made = build_version(train(name, config, named_snapshot, tmp_path / "m"), named_snapshot, tmp_path / "v")
    left = {row["artist_id"]: row["reason"] for row in read_arrow(made.folder / "left_out.arrow").to_pylist()}
    assert left.pop("a059") == "no input"
    assert set(left) == {f"a{i:03d}" for i in range(4, 59, 5)}
    assert set(left.values()) == {"no usable input: has none of tags"}


def test_patterns_say_which_modalities_each_artist_has(version: Version) -> None:
    had = [version.patterns_of_modalities[pattern] for pattern in version.patterns.tolist()]
    for i in range(59):
        wanted = ["audio", *([] if i % 7 == 6 else ["cf"]), *([] if i % 5 == 4 else ["tags"])]
        assert had[i] == tuple(wanted)
    assert had[59] == ()
    assert version.manifest["counts"]["by_pattern"] == {
        "+".join(names) or "nothing": had.count(names) for names in version.patterns_of_modalities
    }
    assert np.flatnonzero(version.having(["tags", "cf"])).tolist() == [
        i for i in range(59) if i % 7 != 6 and i % 5 != 4
    ]


def test_a_model_of_another_basis_is_refused(named_model: Model, tmp_path: Path) -> None:
    other = build_snapshot(Tables.open(small_world(tmp_path / "t", seed=9)), SMALL_RECIPE, tmp_path / "s")
    with pytest.raises(MismatchError, match="fitted on basis"):
        build_version(named_model, other, tmp_path / "v")
    assert not (tmp_path / "v").exists()


KILLED = """
import os, signal, sys
from pathlib import Path
from core.model import Model
from core.snapshot import Snapshot
from index.build import build_version

def die(step, done, total):
    if step == sys.argv[4]:
        os.kill(os.getpid(), signal.SIGKILL)

build_version(Model.open(Path(sys.argv[1])), Snapshot.open(Path(sys.argv[2])), Path(sys.argv[3]), progress=die)
"""


@pytest.mark.parametrize("step", ["exact search", "names", "gate"])
def test_a_killed_build_leaves_nothing_visible_and_the_next_is_whole(
    version: Version, named_model: Model, named_snapshot: Snapshot, tmp_path: Path, step: str
) -> None:
    arguments = [str(named_model.folder), str(named_snapshot.folder), str(tmp_path), step]
    killed = subprocess.run([sys.executable, "-c", KILLED, *arguments], cwd=REPOSITORY, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(list(tmp_path.glob(".*.aside"))) == 1
    assert not list(tmp_path.glob("[!.]*"))
    assert versions(tmp_path) == []
    assert current(tmp_path) is None
    made = build_version(named_model, named_snapshot, tmp_path)
    assert bytes_of(made.folder) == bytes_of(version.folder)
    assert not list(tmp_path.glob(".*.aside"))
