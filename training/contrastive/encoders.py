"""The encoders of section 3.1 of the paper: one small network a modality, into one shared space of unit vectors."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn


class MlpEncoder(nn.Module):
    """Encoder of one vector: hidden layers with ReLU between them; rows are scaled to unit length at both ends.

    Args:
        width: length of an input vector.
        hidden: widths of the hidden layers.
        dim: width of the shared space.
    """

    def __init__(self, width: int, hidden: Sequence[int], dim: int) -> None:
        super().__init__()
        self.hidden = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise([width, *hidden]))
        self.out = nn.Linear([width, *hidden][-1], dim)

    def forward(self, vectors: Tensor) -> Tensor:
        """Encode (n, width) vectors as (n, dim) unit rows."""
        x = F.normalize(vectors, dim=1)
        for layer in self.hidden:
            x = F.relu(layer(x))
        return F.normalize(self.out(x), dim=1)


class SetEncoder(nn.Module):
    """Encoder of a set of token vectors: multi-head self-attention, the mean over the set, a linear map.

    The order of the tokens has no effect. A single vector is a set of one.

    Args:
        width: length of a token vector.
        attention: width of the attention layer, divided among the heads.
        heads: number of attention heads.
        dim: width of the shared space.
    """

    def __init__(self, width: int, attention: int, heads: int, dim: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * attention)
        self.out = nn.Linear(attention, dim)

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Encode (n, s, width) tokens as (n, dim) unit rows; mask, (n, s) bool, is true for one token a row or more."""
        n, s, _ = tokens.shape
        qkv = self.qkv(F.normalize(tokens, dim=2))  # (n, s, 3 * attention)
        q, k, v = qkv.reshape(n, s, 3, self.heads, -1).permute(2, 0, 3, 1, 4)  # each (n, heads, s, attention / heads)
        seen = F.scaled_dot_product_attention(q, k, v, attn_mask=mask[:, None, None, :])
        x = seen.transpose(1, 2).reshape(n, s, -1)  # (n, s, attention)
        weight = mask[:, :, None].to(x.dtype)
        pooled = (x * weight).sum(1) / weight.sum(1)  # (n, attention)
        return F.normalize(self.out(pooled), dim=1)
