from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import riyl.training.cca.views
from riyl.core.catalog.tables import Tables
from riyl.core.errors import InputError
from riyl.core.storage.snapshot import Snapshot
from riyl.training.cca.block_fit import draw_fourier_features
from riyl.training.cca.blocks import RandomFourierFeatures
from riyl.training.cca.views import View, moments, open_view
from riyl.training.config import CcaConfig
from riyl.training.config_sections import BlockWeights
from riyl.training.features.build import build_snapshot
from tests.conftest import SMALL_RECIPE, small_world, snapshot_of


def naive(snapshot: Snapshot, name: str, evidence: float) -> np.ndarray:
    """Compute z of every artist, (n, width), NaN where it lacks the modality."""
    modality = snapshot.modalities[name]
    vectors = np.array(modality.vectors, np.float64)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = vectors / lengths
    norm_shrinkage = evidence * np.sqrt((lengths**2).mean())
    z = np.full((snapshot.n_artists, modality.width), np.nan)
    z[modality.rows] = lengths / np.sqrt(lengths**2 + norm_shrinkage**2) * (unit - unit.mean(axis=0))
    return z


@pytest.mark.parametrize("chunk", [1 << 15, 7])
def test_moments_are_those_of_the_artists_that_have_both(
    snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(riyl.training.cca.views, "CHUNK", chunk)
    evidence = {"audio": 0.0, "cf": 0.5, "tags": 2.0}
    config = CcaConfig(method="cca", tfidf_dims=0, norm_shrinkage=evidence)
    views = {m: open_view(snapshot, m, config, 0) for m in evidence}
    moments_by_pair = moments(views, snapshot.n_artists)
    assert sorted(moments_by_pair) == [
        ("audio", "audio"),
        ("audio", "cf"),
        ("audio", "tags"),
        ("cf", "cf"),
        ("cf", "tags"),
        ("tags", "tags"),
    ]
    for (a, b), moment in moments_by_pair.items():
        x, y = naive(snapshot, a, evidence[a]), naive(snapshot, b, evidence[b])
        both = ~np.isnan(x[:, 0]) & ~np.isnan(y[:, 0])
        assert moment.n == both.sum()
        wanted = np.cov(x[both].T, y[both].T, bias=True)[: x.shape[1], x.shape[1] :]
        np.testing.assert_allclose(moment.covariance, wanted, atol=1e-7)
        np.testing.assert_allclose(moment.left, x[both].mean(axis=0), atol=1e-7)


def test_artists_that_are_all_alike_are_refused(tmp_path: Path) -> None:
    ids = [f"a{i}" for i in range(6)]
    alike = snapshot_of(tmp_path, ids, mood={"artist_id": ids, "vector": [[3.0, 4.0]] * 6})
    with pytest.raises(InputError, match="modality mood: found the same vector for all 6 artists"):
        open_view(alike, "mood", CcaConfig(method="cca"), 0)


def test_waves_are_a_gaussian_kernel_as_wide_as_asked_for(snapshot: Snapshot) -> None:
    vectors = np.array(snapshot.modalities["audio"].vectors, np.float64)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    distances = np.linalg.norm(unit[:, None] - unit[None], axis=2)
    width = 0.7 * np.median(distances[np.triu_indices(len(unit), 1)])
    both = draw_fourier_features(unit, 4096, 0.7, 0).append_to(unit)
    np.testing.assert_array_equal(both[:, :8], unit)
    kernel = np.exp(-(distances**2) / (2 * width**2))
    np.testing.assert_allclose(both[:, 8:] @ both[:, 8:].T, kernel, atol=0.09)


def test_a_modality_has_the_waves_that_its_artists_allow(snapshot: Snapshot) -> None:
    config = CcaConfig(method="cca", n_fourier_features={"audio": 30, "cf": 2}, min_artists_per_feature=10)
    audio, cf, tags = (open_view(snapshot, m, config, 0) for m in ("audio", "cf", "tags"))
    drawn = features_of(audio)
    assert drawn is not None
    assert drawn.phases.shape == (5,)  # 59 artists have it
    assert audio.width == 8 + 5
    of_cf = features_of(cf)
    assert of_cf is not None
    assert of_cf.phases.shape == (2,)
    assert features_of(tags) is None
    vectors = np.array(snapshot.modalities["audio"].vectors, np.float64)
    both = drawn.append_to(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
    np.testing.assert_allclose(audio.read(0, 59), both - both.mean(axis=0), atol=1e-6)
    again = features_of(open_view(snapshot, "audio", config, 0))
    assert again is not None
    np.testing.assert_array_equal(again.frequencies, drawn.frequencies)


def features_of(view: View) -> RandomFourierFeatures | None:
    (block,) = view.blocks
    return block.fourier_features


def unit_z(x: np.ndarray, shrinkage: float = 0.0) -> np.ndarray:
    """Compute z of a block of directions by its definition; rows of zeros have a z of zeros."""
    lengths = np.linalg.norm(x, axis=1)
    here = lengths > 0
    unit = np.zeros_like(x)
    unit[here] = x[here] / lengths[here, None]
    softening = shrinkage * np.sqrt((lengths[here] ** 2).mean())
    gate = np.zeros(len(x))
    gate[here] = lengths[here] / np.sqrt(lengths[here] ** 2 + softening**2)
    return gate[:, None] * (unit - unit[here].mean(axis=0))


def test_tags_are_read_as_terms_words_and_ngrams_each_with_its_weight(snapshot: Snapshot) -> None:
    shrinkage = {"tags": 0.5}
    weights = {"main": 1.0, "words": 0.5, "ngrams": 2.0}
    only = {name: BlockWeights.model_validate({"main": 0, name: 1}) for name in weights}
    alone = {
        name: open_view(snapshot, "tags", CcaConfig(method="cca", blocks={"tags": only[name]}), 0) for name in only
    }
    together = open_view(
        snapshot, "tags", CcaConfig(method="cca", blocks={"tags": BlockWeights(**weights)}, norm_shrinkage=shrinkage), 0
    )
    n = len(snapshot.modalities["tags"].rows)
    x = {name: view.reader.read(view.modality, 0, n) for name, view in alone.items()}
    wanted = np.hstack([weights[name] * unit_z(x[name], 0.5) for name in weights])
    np.testing.assert_allclose(together.read(0, n), wanted, atol=1e-6)
    np.testing.assert_allclose(together.take(np.array([3, 1])), wanted[[3, 1]], atol=1e-6)


def test_cf_is_read_as_factors_and_listeners(snapshot: Snapshot) -> None:
    config = CcaConfig(method="cca", blocks={"cf": BlockWeights(listeners=0.5)})
    view = open_view(snapshot, "cf", config, 0)
    cf = snapshot.modalities["cf"]
    wanted = [unit_z(np.array(cf.vectors, np.float64)), 0.5 * unit_z(np.array(cf.blocks["listeners"], np.float64))]
    np.testing.assert_allclose(view.read(0, len(cf.rows)), np.hstack(wanted), atol=1e-6)
    listeners = open_view(snapshot, "cf", CcaConfig(method="cca", blocks={"cf": BlockWeights(main=0, listeners=1)}), 0)
    np.testing.assert_allclose(listeners.read(0, len(cf.rows)), 2 * wanted[1], atol=1e-6)


def test_blocks_are_those_of_the_artists_that_are_not_held_out(tmp_path: Path) -> None:
    recipe = SMALL_RECIPE.model_copy(update={"holdout": 0.3})
    snapshot = build_snapshot(Tables.open(small_world(tmp_path / "t")), recipe, tmp_path / "s")
    cf, config = snapshot.modalities["cf"], CcaConfig(method="cca", blocks={"cf": BlockWeights(main=0, listeners=1)})
    rest = ~snapshot.holdout[cf.rows]
    view = open_view(snapshot, "cf", config, 0)
    np.testing.assert_array_equal(view.modality.rows, cf.rows[rest])
    wanted = unit_z(np.array(cf.blocks["listeners"], np.float64)[rest])
    np.testing.assert_allclose(view.read(0, int(rest.sum()))[:, -wanted.shape[1] :], wanted, atol=1e-6)


def test_blocks_that_a_modality_cannot_have_are_ignored(snapshot: Snapshot) -> None:
    plain = {m: open_view(snapshot, m, CcaConfig(method="cca", tfidf_dims=0), 0) for m in ("audio", "cf", "tags")}
    blocks = {
        "audio": BlockWeights(main=0, words=1, listeners=1),
        "cf": BlockWeights(columns=1),
        "tags": BlockWeights(words=1),
    }
    config = CcaConfig(method="cca", tfidf_dims=0, blocks=blocks)
    for name, view in plain.items():
        other = open_view(snapshot, name, config, 0)
        np.testing.assert_array_equal(other.read(0, 20), view.read(0, 20))


def test_a_modality_of_sets_without_any_shared_word_keeps_its_other_blocks(tmp_path: Path) -> None:
    ids = [f"a{i}" for i in range(6)]
    tags = {"artist_id": ids * 2, "tag": ["xyz"] * 3 + ["qrs"] * 3 + ["lmn"] * 2 + ["opq"] * 4, "weight": [1.0] * 12}
    alike = snapshot_of(tmp_path, ids, tags=tags)
    config = CcaConfig(method="cca", blocks={"tags": BlockWeights(words=1, ngrams=1)})
    view = open_view(alike, "tags", config, 0)
    assert np.isfinite(view.read(0, 6)).all()
    assert len(view.blocks) == 3
