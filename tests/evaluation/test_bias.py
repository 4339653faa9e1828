from __future__ import annotations

import numpy as np
import pytest

import riyl.index.scoring.hubness
from riyl.core.errors import InputError, MismatchError
from riyl.evaluation.bias import BIASES, Bias, biased_system, fit_bias
from riyl.evaluation.conditions import Condition
from riyl.evaluation.retrieval import System, retrieve


def cloud(seed, n=60, d=6):
    """Return unit rows around a common direction, so that some are near to many."""
    rows = np.random.default_rng(seed).normal(size=(n, d)) + np.eye(d)[0]
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def scores_of(system: System, rows) -> np.ndarray:
    queries, candidates = (system.queries[rows], system.candidates[rows])
    if system.restricted is not None:
        queries, candidates = system.restricted(rows)
    return queries @ candidates.T


def test_without_a_bias_the_score_is_the_cosine() -> None:
    vectors = cloud(0)
    system = biased_system("x", vectors, np.ones(60, bool), "none")
    assert system.queries is system.candidates is vectors
    assert system.restricted is None


def test_csls_takes_half_the_mean_of_the_best_200_cosines_away() -> None:
    vectors = cloud(1, n=300)
    cosines = vectors.astype(np.float64) @ vectors.T.astype(np.float64)
    r = [np.mean(sorted(np.delete(cosines[y], y), reverse=True)[:200]) for y in range(300)]
    system = biased_system("x", vectors, np.ones(300, bool), "csls")
    np.testing.assert_allclose(system.queries @ system.candidates.T, cosines - np.array(r) / 2, atol=1e-6)


def test_balanced_evens_out_the_lists_of_the_protocol(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(riyl.index.scoring.hubness, "MAX_SHARE", 1.0)
    vectors, everyone = cloud(2, n=900), np.arange(900, dtype=np.int32)
    deviations = {}
    for bias in BIASES:
        system = biased_system("x", vectors, np.ones(900, bool), bias)
        lists = retrieve(system, Condition("all", everyone), everyone, k=200, threads=1)
        deviations[bias] = np.bincount(lists.ravel(), minlength=900).std()
    assert deviations["balanced"] < 0.3 * deviations["csls"] < 0.3 * deviations["none"]


@pytest.mark.parametrize("bias", ["csls", "balanced"])
def test_a_restricted_system_is_that_of_its_artists_alone(bias: Bias) -> None:
    vectors, covered = cloud(3), np.arange(60) % 5 > 0
    rows = np.flatnonzero(covered)[::2].astype(np.int32)
    system = biased_system("x", vectors, covered, bias)
    of_those = biased_system("x", vectors[rows], np.ones(len(rows), bool), bias)
    np.testing.assert_array_equal(scores_of(system, rows), of_those.queries @ of_those.candidates.T)
    assert not np.allclose(scores_of(system, rows), (system.queries @ system.candidates.T)[np.ix_(rows, rows)])


@pytest.mark.parametrize("bias", BIASES)
def test_artists_without_an_embedding_do_not_count_and_are_zeros(bias: Bias) -> None:
    vectors, covered = cloud(4), np.arange(60) % 4 > 0
    rows = np.flatnonzero(covered).astype(np.int32)
    system = biased_system("x", vectors, covered, bias)
    assert not system.queries[~covered].any()
    assert not system.candidates[~covered].any()
    alone = biased_system("x", vectors[covered], np.ones(len(rows), bool), bias)
    np.testing.assert_array_equal(system.candidates[covered], alone.candidates)
    np.testing.assert_array_equal(scores_of(system, rows), scores_of(alone, np.arange(len(rows))))


@pytest.mark.parametrize("bias", BIASES)
def test_equal_vectors_of_two_systems_have_equal_lists(bias: Bias) -> None:
    vectors, covered = cloud(5), np.arange(60) > 2
    external = np.where(covered[:, None], vectors.astype(np.float64), 7).astype(np.float32)  # as a file may hold them
    order = np.random.default_rng(0).permutation(60).astype(np.int32)
    for rows in (np.arange(60, dtype=np.int32), np.arange(0, 60, 3, dtype=np.int32)):
        lists = [
            retrieve(biased_system(name, matrix, covered, bias), Condition("x", rows), order, k=5, threads=1)
            for name, matrix in (("model", vectors), ("external", external))
        ]
        np.testing.assert_array_equal(*lists)


@pytest.mark.parametrize("bias", BIASES)
def test_without_covered_artists_there_is_no_list(bias: Bias) -> None:
    system = biased_system("x", cloud(6), np.zeros(60, bool), bias)
    everyone = np.arange(60, dtype=np.int32)
    assert (retrieve(system, Condition("x", everyone), everyone, k=3, threads=1) == -1).all()
    assert fit_bias(np.zeros((0, 6), np.float32), bias).tolist() == []


def test_an_unknown_bias_and_other_lengths_are_named() -> None:
    with pytest.raises(InputError, match="bias: found 'even'; wanted none, csls, balanced"):
        biased_system("x", cloud(7), np.ones(60, bool), "even")  # type: ignore[arg-type]
    with pytest.raises(MismatchError, match=r"system 'gnn': found vectors of shape \(60, 6\) and covered of shape"):
        biased_system("gnn", cloud(7), np.ones(59, bool), "csls")
