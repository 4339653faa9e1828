from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
from scipy.spatial.distance import cosine

import riyl.evaluation.coherence
from riyl.core.errors import InputError, MismatchError
from riyl.evaluation.coherence import coherence


def made_parts(rng, n, d, modalities="abc", missing=0.0):
    parts = {m: rng.standard_normal((n, d)).astype(np.float32) + 0.5 for m in modalities}
    for matrix in parts.values():
        matrix[rng.random(n) < missing] = 0
    return parts


def by_loops(parts):
    """Compute the three figures by their definition, with scipy's cosine distance."""
    n = len(next(iter(parts.values())))
    outputs = [{m: matrix[i].astype(float) for m, matrix in parts.items() if matrix[i].any()} for i in range(n)]
    centres = [
        sum(v / np.linalg.norm(v) for v in artist_outputs.values()) / len(artist_outputs) if artist_outputs else None
        for artist_outputs in outputs
    ]
    rows = []
    for i, artist_outputs in enumerate(outputs):
        terms = [
            cosine(artist_outputs[u], artist_outputs[v])
            - np.mean(
                [cosine(artist_outputs[u], theirs[v]) for j, theirs in enumerate(outputs) if j != i and v in theirs]
            )
            for u in artist_outputs
            for v in artist_outputs
            if u != v
        ]
        others = [c for j, c in enumerate(centres) if j != i and c is not None]
        rows.append(
            [
                np.mean(terms) if terms else math.nan,
                np.mean([cosine(v, centres[i]) for v in artist_outputs.values()])
                if len(artist_outputs) > 1
                else math.nan,
                np.mean([cosine(centres[i], c) for c in others]) if artist_outputs else math.nan,
            ]
        )
    return np.array(rows).T


@pytest.mark.parametrize(("modalities", "missing"), [("ab", 0), ("abc", 0), ("abcd", 0), ("abc", 0.4), ("a", 0)])
def test_closed_forms_equal_plain_loops(modalities, missing):
    parts = made_parts(np.random.default_rng(0), 40, 6, modalities, missing)
    result, wanted = coherence(parts), by_loops(parts)
    for actual, right in zip((result.ecl, result.cd_intra, result.cd_inter), wanted, strict=True):
        np.testing.assert_allclose(actual, right, rtol=0, atol=1e-9)


def test_figures_by_hand():
    # Artist 0 has both outputs on the first axis, 1 both on the second, 2 one on each.
    parts = {
        "a": np.array([[2, 0], [0, 1], [5, 0]], np.float32),
        "b": np.array([[1, 0], [0, 3], [0, 1]], np.float32),
    }
    result = coherence(parts)
    # 0: own distance 0. Its a to the b of 1 and 2: 1 and 1. Its b to the a of 1 and 2: 1 and 0.
    # 2: own distance 1. Its a to the b of 0 and 1: 0 and 1. Its b to the a of 0 and 1: 1 and 0.
    assert result.ecl.tolist() == pytest.approx([-(1 + 0.5) / 2, -(0.5 + 1) / 2, 1 - 0.5], abs=1e-12)
    slope = 1 - math.sqrt(0.5)
    assert result.cd_intra.tolist() == pytest.approx([0, 0, slope], abs=1e-12)
    assert result.cd_inter.tolist() == pytest.approx([(1 + slope) / 2, (1 + slope) / 2, slope], abs=1e-12)


def test_cd_intra_is_the_first_term_of_ecl_in_another_form():
    parts = made_parts(np.random.default_rng(1), 200, 5)
    pairs = [(u, v) for u in parts for v in parts if u != v]
    first = np.array([np.mean([cosine(parts[u][i], parts[v][i]) for u, v in pairs]) for i in range(200)])
    result = coherence(parts)
    np.testing.assert_allclose(result.cd_intra, 1 - np.sqrt((1 + 2 * (1 - first)) / 3), atol=1e-6)
    assert scipy.stats.kendalltau(first, result.cd_intra).statistic == pytest.approx(1, abs=1e-3)


def test_lengths_of_outputs_do_not_matter():
    rng = np.random.default_rng(2)
    parts = made_parts(rng, 30, 4)
    scaled = {m: matrix * rng.uniform(0.1, 9, (30, 1)).astype(np.float32) for m, matrix in parts.items()}
    result, other = coherence(parts), coherence(scaled)
    np.testing.assert_allclose(result.ecl, other.ecl, atol=1e-6)
    np.testing.assert_allclose(result.cd_inter, other.cd_inter, atol=1e-6)


def test_one_modality_has_no_loss_and_no_inner_distance():
    result = coherence({"a": np.eye(3, dtype=np.float32)})
    assert np.isnan(result.ecl).all()
    assert np.isnan(result.cd_intra).all()
    assert result.cd_inter.tolist() == pytest.approx([1, 1, 1], abs=1e-12)


def test_an_artist_alone_has_nobody_to_be_apart_from():
    result = coherence({"a": np.array([[1, 0]], np.float32), "b": np.array([[0, 1]], np.float32)})
    assert np.isnan(result.ecl).all()
    assert np.isnan(result.cd_inter).all()
    assert result.cd_intra.tolist() == pytest.approx([1 - math.sqrt(0.5)], abs=1e-12)


def test_opposite_outputs_leave_no_centroid():
    parts = {"a": np.array([[1, 0], [1, 0], [0, 1]], np.float32), "b": np.array([[-1, 0], [1, 0], [0, 1]], np.float32)}
    result = coherence(parts)
    assert np.isnan([result.cd_intra[0], result.cd_inter[0]]).all()
    assert not np.isnan(result.ecl).any()
    # It is no neighbour of the others either: 1 and 2 have only each other.
    assert result.cd_inter[1:].tolist() == pytest.approx([1, 1], abs=1e-12)


def test_nobody_has_no_figures():
    result = coherence({"a": np.zeros((0, 3), np.float32), "b": np.zeros((0, 3), np.float32)})
    assert [len(result.ecl), len(result.cd_intra), len(result.cd_inter)] == [0, 0, 0]


def test_blocks_of_any_size_give_the_same(monkeypatch):
    parts = made_parts(np.random.default_rng(3), 50, 4, missing=0.2)
    expected = coherence(parts)
    monkeypatch.setattr(riyl.evaluation.coherence, "_CELLS", 3 * 4 * 7)  # seven artists a block
    pieces = coherence(parts)
    np.testing.assert_allclose(pieces.ecl, expected.ecl, rtol=0, atol=1e-12)
    np.testing.assert_allclose(pieces.cd_intra, expected.cd_intra, rtol=0, atol=1e-12)
    np.testing.assert_allclose(pieces.cd_inter, expected.cd_inter, rtol=0, atol=1e-12)


def test_parts_that_do_not_fit_are_refused():
    with pytest.raises(MismatchError, match="wanted one shape"):
        coherence({"a": np.ones((2, 3), np.float32), "b": np.ones((3, 3), np.float32)})
    with pytest.raises(InputError, match="found none"):
        coherence({})
