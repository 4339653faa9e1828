"""The contrastive loss of section 2.1 of Ferraro et al., ISMIR 2023; and one that learns from links between artists."""

from __future__ import annotations

import torch
import torch.nn.functional as F
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
    within = anchors @ anchors.T / temperature  # (n, n)
    cross = anchors @ positives.T / temperature  # (n, n)
    within = within.masked_fill(torch.eye(len(anchors), dtype=torch.bool, device=within.device), float("-inf"))
    loss = (torch.logsumexp(torch.cat([within, cross], dim=1), dim=1) - cross.diagonal()).sum()
    return loss + info_nce(positives, anchors, temperature) if symmetric else loss


def cross_entropy_of_pairs(scores: Tensor, linked: Tensor, temperature: float) -> Tensor:
    """How far the softmax over candidates is from even shares for those that a query is linked to, mean over queries.

    L = - mean_i (1 / |N(i)|) sum_{j in N(i)} log( exp(s_ij / t) / sum_k exp(s_ik / t) )

    which is L_out of supervised contrastive learning (Khosla et al., NeurIPS 2020, equation 2) with links in place of
    classes.

    Args:
        scores: (b, c); -inf takes a candidate out, as the query itself.
        linked: (b, c) 1 for the candidates that the query is linked to, at least one a row, else 0.
        temperature: t, above 0.
    """
    logs = F.log_softmax(scores / temperature, dim=1)
    return -(torch.where(linked > 0, logs, 0.0).sum(dim=1) / linked.sum(dim=1)).mean()
