from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import riyl.training.cca.views
from riyl.core.errors import InputError
from riyl.core.storage.snapshot import Snapshot
from riyl.training.cca.views import draw_fourier_features, moments, open_view
from riyl.training.config import CcaConfig
from tests.conftest import snapshot_of


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
        np.testing.assert_allclose(moment.covariance, wanted, atol=1e-12)
        np.testing.assert_allclose(moment.left, x[both].mean(axis=0), atol=1e-12)


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
    assert audio.fourier_features is not None
    assert audio.fourier_features.phases.shape == (5,)  # 59 artists have it
    assert audio.width == 8 + 5
    assert cf.fourier_features is not None
    assert cf.fourier_features.phases.shape == (2,)
    assert tags.fourier_features is None
    vectors = np.array(snapshot.modalities["audio"].vectors, np.float64)
    both = audio.fourier_features.append_to(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
    np.testing.assert_allclose(audio.read(0, 59), both - both.mean(axis=0), atol=1e-9)
    again = open_view(snapshot, "audio", config, 0).fourier_features
    assert again is not None
    np.testing.assert_array_equal(again.frequencies, audio.fourier_features.frequencies)
