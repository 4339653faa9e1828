from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import faiss
import numpy as np
import pyarrow as pa
import pytest

import riyl.index.artifact.ivf
from riyl.core.catalog.tables import Tables
from riyl.core.errors import FormatError, MismatchError
from riyl.core.files import content_id
from riyl.core.storage.memory_map import read_arrow
from riyl.core.storage.model import Model
from riyl.core.storage.scoring_settings import ScoringSettings
from riyl.core.storage.snapshot import Snapshot
from riyl.index.artifact.version import Version
from riyl.index.build.build import build_version, embed_aside
from riyl.index.encoding.embed import Embedding, embed
from riyl.index.versions.lifecycle import current, versions
from riyl.training.config import load_config
from riyl.training.features.build import build_snapshot
from riyl.training.train import train
from tests.conftest import REPOSITORY, SMALL_RECIPE, small_world


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def not_embedded(version: Version) -> list[dict[str, str]]:
    file = version.files["not_embedded.arrow"]
    return read_arrow(file, {"artist_id": pa.string(), "reason": pa.string()}).to_pylist()


def test_the_same_inputs_give_the_same_id_and_bytes(
    version: Version, named_model: Model, named_snapshot: Snapshot, tmp_path: Path
) -> None:
    again = build_version(named_model, named_snapshot, tmp_path)
    assert again.id == version.id
    assert bytes_of(again.folder) == bytes_of(version.folder)


def test_building_again_finds_the_version_and_makes_it_the_newest(
    named_model: Model, named_snapshot: Snapshot, tmp_path: Path
) -> None:
    version = build_version(named_model, named_snapshot, tmp_path)
    os.utime(version.folder / "manifest.json", (1, 1))
    before = bytes_of(version.folder)
    heard: list[str] = []
    again = build_version(named_model, named_snapshot, tmp_path, progress=lambda step, done, total: heard.append(step))
    assert again.folder == version.folder
    assert bytes_of(again.folder) == before
    assert heard == []
    assert (version.folder / "manifest.json").stat().st_mtime > 1


def test_building_over_a_damaged_version_says_so(named_model: Model, named_snapshot: Snapshot, tmp_path: Path) -> None:
    version = build_version(named_model, named_snapshot, tmp_path)
    path = version.folder / "h.npy"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(FormatError, match="h.npy: damaged"):
        build_version(named_model, named_snapshot, tmp_path)


def test_the_id_is_a_hash_of_model_snapshot_change_settings_and_format(version: Version) -> None:
    fields = {"model": version.manifest["model"], "snapshot": version.manifest["snapshot"], "last_change": 0}
    settings = {"list_length": 256, "tie_seed": 0, "beside": 0.1}
    assert version.id == content_id("version", {**fields, "settings": settings, "format": 4}) == version.folder.name


def test_every_artist_is_embedded_or_listed_with_the_reason(
    version: Version, named_model: Model, named_snapshot: Snapshot
) -> None:
    embedding = embed(named_model, named_snapshot)
    np.testing.assert_array_equal(version.embeddings, embedding.vectors)
    assert version.embeddings.dtype == np.float32
    np.testing.assert_array_equal(version.has_embedding, embedding.covered)
    assert not_embedded(version) == [{"artist_id": "a059", "reason": "no input"}]
    counts = version.manifest["counts"]
    assert (counts["artists"], counts["embedded"], counts["not_embedded"]) == (60, 59, {"no input": 1})


def test_artists_without_what_the_model_takes_are_listed_so(named_snapshot: Snapshot, tmp_path: Path) -> None:
    version = build_version(
        train(*load_config("single-tags"), named_snapshot, tmp_path / "m"), named_snapshot, tmp_path / "v"
    )
    left = {row["artist_id"]: row["reason"] for row in not_embedded(version)}
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
    with pytest.raises(MismatchError, match="fitted on featurizer"):
        build_version(named_model, other, tmp_path / "v")
    assert not (tmp_path / "v").exists()


def test_an_embedding_kept_aside_gives_the_same_bytes_and_is_removed(
    version: Version, named_model: Model, named_snapshot: Snapshot, tmp_path: Path
) -> None:
    embedding_folder = embed_aside(named_model, named_snapshot, tmp_path)
    assert embedding_folder == tmp_path / f".{version.id}.embedding"
    assert versions(tmp_path) == []
    heard: list[str] = []
    rebuilt = build_version(
        named_model, named_snapshot, tmp_path, progress=lambda step, done, total: heard.append(step)
    )
    assert not any(step.startswith("embed") for step in heard)
    assert bytes_of(rebuilt.folder) == bytes_of(version.folder)
    assert [path.name for path in tmp_path.iterdir()] == [version.id]


