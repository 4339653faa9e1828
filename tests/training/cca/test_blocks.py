from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnxruntime
import pytest

from riyl.core.storage.model import Part
from riyl.training.cca.blocks import DescriptorBlock, RandomFourierFeatures, UnitBlock, z_of
from riyl.training.cca.linear import LinearPart, linear_onnx

RNG = np.random.default_rng(0)


def float32(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


FOURIER = RandomFourierFeatures(float32(3, 4), float32(4))
DIRECTION = UnitBlock(np.array([0, 1, 2]), float32(7), norm_shrinkage=0.7, weight=0.5, fourier_features=FOURIER)
VALUES = DescriptorBlock(
    np.array([5, 3]),
    absent=np.array([0, -2], np.float32),
    centre=float32(2),
    scale=np.array([2, 4], np.float32),
    mean=float32(2),
    share=0.8,
    weight=3.0,
)
X = float32(6, 6)
X[1, :3] = 0
X[2, [5, 3]] = [0, -2]
X[3, [5, 3]] = [0, 1]


def naive_direction(x: np.ndarray) -> np.ndarray:
    y = x[:3].astype(float)
    length = np.sqrt(y @ y)
    if length == 0:
        return np.zeros(7)
    unit = y / length
    cosines = [np.sqrt(2 / 4) * np.cos(unit @ FOURIER.frequencies[:, j] + FOURIER.phases[j]) for j in range(4)]
    gate = length / np.sqrt(length**2 + 0.7**2)
    return 0.5 * gate * (np.concatenate([unit, cosines]) - DIRECTION.mean)


def naive_values(x: np.ndarray) -> np.ndarray:
    y = x[[5, 3]].astype(float)
    if y[0] == 0 and y[1] == -2:
        return 3.0 * np.array([0, 0, 0.5 * -0.8])
    return 3.0 * np.append((y - VALUES.centre) / VALUES.scale - VALUES.mean, 0.5 * 0.2)


def test_z_is_each_block_by_its_definition_and_zeros_where_a_row_lacks_it() -> None:
    z = z_of([DIRECTION, VALUES], X.astype(np.float64))
    wanted = np.array([np.concatenate([naive_direction(x), naive_values(x)]) for x in X])
    np.testing.assert_allclose(z, wanted, atol=1e-12)
    assert not z[1, :7].any()
    assert not z[2, 7:9].any()
    assert z[3, 7:].all()


def test_rows_that_are_not_scaled_are_only_centred() -> None:
    block = UnitBlock(np.arange(6), float32(6), unit_rows=False)
    np.testing.assert_allclose(z_of([block], X.astype(np.float64)), X - block.mean, atol=1e-6)


@pytest.mark.parametrize("blocks", [(DIRECTION, VALUES), (VALUES,), (replace(DIRECTION, norm_shrinkage=0.0),)])
def test_the_onnx_file_computes_the_same_part(blocks: tuple[UnitBlock | DescriptorBlock, ...]) -> None:
    part = LinearPart(6, blocks, float32(sum(block.out for block in blocks), 3))
    takes, onnx = linear_onnx(part)
    assert takes == Part("vector", 6)
    (computed,) = onnxruntime.InferenceSession(onnx).run(["part"], {"vectors": X})
    np.testing.assert_allclose(computed, z_of(blocks, X.astype(np.float64)) @ part.weights, atol=2e-5)


def test_the_onnx_file_of_sets_adds_up_the_rows_of_their_terms() -> None:
    table = float32(9, 6)
    part = LinearPart(6, (DIRECTION, VALUES), float32(10, 3), table=table, max_terms=4)
    takes, onnx = linear_onnx(part)
    assert takes == Part("weighted", 9, 4)
    terms, weights = np.array([[4, 0], [8, 2]]), np.array([[3.0, 0.0], [0.5, 7.0]], np.float32)
    feed = {"terms": terms, "weights_of_terms": weights}
    (computed,) = onnxruntime.InferenceSession(onnx).run(["part"], feed)
    x = np.array([np.log(4) * table[4], np.log(1.5) * table[8] + np.log(8) * table[2]], np.float64)
    np.testing.assert_allclose(computed, z_of(part.blocks, x) @ part.weights, atol=2e-5)


def test_numbers_near_the_largest_keep_their_direction_without_norm_shrinkage() -> None:
    block = UnitBlock(np.arange(2), np.zeros(2, np.float32))
    _, onnx = linear_onnx(LinearPart(2, (block,), np.eye(2, dtype=np.float32)))
    huge = np.array([[3e18, 4e18], [0, 0]], np.float32)
    (computed,) = onnxruntime.InferenceSession(onnx).run(["part"], {"vectors": huge})
    np.testing.assert_allclose(computed, [[0.6, 0.8], [0, 0]], rtol=1e-5)
