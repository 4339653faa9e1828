from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import scipy.linalg
from sklearn.cross_decomposition import CCA

from riyl.core.catalog.tables import Tables
from riyl.core.errors import ConfigError, InputError
from riyl.core.storage.model import Model
from riyl.core.storage.scoring_settings import ScoringSettings
from riyl.core.storage.snapshot import Snapshot
from riyl.index.build.build import build_version
from riyl.index.encoding.embed import embed, parts_of
from riyl.training.cca.fit import append_modality_columns, canonical, fit_cca, reduce_dim
from riyl.training.cca.views import Moment
from riyl.training.config import CcaConfig, config_of, load_config
from riyl.training.features.build import build_snapshot
from riyl.training.train import train
from tests.conftest import SMALL_RECIPE, small_world, snapshot_of, write_tables
from tests.training.features.others import world_without

PLAIN = CcaConfig(method="cca", tfidf_dims=0)


def moments_of(**views: np.ndarray) -> dict[tuple[str, str], Moment]:
    """Compute the moments of matrices that have NaN rows where an artist lacks the modality."""
    moments = {}
    for a, x in views.items():
        for b, y in views.items():
            both = ~np.isnan(x[:, 0]) & ~np.isnan(y[:, 0])
            if a <= b and both.any():
                x2, y2 = x[both], y[both]
                moments[a, b] = Moment(len(x2), x2.mean(axis=0), y2.mean(axis=0), x2.T @ y2 / len(x2))
    return moments


def latent_views(seed: int, n: int = 400) -> dict[str, np.ndarray]:
    """Draw three modalities of 5, 4 and 6 numbers that share three directions."""
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((n, 3))
    views = {
        name: z @ rng.standard_normal((3, width)) + noise * rng.standard_normal((n, width))
        for name, width, noise in (("a", 5, 0.7), ("b", 4, 1.0), ("c", 6, 1.4))
    }
    return {name: x - x.mean(axis=0) for name, x in views.items()}


def test_two_modalities_give_scikit_learns_canonical_variates() -> None:
    views = latent_views(0)
    x, y = views["a"], views["b"]
    config = PLAIN.model_copy(update={"ridge": 1e-9, "shared": 3, "correlation_exponent": 0.0})
    projections = canonical(moments_of(a=x, b=y), ["a", "b"], config)
    theirs = CCA(3, max_iter=5000, tol=1e-12).fit(x, y).transform(x, y)
    for projected, reference in zip((x @ projections["a"], y @ projections["b"]), theirs, strict=True):
        for column in range(3):
            assert abs(np.corrcoef(projected[:, column], reference[:, column])[0, 1]) > 0.9999


@pytest.mark.parametrize("correlation_exponent", [0.0, 0.5, 1.0])
def test_projections_solve_the_generalised_eigenproblem(correlation_exponent: float) -> None:
    views = latent_views(1)
    views["a"][:80] = np.nan
    views["c"][60:150] = np.nan
    moments = moments_of(**views)
    config = PLAIN.model_copy(update={"ridge": 0.2, "shared": 4, "correlation_exponent": correlation_exponent})
    projections = canonical(moments, ["a", "b", "c"], config)
    # an independent way: all covariances against the block-diagonal ones, with ridge, by scipy
    widths, names = [5, 4, 6], ["a", "b", "c"]
    ends = np.cumsum([0, *widths])
    every, block_diagonal = np.zeros((15, 15)), np.zeros((15, 15))
    for i, a in enumerate(names):
        for j, b in enumerate(names):
            block = moments[a, b].covariance if a <= b else moments[b, a].covariance.T
            if a == b:
                block = block + 0.2 * np.trace(block) / len(block) * np.eye(len(block))
                block_diagonal[ends[i] : ends[i + 1], ends[i] : ends[i + 1]] = block
            every[ends[i] : ends[i + 1], ends[j] : ends[j + 1]] = block
    values, vectors = scipy.linalg.eigh(every, block_diagonal)
    correlations = (values[::-1][:4] - 1) / 2
    wanted = vectors[:, ::-1][:, :4] * correlations**correlation_exponent
    stacked = np.vstack([projections[name] for name in names])
    ratios = stacked / wanted
    np.testing.assert_allclose(np.abs(ratios), np.abs(ratios[0, 0]), rtol=1e-6)
    lengths = [np.sqrt(np.nanmean(((views[name] @ projections[name]) ** 2).sum(axis=1))) for name in names]
    assert np.mean(lengths) == pytest.approx(1, abs=1e-9)


def test_modalities_that_nobody_has_both_of_still_meet_through_a_third() -> None:
    views = latent_views(2)
    views["a"][:200] = np.nan
    views["b"][200:] = np.nan
    moments = moments_of(**views)
    assert ("a", "b") not in moments
    projections = canonical(moments, ["a", "b", "c"], PLAIN.model_copy(update={"shared": 2}))
    truth = latent_views(2)
    projected_a, projected_b = truth["a"] @ projections["a"], truth["b"] @ projections["b"]
    for i in range(2):
        assert np.corrcoef(projected_a[:, i], projected_b[:, i])[0, 1] > 0.3  # 0.07 is chance's deviation


