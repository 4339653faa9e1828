from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from riyl.core.errors import InputError
from riyl.training.features import validation
from riyl.training.features.validation import ValidationPlays, split_validation, validation_ndcg


def plays(seed: int = 0, artists: int = 40, listeners: int = 25) -> sp.csr_matrix:
    rng = np.random.default_rng(seed)
    return sp.csr_matrix(rng.poisson(0.4, (artists, listeners)) * rng.integers(1, 30, (artists, listeners)))


def split(counts: list[list[float]], held: list[tuple[int, int]]) -> ValidationPlays:
    """Build plays from counts by artists and listeners, and validation pairs (listener, artist)."""
    users, artists = np.array(held).T
    return ValidationPlays(sp.csr_matrix(counts), users, artists)


def test_kept_and_held_back_are_the_plays_each_once() -> None:
    counts = plays()
    parts = split_validation(counts, seed=1)
    together = parts.kept.toarray()
    assert not together[parts.artists, parts.users].any()
    nonempty_rows = counts[np.flatnonzero(np.diff(counts.indptr))].toarray()
    together[parts.artists, parts.users] = nonempty_rows[parts.artists, parts.users]
    np.testing.assert_array_equal(together, nonempty_rows)


def test_a_fifth_of_each_list_is_held_back_and_every_artist_keeps_a_listener() -> None:
    counts = plays()
    parts = split_validation(counts, seed=1)
    held = np.bincount(parts.users, minlength=25)
    assert (held <= np.diff(counts.tocsc().indptr) // 5).all()
    assert held.sum() >= np.sum(np.diff(counts.tocsc().indptr) // 5) - 3
    assert (np.diff(parts.kept.indptr) > 0).all()


def test_an_artist_known_by_one_play_keeps_it() -> None:
    counts = sp.csr_matrix(np.vstack([np.ones((4, 30)), np.eye(30)]))  # each listener has 5, one of them alone
    parts = split_validation(counts, seed=0)
    assert 10 <= len(parts.users) < 30
    assert set(parts.artists) <= {0, 1, 2, 3}


def test_what_is_held_back_repeats_for_a_seed_and_differs_for_another() -> None:
    first, same, other = (split_validation(plays(), seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.artists, same.artists)
    assert (first.kept != same.kept).nnz == 0
    assert set(zip(first.users, first.artists, strict=True)) != set(zip(other.users, other.artists, strict=True))


def test_of_many_listeners_some_are_drawn_and_the_others_keep_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validation, "LISTENERS", 12)
    assert len(np.unique(split_validation(plays(), seed=0).users)) == 12


def test_too_few_lists_to_hold_back_from_are_an_error() -> None:
    with pytest.raises(InputError, match="found 0 listeners that can give a play for validation .* wanted at least 10"):
        split_validation(sp.csr_matrix(np.ones((4, 30))), seed=0)


def test_ndcg_of_held_back_plays_by_hand() -> None:
    # Listener 0 kept artist 0: the others by cosine are 1, 2, 3; its validation artists 2 and 1 have ranks 2 and 1:
    # nDCG 1. Listener 1 kept artist 3: the others are 2, 1, 0; its validation artist 0 has rank 3: nDCG = 1 / log2(4) =
    # 0.5.
    vectors = np.array([[4.0, 0.0], [3.0, 1.0], [0.2, 0.3], [0.0, 9.0]], np.float32)
    parts = split([[1, 0], [0, 0], [0, 0], [0, 5]], [(0, 2), (0, 1), (1, 0)])
    assert validation_ndcg(vectors, parts) == pytest.approx((1.0 + 0.5) / 2)


def test_a_fit_that_tells_nobody_apart_has_the_last_ranks() -> None:
    parts = split([[1, 0], [0, 0], [0, 0], [0, 5]], [(0, 2), (1, 0)])  # 3 artists to rank for each: rank 3
    for alike in (np.zeros((4, 2), np.float32), np.ones((4, 2), np.float32)):
        assert validation_ndcg(alike, parts) == pytest.approx(1 / np.log2(4))


def test_ndcg_of_held_back_plays_is_that_of_a_plain_loop_in_any_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validation, "K", 7)
    parts = split_validation(plays(), seed=2)
    vectors = np.random.default_rng(0).standard_normal((parts.kept.shape[0], 5)).astype(np.float32)
    vectors[11] = 2 * vectors[5]  # a tie
    naive = _naive(vectors, parts, k=7)
    assert validation_ndcg(vectors, parts) == pytest.approx(naive, abs=1e-12)
    monkeypatch.setattr(validation, "_BLOCK", 3 * len(vectors))
    assert validation_ndcg(vectors, parts) == pytest.approx(naive, abs=1e-12)


def _naive(vectors: np.ndarray, parts: ValidationPlays, k: int) -> float:
    unit = [v / np.linalg.norm(v) for v in vectors.astype(float)]
    counts, figures = parts.kept.toarray(), []
    for user in sorted(set(parts.users)):
        kept_artists = [a for a in range(len(unit)) if counts[a, user]]
        taste = sum(unit[a] for a in kept_artists)
        cosines = {a: unit[a] @ taste / np.linalg.norm(taste) for a in range(len(unit)) if a not in kept_artists}
        held = [a for u, a in zip(parts.users, parts.artists, strict=True) if u == user]
        ranks = [sum(c >= cosines[a] - 1e-6 for c in cosines.values()) for a in held]
        dcg = sum(1 / np.log2(1 + r) for r in ranks if r <= k)
        figures.append(dcg / sum(1 / np.log2(1 + r) for r in range(1, min(len(held), k) + 1)))
    return float(np.mean(figures))
