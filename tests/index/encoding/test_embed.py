"""Artists of another catalog, encoded by a featurizer with modalities that no artist there has."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from riyl.core.catalog.tables import Tables
from riyl.core.errors import MismatchError
from riyl.core.storage.model import Model
from riyl.core.storage.snapshot import Snapshot
from riyl.evaluation.conditions import conditions_of
from riyl.index.build.build import build_version
from riyl.index.build.neighbour_lists import restrict
from riyl.index.encoding.embed import embed, parts_of
from riyl.training.config import load_config
from riyl.training.features.build import build_snapshot
from riyl.training.features.recipe import Recipe
from riyl.training.train import train
from tests.conftest import small_world
from tests.training.features.others import world_of_strangers


@pytest.fixture(scope="module")
def strangers(named_snapshot: Snapshot, tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """Build a snapshot with tags as in the small world, cf of unknown listeners, which no artist has, and no audio."""
    base = tmp_path_factory.mktemp("strangers")
    return build_snapshot(Tables.open(world_of_strangers(base / "t")), Recipe(), base / "s", keep=named_snapshot)


def test_they_are_embedded_by_what_they_have(named_model: Model, named_snapshot: Snapshot, strangers: Snapshot) -> None:
    embedding, alone = embed(named_model, strangers), embed(named_model, named_snapshot, only=["tags"])
    assert embedding.covered.sum() == len(named_snapshot.modalities["tags"].rows)
    np.testing.assert_array_equal(embedding.covered, alone.covered)
    np.testing.assert_array_equal(embedding.vectors, alone.vectors)
    assert not embed(named_model, strangers, only=["cf"]).covered.any()


def test_parts_of_a_modality_that_nobody_has_are_none_and_of_one_that_is_not_there_are_refused(
    named_model: Model, strangers: Snapshot
) -> None:
    assert parts_of(named_model, strangers, "cf").shape == (0, named_model.dim)
    with pytest.raises(
        MismatchError, match=f"parts of audio; .* takes audio, cf, tags, snapshot {strangers.id} has cf, tags"
    ):
        parts_of(named_model, strangers, "audio")


def test_a_model_of_what_the_snapshot_lacks_is_refused(
    named_snapshot: Snapshot, strangers: Snapshot, tmp_path: Path
) -> None:
    model = train("single-audio", load_config("single-audio")[1], named_snapshot, tmp_path)
    with pytest.raises(MismatchError, match=f"takes audio; snapshot {strangers.id} has only cf, tags"):
        embed(model, strangers)


def test_nobody_is_known_by_tags_that_the_basis_lacks(
    named_model: Model, named_snapshot: Snapshot, tmp_path: Path
) -> None:
    folder = small_world(tmp_path / "t")
    tags = folder / "tags.csv"
    (folder / "tags.parquet").unlink()
    tags.write_text("artist_id,tag,weight\na000,odd,1\na001,odd,2\n")
    placed = build_snapshot(Tables.open(folder), Recipe(), tmp_path / "s", keep=named_snapshot)
    assert parts_of(named_model, placed, "tags").shape == (0, named_model.dim)
    without = embed(named_model, named_snapshot, only=["audio", "cf"])
    np.testing.assert_array_equal(embed(named_model, placed).vectors, without.vectors)


def test_their_version_says_who_is_left_out_and_has_the_same_conditions(
    named_model: Model, strangers: Snapshot, tmp_path: Path
) -> None:
    version = build_version(named_model, strangers, tmp_path)
    assert version.manifest["quality_checks"]["passed"]
    assert version.modalities == ["cf", "tags"]
    # of 60 artists the last has no modality, and of the 59 others 11 (4, 9, ... 54) have no tags
    assert version.manifest["counts"]["by_pattern"] == {"nothing": 12, "tags": 48}
    assert version.manifest["counts"]["not_embedded"] == {"no input": 12}
    for actual, expected in zip(conditions_of(version), conditions_of(strangers), strict=True):
        assert (actual.name, actual.rows.tolist()) == (expected.name, expected.rows.tolist())
    assert conditions_of(strangers)[1].rows.tolist() == []
    assert not restrict(version, ["cf"]).any()


def test_a_version_that_embeds_nobody_fails_its_gate(
    named_snapshot: Snapshot, strangers: Snapshot, tmp_path: Path
) -> None:
    model = train("single-cf", load_config("single-cf")[1], named_snapshot, tmp_path)
    version = build_version(model, strangers, tmp_path / "v")
    failed = [check["name"] for check in version.manifest["quality_checks"]["checks"] if not check["passed"]]
    assert failed == ["artists embedded"]
    assert version.manifest["counts"]["not_embedded"] == {"no input": 12, "no usable input: has none of cf": 48}