def test_more_numbers_than_artists_and_constant_columns_are_borne() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((5, 9)), rng.standard_normal((5, 7))
    x[:, 2] = 0
    projections = canonical(moments_of(a=x - x.mean(axis=0), b=y - y.mean(axis=0)), ["a", "b"], PLAIN)
    assert projections["a"].shape == (9, 4)  # five centred artists span four directions
    assert all(np.isfinite(p).all() for p in projections.values())
    np.testing.assert_allclose(projections["a"][2], 0, atol=1e-12)


def test_what_is_not_correlated_at_all_is_refused() -> None:
    x = np.array([[1.0], [1.0], [-1.0], [-1.0]])
    y = np.array([[1.0], [-1.0], [1.0], [-1.0]])
    with pytest.raises(InputError, match="found no direction that a, b share"):
        canonical(moments_of(a=x, b=y), ["a", "b"], PLAIN)


def test_a_private_block_has_the_length_of_its_weight_and_is_nobody_elses() -> None:
    views = latent_views(3)
    moments = moments_of(**views)
    shared = canonical(moments, ["a", "b", "c"], PLAIN.model_copy(update={"shared": 2}))
    projections = append_modality_columns(shared, moments, {"c": 0.5, "a": 0.0})
    assert {name: p.shape for name, p in projections.items()} == {"a": (5, 8), "b": (4, 8), "c": (6, 8)}
    assert not projections["a"][:, 2:].any()
    specific_columns = views["c"] @ projections["c"][:, 2:]
    np.testing.assert_allclose(specific_columns / views["c"], specific_columns[0, 0] / views["c"][0, 0])
    assert np.sqrt((specific_columns**2).sum(axis=1).mean()) == pytest.approx(0.5)
    passed_over = append_modality_columns(shared, moments, {"d": 1.0})
    assert all((passed_over[name] == shared[name]).all() for name in shared)


def test_narrowing_keeps_the_principal_directions_of_all_parts() -> None:
    views = latent_views(4)
    moments = moments_of(**views)
    wide = append_modality_columns(canonical(moments, ["a", "b", "c"], PLAIN), moments, {"b": 1.0})
    projections = reduce_dim(wide, moments, 6)
    stacked = np.vstack([views[name] @ wide[name] for name in views])
    _, _, right = np.linalg.svd(stacked, full_matrices=False)
    reduced = np.vstack([views[name] @ projections[name] for name in views])
    wanted = stacked @ right[:6].T
    np.testing.assert_allclose(reduced @ reduced.T, wanted @ wanted.T, atol=1e-9)
    assert reduce_dim(wide, moments, 256) is wide


@pytest.fixture(scope="module")
def model(snapshot: Snapshot, tmp_path_factory: pytest.TempPathFactory) -> Model:
    return train(*load_config("default"), snapshot, tmp_path_factory.mktemp("models"))


def test_parts_of_some_rows_are_those_of_all(snapshot: Snapshot, model: Model) -> None:
    at = np.array([7, 2, 2, 11])
    for modality in model.parts:
        selected = parts_of(model, snapshot, modality, at=at)
        np.testing.assert_allclose(selected, parts_of(model, snapshot, modality)[at], atol=1e-6)


def test_the_default_tells_the_scenes_apart_whatever_is_known(snapshot: Snapshot, model: Model) -> None:
    scene = np.arange(snapshot.n_artists) % 3
    for only in (None, ["tags"], ["cf"], ["audio"]):
        embedding = embed(model, snapshot, only=only)
        rows = np.flatnonzero(embedding.covered)
        cosines = embedding.vectors[rows] @ embedding.vectors[rows].T
        same = scene[rows][:, None] == scene[rows]
        assert cosines[same].mean() > cosines[~same].mean() + 0.5


def test_the_same_settings_give_the_same_bytes_and_the_card_says_how_to_score(
    snapshot: Snapshot, model: Model, tmp_path: Path
) -> None:
    name, config = load_config("default")
    again = train(name, config, snapshot, tmp_path)
    assert again.id == model.id
    for modality in model.parts:
        assert again.onnx(modality).read() == model.onnx(modality).read()
    assert isinstance(config, CcaConfig)
    assert model.scoring == ScoringSettings(**config.scoring.model_dump())
    assert model.scoring.hubness > 0


def test_the_card_has_the_weights_of_balanced_biases(snapshot: Snapshot, tmp_path: Path) -> None:
    settings = ["scoring.balanced={200=0.5, 25=0.25}", "scoring.target_exponent=0.2", "scoring.sweeps=2"]
    model = Model.open(train(*load_config("cca", settings), snapshot, tmp_path).folder)
    assert model.card["scoring"]["balanced"] == {"25": 0.25, "200": 0.5}
    scoring = model.scoring
    assert (scoring.weights_by_depth, scoring.target_exponent, scoring.sweeps) == ({25: 0.25, 200: 0.5}, 0.2, 2)
    assert config_of(model) == load_config("cca", settings)[1]


