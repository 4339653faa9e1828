from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from riyl.training.contrastive.encoders import MlpEncoder, SetEncoder


def test_mlp_equals_its_layers_written_out() -> None:
    torch.manual_seed(0)
    encoder = MlpEncoder(5, [7, 6], 4).double()
    x = np.random.default_rng(0).standard_normal((3, 5))
    state = {name: value.numpy() for name, value in encoder.state_dict().items()}
    h = x / np.linalg.norm(x, axis=1, keepdims=True)
    for i in range(2):
        h = np.maximum(0, h @ state[f"hidden.{i}.weight"].T + state[f"hidden.{i}.bias"])
    y = h @ state["out.weight"].T + state["out.bias"]
    y /= np.linalg.norm(y, axis=1, keepdims=True)
    np.testing.assert_allclose(encoder(torch.from_numpy(x)).detach().numpy(), y, atol=1e-12)


def attention_by_loops(encoder: SetEncoder, tokens: np.ndarray, heads: int, width: int) -> np.ndarray:
    """Compute the attention one set, one head and one token at a time."""
    state = {name: value.numpy() for name, value in encoder.state_dict().items()}
    tokens = tokens / np.linalg.norm(tokens, axis=1, keepdims=True)
    qkv = tokens @ state["qkv.weight"].T + state["qkv.bias"]
    size = width // heads
    seen = np.zeros((len(tokens), width))
    for head in range(heads):
        q, k, v = (qkv[:, i * width + head * size : i * width + (head + 1) * size] for i in range(3))
        for i in range(len(tokens)):
            weights = np.array([math.exp(float(q[i] @ k[j]) / math.sqrt(size)) for j in range(len(tokens))])
            seen[i, head * size : (head + 1) * size] = (weights / weights.sum()) @ v
    y = seen.mean(axis=0) @ state["out.weight"].T + state["out.bias"]
    return y / np.linalg.norm(y)


def test_set_encoder_equals_attention_by_loops_whatever_the_padding() -> None:
    torch.manual_seed(0)
    encoder = SetEncoder(5, 8, 2, 4).double()
    rng = np.random.default_rng(1)
    tokens = rng.standard_normal((2, 3, 5))
    mask = np.array([[True, True, True], [True, True, False]])
    outputs = encoder(torch.from_numpy(tokens), torch.from_numpy(mask)).detach().numpy()
    np.testing.assert_allclose(outputs[0], attention_by_loops(encoder, tokens[0], 2, 8), atol=1e-12)
    np.testing.assert_allclose(outputs[1], attention_by_loops(encoder, tokens[1, :2], 2, 8), atol=1e-12)


def test_order_of_a_set_does_not_matter() -> None:
    torch.manual_seed(0)
    encoder = SetEncoder(5, 8, 2, 4)
    tokens = torch.randn(1, 6, 5)
    mask = torch.ones(1, 6, dtype=torch.bool)
    torch.testing.assert_close(encoder(tokens, mask), encoder(tokens[:, torch.randperm(6)], mask))


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_outputs_are_unit_rows_whatever_the_scale_of_the_input(scale: float) -> None:
    torch.manual_seed(0)
    rows = MlpEncoder(5, [7], 4)(scale * torch.randn(9, 5))
    torch.testing.assert_close(rows.norm(dim=1), torch.ones(9))
