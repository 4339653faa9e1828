from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn.decomposition import PCA
from sklearn.random_projection import GaussianRandomProjection

from riyl.core.catalog.tables import Tables
from riyl.core.errors import ConfigError
from riyl.core.storage.snapshot import Snapshot
from riyl.index.encoding.embed import embed
from riyl.training.baselines import fit_baseline
from riyl.training.config import PcaConfig, ProjectionConfig, SingleConfig
from riyl.training.contrastive.inputs import chosen_modalities
from riyl.training.features.build import build_snapshot
from riyl.training.features.recipe import Recipe
from riyl.training.train import train
from tests.conftest import SMALL_RECIPE, small_world, write_tables
from tests.training.features.others import world_of_strangers, world_without


def filled(snapshot: Snapshot, unit_rows: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the concatenated modalities, with the full artists' mean for missing ones, and the full artists' mask."""
    full = np.ones(snapshot.n_artists, bool)
    blocks = []
    for modality in snapshot.modalities.values():
        rows, vectors = modality.rows, np.array(modality.vectors, np.float64)
        block = np.full((snapshot.n_artists, modality.width), np.nan)
        block[rows] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True) if unit_rows else vectors
        full &= ~np.isnan(block[:, 0])
        blocks.append(block)
    joined = np.concatenate(blocks, axis=1)
    means = joined[full].mean(axis=0)
    return np.where(np.isnan(joined), means, joined), full


def cosines(x: np.ndarray) -> np.ndarray:
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    return x @ x.T


@pytest.mark.parametrize("unit_rows", [True, False])
def test_pca_equals_scikit_learn_on_the_filled_in_concatenation(
    snapshot: Snapshot, tmp_path: Path, unit_rows: bool
) -> None:
    model = train("pca", PcaConfig(method="pca", dim=7, unit_rows=unit_rows), snapshot, tmp_path)
    embedding = embed(model, snapshot)
    joined, full = filled(snapshot, unit_rows)
    expected = PCA(7, svd_solver="full").fit(joined[full]).transform(joined)[:59]
    np.testing.assert_allclose(cosines(embedding.vectors[:59]), cosines(expected), atol=1e-4)
    assert embedding.covered.tolist() == [True] * 59 + [False]


def test_random_projection_equals_scikit_learn_on_the_centred_filled_in_concatenation(
    snapshot: Snapshot, tmp_path: Path
) -> None:
    config = ProjectionConfig(method="random-projection", dim=7)
    embedding = embed(train("rp", config, snapshot, tmp_path, seed=5), snapshot)
    joined, full = filled(snapshot, True)
    centred = joined - joined[full].mean(axis=0)
    expected = GaussianRandomProjection(7, random_state=5).fit(centred[full]).transform(centred)[:59]
    np.testing.assert_allclose(cosines(embedding.vectors[:59]), cosines(expected), atol=1e-4)


def test_components_are_as_many_as_there_can_be(snapshot: Snapshot, tmp_path: Path) -> None:
    widths = sum(m.width for m in snapshot.modalities.values())
    assert train("pca", PcaConfig(method="pca"), snapshot, tmp_path).dim == widths


def test_a_single_modality_keeps_its_own_cosines(snapshot: Snapshot, tmp_path: Path) -> None:
    embedding = embed(train("single-cf", SingleConfig(method="single", modality="cf"), snapshot, tmp_path), snapshot)
    cf = snapshot.modalities["cf"]
    assert np.flatnonzero(embedding.covered).tolist() == cf.rows.tolist()
    np.testing.assert_allclose(cosines(embedding.vectors[cf.rows]), cosines(np.array(cf.vectors)), atol=1e-5)


def test_a_modality_that_is_not_there_is_refused(snapshot: Snapshot, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="found no modality 'smell'; wanted one of audio, cf, tags"):
        train("single-smell", SingleConfig(method="single", modality="smell"), snapshot, tmp_path)


@pytest.mark.parametrize(
    "config", [PcaConfig(method="pca", dim=7), ProjectionConfig(method="random-projection", dim=7)]
)
def test_baselines_are_fitted_without_the_held_out(config: PcaConfig | ProjectionConfig, tmp_path: Path) -> None:
    recipe = SMALL_RECIPE.model_copy(update={"holdout": 0.3})
    snapshot = build_snapshot(Tables.open(small_world(tmp_path / "t")), recipe, tmp_path / "s")
    out = [artist for artist, held in zip(snapshot.artist_ids, snapshot.holdout.tolist(), strict=True) if held]
    bare = build_snapshot(Tables.open(world_without(tmp_path / "bare", out)), SMALL_RECIPE, tmp_path / "s")
    actual, expected = fit_baseline(config, snapshot, 0), fit_baseline(config, bare, 0)
    assert list(actual) == list(expected) == ["audio", "cf", "tags"]
    for name, part in actual.items():
        assert part.blocks[0].mean.tobytes() == expected[name].blocks[0].mean.tobytes()
        assert part.weights.tobytes() == expected[name].weights.tobytes()


def test_a_modality_that_nobody_has_takes_no_part(snapshot: Snapshot, tmp_path: Path) -> None:
    folder = world_of_strangers(tmp_path / "t")
    write_tables(folder, audio=pq.read_table(small_world(tmp_path / "own") / "audio.parquet").to_pydict())
    placed = build_snapshot(Tables.open(folder), Recipe(), tmp_path / "s", keep=snapshot)
    (folder / "plays.parquet").unlink()
    without = build_snapshot(Tables.open(folder), Recipe(), tmp_path / "s", keep=snapshot)
    assert (list(placed.modalities), list(without.modalities)) == (["audio", "cf", "tags"], ["audio", "tags"])
    actual, expected = (fit_baseline(PcaConfig(method="pca", dim=7), each, 0) for each in (placed, without))
    assert list(actual) == list(expected)
    assert all(part.weights.tobytes() == expected[name].weights.tobytes() for name, part in actual.items())
    assert chosen_modalities(("cf", "tags", "audio"), placed) == ["tags", "audio"]
