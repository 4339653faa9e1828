from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from riyl.core.catalog.tables import Tables
from riyl.core.errors import FormatError
from riyl.core.storage.snapshot import Snapshot, seal_snapshot
from riyl.training.features.build import build_snapshot
from riyl.training.features.cf import CfFeaturizer
from riyl.training.features.featurizer import load_featurizer
from riyl.training.features.recipe import Recipe
from tests.conftest import REPOSITORY, SMALL_RECIPE, small_world

ARTIFACTS = REPOSITORY / "tests" / "artifacts"


def test_a_basis_read_back_places_artists_alike(snapshot: Snapshot) -> None:
    featurizer = load_featurizer(snapshot)
    assert featurizer.recipe == SMALL_RECIPE
    audio = snapshot.modalities["audio"].vectors
    np.testing.assert_array_equal(featurizer.modalities["audio"].transform(np.array(audio)), audio)


def test_a_damaged_basis_is_refused(snapshot: Snapshot, tmp_path: Path) -> None:
    copy = tmp_path / snapshot.id
    shutil.copytree(snapshot.folder, copy)
    path = copy / "featurizer" / "cf.safetensors"
    path.write_bytes(path.read_bytes()[:-9])
    seal_snapshot(copy, snapshot.manifest)
    with pytest.raises(FormatError, match=r"cf\.safetensors: damaged, found no featurizer"):
        load_featurizer(Snapshot.open(copy))


@pytest.mark.parametrize(
    ("listeners", "message"),
    [
        ({"listeners": np.array([2, 1], np.int32)}, "listeners that are none or out of order"),
        ({"listeners": np.array([0, 36], np.int32)}, "wanted ascending ones from 0 to 35"),
        ({"listeners": np.array([-1, 3], np.int32)}, "wanted ascending ones from 0 to 35"),
        ({"listeners": np.array([0, 1], np.int64)}, r"int64 of shape \(2,\); wanted int32"),
        ({"listener_factors": np.ones((3, 2), np.float32)}, r"wanted float32 of shape \(36, None\)"),
        ({"listeners": None}, "no featurizer"),
    ],
)
def test_damaged_factors_of_listeners_are_refused(
    snapshot: Snapshot, listeners: dict[str, np.ndarray | None], message: str, tmp_path: Path
) -> None:
    copy = tmp_path / snapshot.id
    shutil.copytree(snapshot.folder, copy)
    path = copy / "featurizer" / "cf.safetensors"
    arrays = load_file(path)
    if (places := listeners.get("listeners")) is not None:
        arrays["listener_factors"] = arrays["listener_factors"][: len(places)]
    arrays |= {name: array for name, array in listeners.items() if array is not None}
    save_file({name: array for name, array in arrays.items() if listeners.get(name, array) is not None}, path)
    seal_snapshot(copy, snapshot.manifest)
    with pytest.raises(FormatError, match=rf"cf\.safetensors: damaged, .*{message}"):
        load_featurizer(Snapshot.open(copy))


@pytest.mark.parametrize(("number", "blocks"), [(2, []), (3, ["listeners"])])
def test_a_featurizer_of_every_format_featurizes_as_it_did(number: int, blocks: list[str], tmp_path: Path) -> None:
    """Keep the featurizer of tests/artifacts: the first 16 artists of the small world, as each format was written."""
    stored = Snapshot.open(ARTIFACTS / f"featurizer-{number}", verify=True)
    cf = load_featurizer(stored).modalities["cf"]
    assert isinstance(cf, CfFeaturizer)
    assert (cf.listeners is None) == (cf.recipe.listener_factors == 0) == (not blocks)
    placed = build_snapshot(Tables.open(small_world(tmp_path / "t", n=16)), Recipe(), tmp_path / "s", keep=stored)
    assert placed.featurizer_id == stored.featurizer_id
    assert placed.manifest["recipe"] == stored.manifest["recipe"]
    for name, modality in stored.modalities.items():
        assert list(modality.blocks) == (blocks if name == "cf" else [])
        np.testing.assert_allclose(placed.modalities[name].vectors, modality.vectors, atol=1e-5)
        for block, numbers in modality.blocks.items():
            np.testing.assert_allclose(placed.modalities[name].blocks[block], numbers, atol=1e-5)


def test_a_featurizer_of_a_later_format_is_refused(snapshot: Snapshot, tmp_path: Path) -> None:
    copy = tmp_path / snapshot.id
    shutil.copytree(snapshot.folder, copy)
    (copy / "featurizer" / "featurizer.json").write_text('{"format": 4}')
    seal_snapshot(copy, snapshot.manifest)
    with pytest.raises(FormatError, match="found featurizer format 4; this RIYL reads formats 2 to 3"):
        load_featurizer(Snapshot.open(copy))