def test_embedding_aside_again_finds_it(named_model: Model, named_snapshot: Snapshot, tmp_path: Path) -> None:
    embedding_folder = embed_aside(named_model, named_snapshot, tmp_path)
    before = {path.name: path.stat().st_mtime_ns for path in embedding_folder.iterdir()}
    heard: list[str] = []
    embed_aside(named_model, named_snapshot, tmp_path, progress=lambda step, done, total: heard.append(step))
    assert heard == []
    assert {path.name: path.stat().st_mtime_ns for path in embedding_folder.iterdir()} == before


def test_nothing_is_embedded_where_the_version_is_there(
    named_model: Model, named_snapshot: Snapshot, tmp_path: Path
) -> None:
    version = build_version(named_model, named_snapshot, tmp_path)
    embed_aside(named_model, named_snapshot, tmp_path)
    assert list(tmp_path.iterdir()) == [version.folder]


def test_a_build_killed_after_it_published_is_tidied_by_the_next(
    named_model: Model, named_snapshot: Snapshot, tmp_path: Path
) -> None:
    embedding_folder = embed_aside(named_model, named_snapshot, tmp_path)
    copy = shutil.copytree(embedding_folder, tmp_path / "copy")
    version = build_version(named_model, named_snapshot, tmp_path)
    copy.rename(embedding_folder)
    build_version(named_model, named_snapshot, tmp_path)
    assert list(tmp_path.iterdir()) == [version.folder]


@pytest.mark.parametrize("damaged", ["vectors.npy", "parts/tags.npy"])
@pytest.mark.parametrize("harm", ["flip", "cut", "missing"])
@pytest.mark.parametrize("again", [embed_aside, build_version])
def test_a_damaged_embedding_is_made_anew_and_said(
    version: Version,
    named_model: Model,
    named_snapshot: Snapshot,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    damaged: str,
    harm: str,
    again: Callable[..., object],
) -> None:
    embedding_folder = embed_aside(named_model, named_snapshot, tmp_path)
    file = embedding_folder / damaged
    data = file.read_bytes()
    if harm == "missing":
        file.unlink()
    else:
        file.write_bytes(data[:-1] + (bytes([data[-1] ^ 1]) if harm == "flip" else b""))
    again(named_model, named_snapshot, tmp_path)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "embedding_damaged" in caplog.text
    assert f"{file.name}: damaged" in caplog.text
    if again is embed_aside:
        assert file.read_bytes() == data
        np.testing.assert_array_equal(Embedding.load(embedding_folder).vectors, version.embeddings)
    rebuilt = build_version(named_model, named_snapshot, tmp_path)
    assert bytes_of(rebuilt.folder) == bytes_of(version.folder)


def test_an_embedding_of_another_basis_is_not_made(named_model: Model, tmp_path: Path) -> None:
    other = build_snapshot(Tables.open(small_world(tmp_path / "t", seed=9)), SMALL_RECIPE, tmp_path / "s")
    with pytest.raises(MismatchError, match="fitted on featurizer"):
        embed_aside(named_model, other, tmp_path / "v")
    assert not (tmp_path / "v").exists()


KILLED = """
import os, signal, sys
from pathlib import Path
from riyl.core.storage.model import Model
from riyl.core.storage.snapshot import Snapshot
from riyl.index.build.build import build_version

def die(step, done, total):
    if step == sys.argv[4]:
        os.kill(os.getpid(), signal.SIGKILL)

build_version(Model.open(Path(sys.argv[1])), Snapshot.open(Path(sys.argv[2])), Path(sys.argv[3]), progress=die)
"""


