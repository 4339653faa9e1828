"""A model that takes a block beside the vectors of a modality: snapshots, new artists, and snapshots without blocks."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from riyl.core.catalog.tables import Tables
from riyl.core.errors import InputError, MismatchError
from riyl.core.storage.model import Model, Part
from riyl.core.storage.snapshot import Snapshot
from riyl.core.types import Matrix
from riyl.index.encoding.cold_start import ColdEncoder
from riyl.index.encoding.embed import embed
from riyl.index.encoding.onnx_inputs import onnx_inputs_of
from riyl.training.features.build import build_snapshot
from tests.conftest import SMALL_RECIPE, small_world
from tests.index.blocks import DIM, input_of, model_with_blocks


@pytest.fixture(scope="module")
def made(snapshot: Snapshot, tmp_path_factory: pytest.TempPathFactory) -> tuple[Model, dict[str, Matrix]]:
    return model_with_blocks(snapshot, tmp_path_factory.mktemp("models"))


def naive(snapshot: Snapshot, maps: dict[str, Matrix]) -> Matrix:
    """Embed all artists without ONNX."""
    sums = np.zeros((snapshot.n_artists, DIM))
    for name, weights in maps.items():
        sums[snapshot.modalities[name].rows] += input_of(snapshot, name).astype(float) @ weights
    norms = np.linalg.norm(sums, axis=1, keepdims=True)
    return np.asarray(sums / np.where(norms > 0, norms, 1), np.float32)


def test_the_block_follows_the_vector(snapshot: Snapshot, made: tuple[Model, dict[str, Matrix]]) -> None:
    model, maps = made
    assert model.parts["cf"] == Part("vector", 5 + 36, blocks=("listeners",))
    np.testing.assert_allclose(embed(model, snapshot).vectors, naive(snapshot, maps), atol=1e-5)


def test_an_artist_from_plays_or_numbers_is_that_of_the_catalog(
    world: Path, snapshot: Snapshot, made: tuple[Model, dict[str, Matrix]]
) -> None:
    model, maps = made
    encoder = ColdEncoder.open(model, snapshot)
    plays: dict[str, dict[str, float]] = defaultdict(dict)
    for row in pq.read_table(world / "plays.parquet").to_pylist():
        plays[row["artist_id"]][row["user_id"]] = row["count"]
    numbers = input_of(snapshot, "cf")
    for at, row in enumerate(snapshot.modalities["cf"].rows):
        expected = numbers[at].astype(float) @ maps["cf"]
        counts = plays[snapshot.artist_ids[row]]
        encoded = encoder.from_plays(dict(reversed(counts.items())) | {"stranger": 5})
        assert encoded.unknown == ("stranger",)
        np.testing.assert_allclose(encoded.part, expected, atol=1e-4, rtol=1e-5)
        np.testing.assert_allclose(encoder.from_vector("cf", numbers[at]), expected, atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("width", [5, 36, 42])
def test_a_vector_is_given_with_its_blocks(
    width: int, snapshot: Snapshot, made: tuple[Model, dict[str, Matrix]]
) -> None:
    encoder = ColdEncoder.open(made[0], snapshot)
    with pytest.raises(InputError, match=rf"cf with listeners: found an array of shape \({width},\); wanted 41 numb"):
        encoder.from_vector("cf", [1.0] * width)


def test_other_tables_are_featurized_with_their_blocks(
    snapshot: Snapshot, made: tuple[Model, dict[str, Matrix]], tmp_path: Path
) -> None:
    model, maps = made
    other = Tables.open(small_world(tmp_path / "t", n=20, seed=4))
    placed = build_snapshot(other, SMALL_RECIPE, tmp_path / "s", keep=snapshot)
    np.testing.assert_allclose(embed(model, placed).vectors, naive(placed, maps), atol=1e-5)


def test_a_block_that_is_missing_or_of_another_width_is_refused(snapshot: Snapshot) -> None:
    cf = snapshot.modalities["cf"]
    takes = Part("vector", 41, blocks=("listeners",))
    with pytest.raises(MismatchError, match="cf: found no block listeners; the model wants it"):
        onnx_inputs_of(takes, replace(cf, blocks={}), lambda: np.empty((0, 0), np.float32))
    with pytest.raises(MismatchError, match="cf: found width 41; the model wants 40"):
        onnx_inputs_of(replace(takes, width=40), cf, lambda: np.empty((0, 0), np.float32))
