from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats

from riyl.core.errors import InputError, MismatchError
from riyl.evaluation.correlation import kendall, pooled_kendall


def tau_b(a, b):
    """Compute Kendall's tau-b by its definition, over all pairs of artists."""
    both = [(x, y) for x, y in zip(a, b, strict=True) if not (math.isnan(x) or math.isnan(y))]
    signs = [(np.sign(x - p), np.sign(y - q)) for i, (x, y) in enumerate(both) for p, q in both[:i]]
    score = sum(s * t for s, t in signs)
    return score / math.sqrt(sum(s != 0 for s, _ in signs) * sum(t != 0 for _, t in signs))


def test_tau_by_hand():
    # Six pairs: five agree and the last, 3 and 4 of the first, does not: (5 - 1) / 6.
    result = kendall({"one": np.array([1.0, 2, 3, 4]), "two": np.array([1.0, 2, 4, 3])})
    assert result.names == ("one", "two")
    np.testing.assert_allclose(result.tau, [[1, 4 / 6], [4 / 6, 1]], atol=1e-12)
    assert result.n.tolist() == [[4, 4], [4, 4]]


def test_ties_and_missing_figures_equal_plain_loops_and_scipy():
    rng = np.random.default_rng(0)
    table = {name: rng.integers(0, 8, 60).astype(float) for name in ("ndcg", "ecl", "pop")}
    table["ecl"][rng.random(60) < 0.2] = np.nan
    table["pop"][rng.random(60) < 0.2] = np.nan
    result = kendall(table)
    for i, a in enumerate(table.values()):
        for j, b in enumerate(table.values()):
            assert result.tau[i, j] == pytest.approx(tau_b(a, b), abs=1e-12)
            assert result.tau[i, j] == pytest.approx(
                scipy.stats.kendalltau(a, b, nan_policy="omit").statistic, abs=1e-12
            )
            assert result.n[i, j] == np.sum(~np.isnan(a) & ~np.isnan(b))


def test_what_cannot_be_ranked_has_no_tau():
    result = kendall(
        {"flat": np.ones(3), "one": np.array([1.0, np.nan, np.nan]), "none": np.full(3, np.nan), "good": np.arange(3.0)}
    )
    assert np.isnan(result.tau[:3]).all()
    assert result.tau[3, 3] == 1
    assert result.n[:, 3].tolist() == [3, 1, 0, 3]
    assert kendall({}).tau.shape == (0, 0)


def test_pooled_tau_is_over_systems_and_queries():
    # In each system the measures agree; between the two they disagree.
    low, high = np.array([1.0, 2]), np.array([3.0, 4])
    result = pooled_kendall([{"a": low, "b": high}, {"a": high, "b": low}])
    # Of six pairs two are inside a system and agree, four are between them and do not.
    assert result.tau[0, 1] == pytest.approx((2 - 4) / 6)


def test_what_does_not_fit_is_refused():
    with pytest.raises(MismatchError, match="found lengths {'a': 2, 'b': 3}"):
        kendall({"a": np.ones(2), "b": np.ones(3)})
    with pytest.raises(InputError, match="wanted the same for every system"):
        pooled_kendall([{"a": np.ones(2)}, {"b": np.ones(2)}])
    with pytest.raises(InputError, match="wanted the same for every system"):
        pooled_kendall([])
