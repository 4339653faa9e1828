from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

import riyl.training.features.listeners
import riyl.training.features.tfidf
from riyl.core.catalog.tables import Tables
from riyl.core.storage.snapshot import Snapshot
from riyl.training.features.build import build_snapshot
from riyl.training.features.listeners import ListenerFactors, fit_listeners
from riyl.training.features.recipe import CfRecipe, Recipe
from tests.conftest import SMALL_RECIPE, snapshot_of

N_LISTENERS = 20


def counts_of(seed: int) -> np.ndarray:
    """Draw counts of 40 artists by 20 listeners: 0 has no artist, 5 has one, 9 has all; the last artist has only 5."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, 40, (40, N_LISTENERS)) * (rng.random((40, N_LISTENERS)) < 0.3)
    counts[:, 0] = counts[:, 5] = 0
    counts[:, 9] = 3
    counts[-1] = 0
    counts[-1, 5] = 8
    return counts.astype(np.float64)


def naive(counts: np.ndarray, dims: int) -> np.ndarray:
    """Compute the vectors of all artists by a dense SVD."""
    frequency = (counts > 0).sum(axis=0)
    logs = np.log(1 + np.where(frequency >= 2, counts, 0))
    n = int(np.any(logs > 0, axis=1).sum())
    weighted = logs * np.log((n + 1) / np.maximum(frequency, 1))
    norms = np.linalg.norm(weighted, axis=1, keepdims=True)
    right = np.linalg.svd(weighted / np.where(norms > 0, norms, 1), full_matrices=False)[2][:dims]
    return np.asarray(weighted @ right.T)


def fitted(counts: np.ndarray, dims: int, seed: int = 0) -> ListenerFactors:
    factors = fit_listeners(sp.csr_matrix(counts), dims, seed)
    assert factors is not None
    return factors


@pytest.mark.parametrize("dims", [4, 300])
def test_products_of_artists_are_those_of_a_dense_svd(dims: int) -> None:
    counts = counts_of(0)
    factors = fitted(counts, dims)
    assert factors.places.tolist() == [u for u in range(N_LISTENERS) if u not in (0, 5)]
    vectors, expected = factors.transform(sp.csr_matrix(counts)), naive(counts, dims)
    assert vectors.shape == (40, min(dims, 18))
    np.testing.assert_allclose(vectors @ vectors.T, expected @ expected.T, atol=1e-4)
    assert not vectors[-1].any()  # its one listener has no other artist


def test_the_factor_of_the_only_listener_is_its_document_frequency() -> None:
    # two artists of three have it: idf = log(3 / 2), and the only singular vector is 1
    factors = fitted(np.array([[1.0], [7.0], [0.0]]), 300)
    np.testing.assert_allclose(factors.factors, [[np.log(1.5)]], rtol=1e-6)
    expected = [[np.log(2) * np.log(1.5)], [np.log(8) * np.log(1.5)], [0]]
    np.testing.assert_allclose(factors.transform(sp.csr_matrix([[1.0], [7.0], [0.0]])), expected, rtol=1e-6)


def test_an_artist_by_itself_has_the_vector_that_it_has_among_others(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = sp.csr_matrix(counts_of(1))
    factors = fitted(counts.toarray(), 6)
    vectors = factors.transform(counts)
    for row in (0, 7, 39):
        np.testing.assert_allclose(factors.transform(counts[row])[0], vectors[row], atol=1e-6)
    monkeypatch.setattr(riyl.training.features.listeners, "CHUNK", 7)
    np.testing.assert_allclose(factors.transform(counts), vectors, atol=1e-6)
    assert factors.transform(counts[:0]).shape == (0, 6)


def test_a_seed_gives_the_same_bytes_and_chunks_the_same_factors(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = counts_of(2)
    factors = fitted(counts, 5, seed=3)
    assert fitted(counts, 5, seed=3).factors.tobytes() == factors.factors.tobytes()
    monkeypatch.setattr(riyl.training.features.tfidf, "CHUNK", 7)
    np.testing.assert_allclose(fitted(counts, 5, seed=3).factors, factors.factors, atol=1e-5)


def test_of_too_many_listeners_those_of_most_artists_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(riyl.training.features.listeners, "MAX_LISTENERS", 3)
    counts = np.zeros((6, 6))
    for listener, artists in enumerate([2, 5, 3, 3, 1, 3]):
        counts[:artists, listener] = 1
    assert fitted(counts, 2).places.tolist() == [1, 2, 3]  # of the three with three artists, the first two


def test_listeners_of_one_artist_each_have_no_factors(caplog: pytest.LogCaptureFixture) -> None:
    assert fit_listeners(sp.csr_matrix(np.eye(4)), 300, 0) is None
    assert "no_listener_factors listeners=4" in caplog.text


def plays_of(**listeners_of: str) -> dict[str, list[object]]:
    pairs = [(user, artist) for artist, users in listeners_of.items() for user in users]
    return {"user_id": [u for u, _ in pairs], "artist_id": [a for _, a in pairs], "count": [2] * len(pairs)}


def test_a_snapshot_has_the_block_of_its_plays(tmp_path: Path) -> None:
    snapshot = snapshot_of(tmp_path, ["a", "b", "c", "d"], plays=plays_of(a="uv", b="uvw", d="x"))
    cf = snapshot.modalities["cf"]
    assert cf.rows.tolist() == [0, 1, 3]
    assert list(cf.blocks) == ["listeners"]
    # u and v: two of two artists, so idf = log(3 / 2); w and x have one artist each
    expected = naive(np.array([[2, 2, 0, 0], [2, 2, 2, 0], [0, 0, 0, 2]], np.float64), 300)
    block = np.array(cf.blocks["listeners"])
    np.testing.assert_allclose(block @ block.T, expected @ expected.T, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(block[0]), np.sqrt(2) * np.log(3) * np.log(1.5), rtol=1e-6)
    assert not block[2].any()


@pytest.mark.parametrize("width", [0, 300])
def test_there_is_no_block_where_none_is_wanted_or_listeners_share_no_artist(width: int, tmp_path: Path) -> None:
    recipe = Recipe(cf=CfRecipe(factors=2, listener_factors=width))
    plays = plays_of(a="uv", b="w") if width else plays_of(a="uv", b="uv")
    snapshot = Snapshot.open(snapshot_of(tmp_path, ["a", "b"], recipe, plays=plays).folder, verify=True)
    assert snapshot.modalities["cf"].blocks == {}
    assert not any("blocks" in name for name in snapshot.files)


def test_the_block_changes_no_vector(world: Path, snapshot: Snapshot, tmp_path: Path) -> None:
    cf = SMALL_RECIPE.cf.model_copy(update={"listener_factors": 0})
    plain = build_snapshot(Tables.open(world), SMALL_RECIPE.model_copy(update={"cf": cf}), tmp_path)
    assert plain.id != snapshot.id
    assert snapshot.modalities["cf"].blocks["listeners"].shape == (51, 36)
    for name, modality in plain.modalities.items():
        assert modality.vectors.tobytes() == snapshot.modalities[name].vectors.tobytes()
        assert modality.blocks == {}


def test_unknown_listeners_count_for_nothing(tables_folder: Callable[..., Path], tmp_path: Path) -> None:
    fitted_on = snapshot_of(tmp_path, ["a", "b", "c"], plays=plays_of(a="uv", b="uvw", c="vw"))
    folder = tables_folder(
        artists={"artist_id": ["a", "n"], "name": ["A", "N"]}, plays=plays_of(a="uv", n=["u", "v", "stranger"])
    )
    placed = build_snapshot(Tables.open(folder), Recipe(), tmp_path / "s", keep=fitted_on).modalities["cf"]
    known = fitted_on.modalities["cf"].blocks["listeners"][0]
    np.testing.assert_allclose(placed.blocks["listeners"], [known, known], atol=1e-5)
