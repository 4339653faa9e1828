"""The contrastive loss of section 2.1 of Ferraro et al., ISMIR 2023."""

from __future__ import annotations

import torch
from torch import Tensor


def info_nce(anchors: Tensor, positives: Tensor, temperature: float, *, symmetric: bool = False) -> Tensor:
    """InfoNCE between two modalities of the same artists, summed over the batch.

    L = - sum_i log( exp(a_i . b_i / t) / ( sum_{k != i} exp(a_i . a_k / t) + sum_k exp(a_i . b_k / t) ) )

    As printed in section 2.1: one-directional, the negatives are the other anchors and all positives, the own
    positive stays in the denominator. A mean over the batch would differ by a constant factor alone, which Adam
    takes out again up to its epsilon; the sum is what is printed.

    Args:
        anchors: (n, d) unit rows, row i is artist i.
        positives: (n, d) unit rows of the same artists in the other modality.
        temperature: t, above 0.
        symmetric: add the same loss with the two sides swapped (not in the paper).

    Returns:
        Scalar; 0 for a single artist.
    """
    own = anchors @ anchors.T / temperature  # (n, n)
    cross = anchors @ positives.T / temperature  # (n, n)
    own = own.masked_fill(torch.eye(len(anchors), dtype=torch.bool, device=own.device), float("-inf"))
    loss = (torch.logsumexp(torch.cat([own, cross], dim=1), dim=1) - cross.diagonal()).sum()
    return loss + info_nce(positives, anchors, temperature) if symmetric else loss
