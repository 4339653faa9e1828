from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import riyl.index.scoring.hubness
import riyl.index.scoring.order_statistics
from riyl.core.errors import InputError, MismatchError
from riyl.index.scoring.balance import balance
from tests.index.scoring.naive import naive


def cloud(seed, m, d=8, spread=0.6):
    """Return unit rows around a common direction at different distances: those near to it are hubs."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(m, d)) * rng.uniform(0.2, 1, (m, 1)) + np.eye(d)[0] * spread
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def appearances(vectors, bias, k):
    """Count the lists of k others that each artist is in."""
    scores = vectors.astype(np.float64) @ vectors.astype(np.float64).T - bias
    np.fill_diagonal(scores, -np.inf)
    return np.bincount(np.argsort(-scores, axis=1)[:, :k].ravel(), minlength=len(vectors))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), m=st.integers(4, 40), depth=st.integers(1, 12), sweeps=st.integers(1, 4))
def test_the_bias_is_that_of_loops_in_float64(seed: int, m: int, depth: int, sweeps: int) -> None:
    vectors, targets = cloud(seed, m), np.random.default_rng(seed).uniform(0.2, 3, m)
    start = np.random.default_rng(seed + 1).normal(size=m).astype(np.float32) / 10
    actual = balance(vectors, vectors, targets, depths=[depth], sweeps=sweeps, start=start).biases[0]
    expected = naive(vectors, vectors, targets, min(depth, m // 2), sweeps, start, range(m))
    np.testing.assert_allclose(actual, expected, atol=1e-5)
    assert actual.dtype == np.float32


def test_queries_may_be_others_than_the_candidates() -> None:
    queries, candidates = cloud(1, 30), cloud(2, 12)
    selves = np.where(np.arange(30) % 3 == 0, np.arange(30) % 12, -1)
    actual = balance(queries, candidates, np.ones(12), depths=[4], sweeps=3, self_positions=selves).biases[0]
    np.testing.assert_allclose(actual, naive(queries, candidates, np.ones(12), 4, 3, np.zeros(12), selves), atol=1e-5)


def test_a_hub_is_lowered_by_hand() -> None:
    queries = np.array([[1, 0], [0, 1], [0.5, 0.5]], np.float32)
    candidates = np.array([[1, 1], [1, 0], [0, 1]], np.float32)  # the first scores 1 for all
    none = np.full(3, -1)
    # Scores 1 1 0 / 1 0 1 / 1 .5 .5: every best score is 1, so tau is 1. The best of S - tau in each column, t = 1, is
    # 0, 0, 0: ties leave the hub as it is. Targets 2, 1, 1 scale to 1.5, .75, .75; below 1 they count as 1.
    np.testing.assert_allclose(
        balance(queries, candidates, np.ones(3), depths=[1], sweeps=1, self_positions=none).biases[0], 0
    )
    # With a lead of .5 for the others: S - b is 1 1.5 .5 / 1 .5 1.5 / 1 1 1, tau 1.5 1.5 1; S - tau in the columns is
    # -.5 -.5 0 / -.5 -1.5 -.5 / -1.5 -.5 -.5; t = 1 gives 0, -.5, -.5, with the mean taken away 1/3, -1/6, -1/6.
    start = np.array([0, -0.5, -0.5], np.float32)
    actual = balance(queries, candidates, np.ones(3), depths=[1], sweeps=1, start=start, self_positions=none).biases[0]
    np.testing.assert_allclose(actual, [1 / 3, -1 / 6, -1 / 6], atol=1e-6)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10**6), depth=st.sampled_from([20, 40]))
def test_with_uniform_targets_all_stand_in_about_as_many_lists(seed: int, depth: int) -> None:
    vectors = cloud(seed, 300, d=30, spread=2)
    before = appearances(vectors, np.zeros(300), depth)
    after = appearances(vectors, balance(vectors, vectors, np.ones(300), depths=[depth], sweeps=12).biases[0], depth)
    assert before.std() > 0.8 * depth  # there were hubs
    assert after.std() < 0.1 * before.std()
    assert 0.6 * depth <= after.min() <= after.max() <= 1.6 * depth


def test_lists_follow_the_targets() -> None:
    vectors, targets = cloud(3, 400), np.where(np.arange(400) < 100, 3.0, 1.0)
    counts = appearances(vectors, balance(vectors, vectors, targets, depths=[20], sweeps=12).biases[0], 20)
    # 100 of 3 and 300 of 1 share 8,000 places: 40 and 13.3 each.
    assert counts[:100].mean() == pytest.approx(40, rel=0.05)
    assert counts[100:].mean() == pytest.approx(40 / 3, rel=0.05)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_a_permutation_of_the_artists_permutes_the_bias(seed: int) -> None:
    vectors, order = cloud(seed, 50), np.random.default_rng(seed).permutation(50)
    targets = np.random.default_rng(seed).uniform(0.5, 2, 50)
    bias = balance(vectors, vectors, targets, depths=[6], sweeps=3).biases[0]
    permuted = balance(vectors[order], vectors[order], targets[order], depths=[6], sweeps=3).biases[0]
    np.testing.assert_allclose(permuted, bias[order], atol=1e-5)


def test_blocks_do_not_change_the_bias(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, targets = cloud(4, 97), np.random.default_rng(4).uniform(0.5, 2, 97)
    whole = balance(vectors, vectors, targets, depths=[9], sweeps=3).biases[0]
    monkeypatch.setattr(riyl.index.scoring.order_statistics, "_CELLS", 200)
    monkeypatch.setattr(riyl.index.scoring.order_statistics, "_QUERIES_AT_ONCE", 7)
    np.testing.assert_allclose(balance(vectors, vectors, targets, depths=[9], sweeps=3).biases[0], whole, atol=1e-5)


def test_the_number_of_threads_does_not_change_the_bias() -> None:
    vectors = cloud(5, 700, d=64)
    biases = [
        balance(vectors, vectors, np.ones(700), depths=[50], sweeps=3, threads=threads).biases[0]
        for threads in (1, 2, 0)
    ]
    np.testing.assert_allclose(biases[1], biases[0], atol=1e-6)
    np.testing.assert_allclose(biases[2], biases[0], atol=1e-6)


def test_a_sample_of_the_queries_gives_nearly_the_same_bias(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = cloud(6, 2000)
    exact = balance(vectors, vectors, np.ones(2000), depths=[100], sweeps=3).biases[0]
    monkeypatch.setattr(riyl.index.scoring.hubness, "QUERIES", 500)
    fit = balance(vectors, vectors, np.ones(2000), depths=[100], sweeps=3)
    assert fit.thresholds.values.shape == (1, 500)
    assert np.corrcoef(fit.biases[0], exact)[0, 1] > 0.9
    assert fit.thresholds.shares[0] == pytest.approx(25)


def test_where_a_sample_has_too_few_places_the_depth_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = cloud(7, 400)
    monkeypatch.setattr(riyl.index.scoring.hubness, "QUERIES", 40)
    # 40 lists of 5 have half a place for each of 400 candidates; 40 lists of 100 have ten.
    shallow = balance(vectors, vectors, np.ones(400), depths=[5], sweeps=2)
    deep = balance(vectors, vectors, np.ones(400), depths=[100], sweeps=2)
    np.testing.assert_array_equal(shallow.biases[0], deep.biases[0])
    assert shallow.thresholds.shares[0] == 10


@pytest.mark.parametrize(("m", "expected"), [(0, []), (1, [0]), (2, [0, 0])])
def test_with_fewer_than_three_artists_there_is_nothing_to_balance(m: int, expected: list[float]) -> None:
    vectors = np.eye(3, dtype=np.float32)[:m]
    assert balance(vectors, vectors, np.ones(m), depths=[200], sweeps=3).biases[0].tolist() == expected


def test_without_queries_there_is_no_bias() -> None:
    fit = balance(np.zeros((0, 2), np.float32), np.eye(2, dtype=np.float32), np.ones(2), depths=[1], sweeps=1)
    assert fit.biases[0].tolist() == [0, 0]
    assert fit.thresholds.values.shape == (1, 0)
    assert fit.thresholds.bias_of_new(0, np.empty(0), 1.0) == 0


def test_equal_vectors_have_equal_biases() -> None:
    vectors = np.tile(np.array([[0.6, 0.8]], np.float32), (30, 1))
    np.testing.assert_allclose(balance(vectors, vectors, np.ones(30), depths=[5], sweeps=3).biases[0], 0, atol=1e-6)


def test_a_depth_beyond_half_of_the_candidates_is_half_of_them() -> None:
    vectors = cloud(8, 21)
    half = balance(vectors, vectors, np.ones(21), depths=[10], sweeps=3).biases[0]
    np.testing.assert_array_equal(balance(vectors, vectors, np.ones(21), depths=[200], sweeps=3).biases[0], half)


def test_an_artist_near_to_no_other_has_the_lowest_bias_of_the_rest() -> None:
    vectors = cloud(9, 1200)
    vectors[17] = -vectors.mean(axis=0) / np.linalg.norm(vectors.mean(axis=0))
    bias = balance(vectors, vectors, np.ones(1200), depths=[20], sweeps=3).biases[0]
    assert bias[17] == bias.min()
    assert np.count_nonzero(bias == bias.min()) == 2  # of 1,200, a thousandth is a single artist, rounded down


def test_an_artist_of_the_catalog_as_a_new_one_has_its_bias() -> None:
    vectors, targets = cloud(10, 60), np.random.default_rng(10).uniform(0.5, 2, 60)
    fit = balance(vectors, vectors, targets, depths=[8], sweeps=3)
    margins = vectors.astype(np.float64) @ vectors.T.astype(np.float64) - fit.thresholds.values[0]
    for y in range(60):
        (t,) = fit.thresholds.counts(targets[y], 59)
        bias = fit.thresholds.bias_of_new(0, np.delete(margins[y], y), t)
        assert bias == pytest.approx(fit.biases[0, y], abs=1e-5)


def test_the_bias_of_a_new_artist_by_hand() -> None:
    vectors = np.array([[1, 0], [0, 1], [1, 0], [0, 1]], np.float32)
    thresholds = balance(vectors, vectors, np.ones(4), depths=[1], sweeps=1).thresholds
    # Each has its twin at 1, so tau is 1, and b the best of S - tau: 0. A new artist at .9, .3 from the two directions
    # has S - tau = -.1, -.7, -.1, -.7: the best is -.1, the 2.5th between -.1 and -.7. None is as low in the catalog.
    assert thresholds.values.tolist() == [[1, 1, 1, 1]]
    margins = np.array([-0.1, -0.7, -0.1, -0.7])
    assert [thresholds.bias_of_new(0, margins, t) for t in (1, 2.5)] == [0, 0]
    higher = [thresholds.bias_of_new(0, margins + 0.8, t) for t in (1, 2.5)]
    np.testing.assert_allclose(higher, [0.7, 0.4], atol=1e-6)
    # Four lists of one place among four equal targets: a list for each unit; between 1 and the lists there are.
    assert [thresholds.counts(target, 4).tolist() for target in (0.2, 2.5, 9)] == [[1], [2.5], [4]]


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), sweeps=st.integers(1, 3))
def test_depths_together_have_the_biases_of_each_alone(seed: int, sweeps: int) -> None:
    vectors, targets = cloud(seed, 80), np.random.default_rng(seed).uniform(0.5, 2, 80)
    start = np.random.default_rng(seed).normal(size=80).astype(np.float32) / 10
    fit = balance(vectors, vectors, targets, depths=[3, 20], sweeps=sweeps, start=start)
    for i, depth in enumerate((3, 20)):
        alone = balance(vectors, vectors, targets, depths=[depth], sweeps=sweeps, start=start)
        np.testing.assert_allclose(fit.biases[i], alone.biases[0], atol=1e-6)
        np.testing.assert_allclose(fit.thresholds.values[i], alone.thresholds.values[0], atol=1e-6)
        assert fit.thresholds.shares[i] == alone.thresholds.shares[0]
        assert fit.thresholds.lowest[i] == pytest.approx(alone.thresholds.lowest[0], abs=1e-6)
        assert fit.thresholds.lowest[i] == fit.biases[i].min()


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"depths": []}, InputError, "depths: found none; wanted at least one"),
        ({"depths": [4, 0]}, InputError, "depth: found 0; wanted at least 1"),
        ({"sweeps": 0}, InputError, "sweeps: found 0; wanted at least 1"),
        ({"targets": np.array([1, 0, 1.0])}, InputError, "target of candidate 1: found 0.0"),
        ({"targets": np.array([1, 1, np.nan])}, InputError, "target of candidate 2: found nan"),
        ({"targets": np.ones(2)}, MismatchError, r"targets of shape \(2,\); wanted \(3,\)"),
        ({"start": np.zeros(4, np.float32)}, MismatchError, r"start of shape \(4,\); wanted \(3,\)"),
        ({"candidates": np.ones((3, 2), np.float32)}, MismatchError, "wanted two matrices of equal width"),
        ({"self_positions": np.array([0, 1, 3])}, MismatchError, "found 3, from 0 to 3; wanted 3"),
        ({"self_positions": np.array([0])}, MismatchError, "found 1, from 0 to 0; wanted 3"),
    ],
)
def test_what_does_not_fit_is_named(change: dict[str, object], error: type[Exception], message: str) -> None:
    vectors = np.eye(3, dtype=np.float32)
    arguments = {"candidates": vectors, "targets": np.ones(3), "depths": [1], "sweeps": 1} | change
    with pytest.raises(error, match=message):
        balance(vectors, **arguments)