@pytest.mark.parametrize("embedded_before", [False, True])
@pytest.mark.parametrize("step", ["exact search", "names", "quality checks"])
def test_a_killed_build_leaves_nothing_visible_and_the_next_is_whole(
    version: Version, named_model: Model, named_snapshot: Snapshot, tmp_path: Path, step: str, embedded_before: bool
) -> None:
    if embedded_before:
        embed_aside(named_model, named_snapshot, tmp_path)
    arguments = [str(named_model.folder), str(named_snapshot.folder), str(tmp_path), step]
    killed = subprocess.run([sys.executable, "-c", KILLED, *arguments], cwd=REPOSITORY, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(list(tmp_path.glob(".*.aside"))) == 1
    assert not list(tmp_path.glob("[!.]*"))
    assert versions(tmp_path) == []
    assert current(tmp_path) is None
    heard: list[str] = []
    rebuilt = build_version(
        named_model, named_snapshot, tmp_path, progress=lambda step, done, total: heard.append(step)
    )
    assert any(step.startswith("embed") for step in heard) is not embedded_before
    assert bytes_of(rebuilt.folder) == bytes_of(version.folder)
    assert not list(tmp_path.glob(".*.aside"))


def test_corrections_are_fitted_as_the_models_card_wants_and_the_faiss_file_has_them(corrected: Version) -> None:
    wanted = {"hubness": 0.5, "popularity": 0.0, "neighbours": 12, "calibration": 0.7, "tail": 0.1}
    assert corrected.manifest["scoring"] == wanted == corrected.scoring.settings.as_dict()
    assert corrected.manifest["quality_checks"]["passed"]
    scoring, e, p = corrected.scoring, corrected.embeddings, corrected.patterns
    assert np.abs(scoring.c).max() > 0.01
    assert scoring.h[:59].min() > 0
    for row in (0, 4, 6):
        scores = e[row] @ e.T - scoring.h + scoring.c[p[row], p]
        scores[[row, 59]] = -np.inf
        np.testing.assert_allclose(corrected.scores[row, :58], np.sort(scores)[::-1][:58], atol=1e-5)
        index = faiss.read_index(str(corrected.folder / "embeddings.faiss"))
        _, rows = index.search(scoring.queries(e[row : row + 1], scoring.c[p[row : row + 1]]), 59)
        ranked = [y for y in rows[0] if y != row]
        np.testing.assert_allclose(scores[ranked], np.sort(scores)[::-1][:58], atol=1e-5)


def test_a_version_from_before_there_was_scoring_opens_without(version: Version) -> None:
    old = Version(version.folder, {k: v for k, v in version.manifest.items() if k != "scoring"})
    assert old.scoring.settings == ScoringSettings()
    assert not old.scoring.corrects


@pytest.fixture
def few_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(riyl.index.artifact.ivf, "IVF_MIN_ARTISTS", 20)
    monkeypatch.setattr(riyl.index.artifact.ivf, "_A_CELL", 4)


@pytest.mark.usefixtures("few_are_many")
def test_a_version_with_cells_says_how_many_are_searched_as_its_file_does(
    named_model: Model, named_snapshot: Snapshot, tmp_path: Path
) -> None:
    version = build_version(named_model, named_snapshot, tmp_path, recall=0.95)
    payload = version.manifest["ivf"]
    stored = faiss.read_index(str(version.folder / "embeddings.faiss"))
    assert (payload["nprobe"], payload["nlist"]) == (stored.nprobe, stored.nlist)
    assert (payload["artists"], payload["wanted"], version.manifest["settings"]["recall"]) == (59, 0.95, 0.95)
    assert payload["recall"] >= 0.95
    (check,) = [c for c in version.manifest["quality_checks"]["checks"] if c["name"] == "recall@10 of the Faiss index"]
    assert (check["wanted"], check["passed"]) == ("at least 0.95 (RIYL_QUALITY_MIN_RECALL)", True)


@pytest.mark.usefixtures("few_are_many")
def test_another_recall_makes_another_version_where_there_are_cells(
    named_model: Model, named_snapshot: Snapshot, tmp_path: Path
) -> None:
    version_ids = [
        build_version(named_model, named_snapshot, tmp_path, recall=recall).id for recall in (0.9, 0.95, 0.95)
    ]
    assert version_ids[0] != version_ids[1] == version_ids[2]


def test_without_cells_a_version_is_the_same_whatever_recall_is_wanted(
    version: Version, named_model: Model, named_snapshot: Snapshot, tmp_path: Path
) -> None:
    rebuilt = build_version(named_model, named_snapshot, tmp_path, recall=0.5)
    assert bytes_of(rebuilt.folder) == bytes_of(version.folder)
    assert "ivf" not in rebuilt.manifest
