"""Parts, evidence and terms of a version, against the tables it was made of and the model's own parts."""

from __future__ import annotations

import errno
import os
from collections import defaultdict
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from riyl.core.errors import NotFoundError
from riyl.core.storage.model import Model
from riyl.core.storage.snapshot import Snapshot
from riyl.index.artifact.parts import Parts, scale_parts, share_parts, write_raw_parts
from riyl.index.artifact.version import Version
from riyl.index.build.build import build_version
from riyl.index.encoding.embed import parts_of
from tests.conftest import REPOSITORY
from tests.index.conftest import write_world

ARTIFACTS = REPOSITORY / "tests" / "artifacts"
KINDS = ["paper-msd", "default", "pca", "single-tags"]


@pytest.fixture(scope="module")
def versions(
    models: dict[str, Model], named_snapshot: Snapshot, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Version]:
    folder = tmp_path_factory.mktemp("versions")
    return {name: build_version(model, named_snapshot, folder) for name, model in models.items()}


@pytest.mark.parametrize("kind", KINDS)
def test_the_parts_of_an_artist_add_up_to_its_embedding(versions: dict[str, Version], kind: str) -> None:
    version = versions[kind]
    assert list(version.parts) == (["tags"] if kind == "single-tags" else ["audio", "cf", "tags"])
    for row in range(version.n_artists):
        row_parts = [part for parts in version.parts.values() if (part := parts.of(row)) is not None]
        assert bool(row_parts) == version.has_embedding[row]
        if row_parts:
            np.testing.assert_allclose(np.sum(row_parts, axis=0), version.embeddings[row], atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_a_part_is_the_models_own_over_the_length_of_the_artists_sum(
    versions: dict[str, Version], models: dict[str, Model], named_snapshot: Snapshot, kind: str
) -> None:
    parts_by_modality: dict[str, dict[int, np.ndarray]] = {}
    for name in models[kind].parts:
        rows = named_snapshot.modalities[name].rows.tolist()
        parts_by_modality[name] = dict(
            zip(rows, parts_of(models[kind], named_snapshot, name).astype(np.float64), strict=True)
        )
    for row in (0, 4, 6, 34):  # with all modalities, without tags, without plays, without either
        row_parts = {name: parts[row] for name, parts in parts_by_modality.items() if row in parts}
        for name, part in row_parts.items():
            stored_part = versions[kind].parts[name].of(row)
            np.testing.assert_allclose(stored_part, part / np.linalg.norm(sum(row_parts.values())), atol=1e-6)


def test_parts_lie_by_ascending_row_and_who_has_none_has_none(version: Version) -> None:
    assert version.parts["audio"].rows.tolist() == list(range(59))
    assert version.parts["tags"].rows.tolist() == [i for i in range(59) if i % 5 != 4]
    assert version.parts["cf"].rows.tolist() == [i for i in range(59) if i % 7 != 6]
    assert version.parts["tags"].of(4) is None
    assert version.parts["tags"].of(59) is None
    assert all(parts.vectors.dtype == np.float32 and parts.rows.dtype == np.int32 for parts in version.parts.values())


def test_scaled_parts_by_hand_leave_out_who_is_not_covered(tmp_path: Path) -> None:
    write_raw_parts(tmp_path, "smell", np.array([[2, 4], [1, 1], [6, -3]], np.float32))
    scale_parts(tmp_path, "smell", np.array([0, 2, 3], np.int32), np.array([2.0, 1.0, 0.0, 3.0]))
    assert sorted(path.name for path in (tmp_path / "parts").iterdir()) == ["smell.npy", "smell.rows.npy"]
    parts = Parts(np.load(tmp_path / "parts/smell.rows.npy"), np.load(tmp_path / "parts/smell.npy"))
    assert parts.rows.tolist() == [0, 3]
    assert parts.vectors.tolist() == [[1, 2], [2, -1]]
    assert parts.of(2) is None


def test_evidence_counts_tags_listeners_and_tracks(version: Version) -> None:
    # as in the small world: three tags, five listeners and two tracks of every artist that has any
    wanted = {
        "audio": [2] * 59 + [0],
        "cf": [0 if i % 7 == 6 else 5 for i in range(59)] + [0],
        "tags": [0 if i % 5 == 4 else 3 for i in range(59)] + [0],
    }
    assert {name: evidence.tolist() for name, evidence in version.evidence.items()} == wanted


def test_sets_are_the_tags_of_the_tables_heaviest_first(version: Version, tmp_path: Path) -> None:
    table = pq.read_table(write_world(tmp_path / "t") / "tags.parquet")
    wanted: dict[str, dict[str, float]] = defaultdict(dict)
    for entry in table.to_pylist():
        wanted[entry["artist_id"]][entry["tag"]] = entry["weight"]
    sets, words = version.sets["tags"], version.terms("tags")
    assert list(version.sets) == ["tags"]
    assert len(sets.indptr) == 61
    for row, artist_id in enumerate(version.artist_ids):
        span = slice(sets.indptr[row], sets.indptr[row + 1])
        weights = sets.weights[span].tolist()
        assert weights == sorted(weights, reverse=True)
        assert dict(zip(words.take(sets.terms[span]).to_pylist(), weights, strict=True)) == wanted[artist_id]


def test_what_has_no_terms_is_named(version: Version) -> None:
    with pytest.raises(NotFoundError, match="has no terms of audio; it has terms of tags"):
        version.terms("audio")


def test_all_of_it_is_mapped_and_cannot_be_written(version: Version) -> None:
    sets = version.sets["tags"]
    arrays = [sets.indptr, sets.terms, sets.weights, *version.evidence.values()]
    arrays += [array for parts in version.parts.values() for array in (parts.rows, parts.vectors)]
    for array in arrays:
        assert not array.flags.owndata
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_the_stored_version_of_format_3_has_all_of_it() -> None:
    stored = Version.open(ARTIFACTS / "version-3")
    sums = np.zeros((16, stored.manifest["dim"]))
    for parts in stored.parts.values():
        sums[parts.rows] += parts.vectors
    np.testing.assert_allclose(sums, stored.embeddings, atol=1e-6)
    assert np.flatnonzero(~stored.has_embedding).tolist() == [15]
    # artists 5 and 6 each have a tag that no other artist has, so the featurizer does not know it
    assert stored.evidence["tags"].tolist() == [3, 3, 3, 3, 0, 2, 2, 3, 3, 0, 3, 3, 3, 3, 0, 0]
    sets = stored.sets["tags"]
    scene = {"ska", "dub", "roots", "reggae"}
    assert set(stored.terms("tags").take(sets.terms[: sets.indptr[1]]).to_pylist()) < scene


def test_where_there_are_no_links_parts_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    for name in ("from", "to"):
        (tmp_path / name).mkdir()
    write_raw_parts(tmp_path / "from", "smell", np.eye(2, dtype=np.float32))
    monkeypatch.setattr(os, "link", refuse)
    share_parts(tmp_path / "from", tmp_path / "to")
    np.testing.assert_array_equal(np.load(tmp_path / "to/parts/smell.raw.npy"), np.eye(2))
    with pytest.raises(FileNotFoundError):
        share_parts(tmp_path / "nowhere", tmp_path / "to")