def test_a_model_from_before_there_was_scoring_corrects_nothing(snapshot: Snapshot, tmp_path: Path) -> None:
    pca = train(*load_config("pca"), snapshot, tmp_path)
    assert "scoring" not in pca.card
    assert pca.scoring == ScoringSettings(hubness=0, calibration=0)


def test_a_fourth_modality_takes_part_without_a_line_of_code(world: Path, snapshot: Snapshot, tmp_path: Path) -> None:
    folder = tmp_path / "tables"
    small_world(folder)
    rng = np.random.default_rng(5)
    ids = pq.read_table(folder / "artists.parquet").column("artist_id").to_pylist()
    # texts of artists from 30 on; of the last of these nothing else is known
    texts = [(i, (np.eye(5)[i % 3] + 0.2 * rng.standard_normal(5)).tolist()) for i in range(30, 60)]
    write_tables(folder, biography={"artist_id": [ids[i] for i, _ in texts], "vector": [v for _, v in texts]})
    four = build_snapshot(Tables.open(folder), SMALL_RECIPE, tmp_path / "snapshots")
    model = train(*load_config("default"), four, tmp_path / "models")
    assert list(model.parts) == ["audio", "biography", "cf", "tags"]
    version = build_version(model, four, tmp_path / "versions")
    assert version.manifest["quality_checks"]["passed"]
    assert version.has_embedding[59]
    nearest = version.neighbours[59, :10]
    assert np.mean(nearest % 3 == 59 % 3) >= 0.8  # found by its text among those known by tags, plays and sound


def test_the_default_needs_none_of_the_modalities_that_it_names(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    ids = [f"a{i:02d}" for i in range(40)]
    scenes = np.eye(3)[np.arange(40) % 3]
    views = {m: [(v + 0.1 * rng.standard_normal(3)).tolist() for v in scenes] for m in ("mood", "text")}
    tables = {m: {"artist_id": ids, "vector": vectors} for m, vectors in views.items()}
    two = snapshot_of(tmp_path, ids, **tables)
    embedding = embed(train(*load_config("default"), two, tmp_path / "m"), two, only=["text"])
    cosines = embedding.vectors @ embedding.vectors.T
    same = np.equal.outer(np.arange(40) % 3, np.arange(40) % 3)
    assert cosines[same].min() > cosines[~same].max()


def test_one_modality_alone_is_refused_with_the_command_that_works(tmp_path: Path) -> None:
    ids = [f"a{i}" for i in range(6)]
    alone = snapshot_of(tmp_path, ids, audio={"artist_id": ids, "vector": [[1.0, float(i)] for i in range(6)]})
    with pytest.raises(ConfigError, match="has only audio; cca needs at least two modalities") as refused:
        fit_cca(PLAIN, alone, 0)
    command = f"riyl train --config single-audio --snapshot {alone.id}"
    assert command in str(refused.value)
    # the command that the message names works
    assert train(*load_config("single-audio"), alone, tmp_path / "m").parts.keys() == {"audio"}


def test_modalities_that_no_artist_shares_are_refused(tmp_path: Path) -> None:
    ids = [f"a{i}" for i in range(6)]
    vectors = [[1.0, float(i)] for i in range(3)]
    halves = {"audio": {"artist_id": ids[:3], "vector": vectors}, "mood": {"artist_id": ids[3:], "vector": vectors}}
    apart = snapshot_of(tmp_path, ids, **halves)
    with pytest.raises(InputError, match="found no artist with two of audio, mood"):
        fit_cca(PLAIN, apart, 0)


def test_it_is_fitted_without_the_held_out(tmp_path: Path) -> None:
    recipe = SMALL_RECIPE.model_copy(update={"holdout": 0.3})
    snapshot = build_snapshot(Tables.open(small_world(tmp_path / "t")), recipe, tmp_path / "s")
    out = [artist for artist, held in zip(snapshot.artist_ids, snapshot.holdout.tolist(), strict=True) if held]
    bare = build_snapshot(Tables.open(world_without(tmp_path / "bare", out)), SMALL_RECIPE, tmp_path / "s")
    config = CcaConfig(method="cca", norm_shrinkage={"tags": 0.5}, modality_specific_weight={"tags": 1.0})
    (actual, _), (expected, _) = fit_cca(config, snapshot, 0), fit_cca(config, bare, 0)
    assert list(actual) == list(expected) == ["audio", "cf", "tags"]
    for name, part in actual.items():
        for block, other in zip(part.blocks, expected[name].blocks, strict=True):
            np.testing.assert_allclose(block.mean, other.mean, atol=1e-6)
        np.testing.assert_allclose(part.weights, expected[name].weights, atol=1e-5)
