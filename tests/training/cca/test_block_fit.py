from __future__ import annotations

import numpy as np
import pytest

import riyl.training.cca.block_fit
from riyl.training.cca.block_fit import Fourier, fit_descriptor_block, fit_unit_block, missing_together
from riyl.training.cca.blocks import z_of

NONE = Fourier(0, 25, 0.5, 0)


@pytest.fixture(params=[1 << 15, 7])
def _chunks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(riyl.training.cca.block_fit, "CHUNK", request.param)


def descriptors(absent: np.ndarray) -> np.ndarray:
    """Draw 60 rows of columns 0, 2, 4 that a third lacks, and 1, 3 that another part lacks; 5 is always there."""
    x = np.random.default_rng(1).normal(5, 2, (60, 6))
    x[:20, [0, 2, 4]] = absent[[0, 2, 4]]
    x[10:40, [1, 3]] = absent[[1, 3]]
    return x.astype(np.float32).astype(np.float64)


@pytest.mark.usefixtures("_chunks")
def test_columns_that_the_same_artists_lack_belong_together() -> None:
    absent = np.array([0, 0, 0, -1, 0.5, 0], np.float32)
    x = descriptors(absent)
    x[45, 2] = 0  # a value that is 0 by chance
    groups = missing_together(lambda a, b: x[a:b], 60, np.arange(6), absent)
    assert [group.tolist() for group in groups] == [[0, 2, 4], [1, 3], [5]]
    some = missing_together(lambda a, b: x[a:b], 60, np.array([4, 3, 1]), absent[[4, 3, 1]])
    assert [group.tolist() for group in some] == [[0], [1, 2]]


@pytest.mark.usefixtures("_chunks")
def test_descriptors_are_standardised_over_the_artists_that_have_them() -> None:
    absent = np.zeros(6, np.float32)
    x = descriptors(absent)
    x[20:, 4] = 7.0  # a constant column tells nothing
    columns = np.array([0, 2, 4])
    block = fit_descriptor_block(lambda a, b: x[a:b], 60, columns, absent[columns], 2.0, NONE)
    assert block is not None
    here = x[20:][:, [0, 2]]
    wanted = np.zeros((60, 4))
    wanted[:, 3] = 2.0 * 0.5 * (np.arange(60) >= 20) - 2.0 * 0.5 * 40 / 60
    wanted[20:, :2] = 2.0 * (here - here.mean(axis=0)) / here.std(axis=0) / np.sqrt(3)
    np.testing.assert_allclose(z_of([block], x), wanted, atol=1e-5)


@pytest.mark.usefixtures("_chunks")
def test_fourier_features_of_descriptors_are_centred_over_the_artists_that_have_them() -> None:
    absent = np.zeros(6, np.float32)
    x, columns = descriptors(absent), np.array([1, 3])
    block = fit_descriptor_block(lambda a, b: x[a:b], 60, columns, absent[columns], 1.0, Fourier(50, 10, 0.5, 0))
    assert block is not None
    assert block.fourier_features is not None
    assert block.fourier_features.phases.shape == (3,)  # 30 artists have the block
    z = z_of([block], x)
    assert z.shape == (60, 6)
    assert not z[10:40, :5].any()
    np.testing.assert_allclose(z.mean(axis=0), 0, atol=1e-6)


def test_blocks_that_tell_no_artists_apart_are_none() -> None:
    x = np.full((10, 2), 3.0)
    x[4] = 0
    columns = np.arange(2)
    assert fit_descriptor_block(lambda a, b: x[a:b], 10, columns, np.zeros(2, np.float32), 1.0, NONE) is None
    assert fit_descriptor_block(lambda a, b: 0 * x[a:b], 10, columns, np.zeros(2, np.float32), 1.0, NONE) is None
    assert fit_unit_block(lambda a, b: x[a:b], 10, columns, 0.0, 1.0, NONE) is None
    assert fit_unit_block(lambda a, b: 0 * x[a:b], 10, columns, 0.0, 1.0, NONE) is None


@pytest.mark.usefixtures("_chunks")
def test_directions_are_measured_over_the_rows_that_are_not_zero() -> None:
    x = np.random.default_rng(2).normal(1, 1, (60, 3))
    x[::4] = 0
    block = fit_unit_block(lambda a, b: x[a:b], 60, np.arange(3), 2.0, 1.0, NONE)
    assert block is not None
    rows = x[np.any(x != 0, axis=1)]
    lengths = np.linalg.norm(rows, axis=1)
    np.testing.assert_allclose(block.mean, (rows / lengths[:, None]).mean(axis=0), atol=1e-6)
    assert block.norm_shrinkage == pytest.approx(2 * np.sqrt((lengths**2).mean()))
