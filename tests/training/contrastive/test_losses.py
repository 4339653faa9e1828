from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from riyl.training.contrastive.losses import cross_entropy_of_pairs, info_nce


def loop_reading(a: np.ndarray, b: np.ndarray, t: float) -> float:
    """Compute the loss of section 2.1 as printed, one artist and one term at a time."""
    total = 0.0
    for i in range(len(a)):
        denominator = 0.0
        for k in range(len(a)):
            if k != i:
                denominator += math.exp(float(np.dot(a[i], a[k])) / t)
        for k in range(len(b)):
            denominator += math.exp(float(np.dot(a[i], b[k])) / t)
        total -= math.log(math.exp(float(np.dot(a[i], b[i])) / t) / denominator)
    return total


def unit_rows(n: int, d: int, seed: int) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((n, d))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@given(n=st.integers(1, 12), d=st.integers(2, 6), seed=st.integers(0, 99), t=st.sampled_from([0.05, 0.1, 1.0]))
def test_loss_equals_a_loop_over_the_formula(n: int, d: int, seed: int, t: float) -> None:
    a, b = unit_rows(n, d, seed), unit_rows(n, d, seed + 1000)
    loss = float(info_nce(torch.from_numpy(a), torch.from_numpy(b), t))
    assert loss == pytest.approx(loop_reading(a, b, t), rel=1e-9, abs=1e-9)


def test_loss_on_two_artists_worked_by_hand() -> None:
    # a_1 = b_1 = x axis, a_2 = b_2 = y axis, t = 1: for either artist the numerator is e^1, the denominator
    # e^0 (the other anchor) + e^1 (own positive) + e^0 (the other positive) = e + 2
    axes = torch.eye(2, dtype=torch.float64)
    assert float(info_nce(axes, axes, 1.0)) == pytest.approx(2 * (math.log(math.e + 2) - 1), rel=1e-12)


def test_loss_is_one_directional_unless_symmetric() -> None:
    a, b = torch.from_numpy(unit_rows(5, 3, 0)), torch.from_numpy(unit_rows(5, 3, 1))
    forth, back = float(info_nce(a, b, 0.1)), float(info_nce(b, a, 0.1))
    assert forth != pytest.approx(back, rel=1e-3)
    assert float(info_nce(a, b, 0.1, symmetric=True)) == pytest.approx(forth + back, rel=1e-12)


def test_loss_of_a_single_artist_is_zero() -> None:
    vectors = torch.from_numpy(unit_rows(1, 4, 0))
    assert float(info_nce(vectors, vectors, 0.1)) == 0.0


def test_gradient_agrees_with_finite_differences() -> None:
    a = torch.from_numpy(unit_rows(4, 3, 2)).requires_grad_()
    b = torch.from_numpy(unit_rows(4, 3, 3)).requires_grad_()
    assert torch.autograd.gradcheck(lambda x, y: info_nce(x, y, 0.5), (a, b))


def test_loss_of_links_equals_a_loop_over_the_formula() -> None:
    rng = np.random.default_rng(3)
    scores = rng.standard_normal((4, 7))
    linked = np.array([[0, 1, 1, 0, 0, 0, 1], [0, 0, 0, 1, 0, 0, 0], [1, 1, 0, 1, 1, 1, 1], [0, 0, 0, 0, 0, 1, 1]])
    scores[np.arange(3), [0, 1, 2]] = -np.inf
    linked[1, 1] = 0
    t, total = 0.3, 0.0
    for row, of in zip(scores, linked, strict=True):
        everyone = sum(math.exp(s / t) for s in row)
        shares = [math.log(math.exp(s / t) / everyone) for s, yes in zip(row, of, strict=True) if yes]
        total -= sum(shares) / len(shares) / 4
    loss = cross_entropy_of_pairs(torch.from_numpy(scores), torch.from_numpy(linked), t)
    assert float(loss) == pytest.approx(total, rel=1e-12)


def test_pairs_count_by_their_share_of_the_weights_of_a_query() -> None:
    rng = np.random.default_rng(4)
    scores, t = rng.standard_normal((3, 5)), 0.3
    scores[1, 2] = -math.inf
    weights = np.array([[0.5, 0, 2, 0, 0], [0, 1, 0, 0, 3], [0, 0, 0, 0.1, 0]])
    total = 0.0
    for row, of in zip(scores.tolist(), weights.tolist(), strict=True):
        everyone = sum(math.exp(s / t) for s in row)
        for s, weight in zip(row, of, strict=True):
            if weight:
                total -= weight / sum(of) * math.log(math.exp(s / t) / everyone) / 3
    loss = cross_entropy_of_pairs(torch.from_numpy(scores), torch.from_numpy(weights), t)
    assert float(loss) == pytest.approx(total, rel=1e-12)
    tripled = cross_entropy_of_pairs(torch.from_numpy(scores), torch.from_numpy(3 * weights), t)
    assert float(tripled) == pytest.approx(total, rel=1e-12)


def test_a_candidate_that_is_taken_out_leaves_gradients_finite() -> None:
    scores = torch.tensor([[1.0, -torch.inf, 0.5]], requires_grad=True)
    cross_entropy_of_pairs(scores, torch.tensor([[1.0, 0.0, 0.0]]), 1.0).backward()
    share = math.exp(1.0) / (math.exp(1.0) + math.exp(0.5))
    assert scores.grad is not None
    np.testing.assert_allclose(scores.grad.numpy(), [[share - 1, 0, 1 - share]], atol=1e-6)
