"""Losses: the contrastive one of section 2.1 of Ferraro et al., ISMIR 2023, and one for pairs of similar artists."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def info_nce(anchors: Tensor, positives: Tensor, temperature: float, *, symmetric: bool = False) -> Tensor:
    """Return the InfoNCE loss between two modalities of the same artists, summed over the batch.

    L = - sum_i log( exp(a_i . b_i / t) / ( sum_{k != i} exp(a_i . a_k / t) + sum_k exp(a_i . b_k / t) ) )

    As printed in section 2.1: it goes in one direction, the negatives are the other anchors and all positives, and the
    own positive is part of the denominator. The paper prints a sum over the batch; a mean would differ only by a
    constant factor, which Adam cancels up to its epsilon.

    Args:
        anchors: (n, d) unit rows; row i is artist i.
        positives: (n, d) unit rows of the same artists in the other modality.
        temperature: t, above 0.
        symmetric: whether to add the same loss with the two sides swapped (not in the paper).

    Returns:
        Scalar; 0 for a single artist.
    """
    within = anchors @ anchors.T / temperature  # (n, n)
    cross = anchors @ positives.T / temperature  # (n, n)
    within = within.masked_fill(torch.eye(len(anchors), dtype=torch.bool, device=within.device), float("-inf"))
    loss = (torch.logsumexp(torch.cat([within, cross], dim=1), dim=1) - cross.diagonal()).sum()
    return loss + info_nce(positives, anchors, temperature) if symmetric else loss


def cross_entropy_of_pairs(scores: Tensor, weights: Tensor, temperature: float) -> Tensor:
    """Return the cross entropy between a query's share for each candidate and the softmax over all candidates.

    The shares are the weights of the query's linked candidates N(i), divided by their sum. The result is the mean over
    queries:

    L = - mean_i sum_{j in N(i)} (w_ij / sum_{l in N(i)} w_il) log( exp(s_ij / t) / sum_k exp(s_ik / t) )

    With equal weights this is L_out of supervised contrastive learning (Khosla et al., NeurIPS 2020, equation 2) with
    linked artists in place of members of a class.

    Args:
        scores: (b, c); -inf excludes a candidate, such as the query itself.
        weights: (b, c), above 0 for the candidates that the query is linked to, at least one a row, else 0.
        temperature: t, above 0.
    """
    logs = F.log_softmax(scores / temperature, dim=1)
    linked = torch.where(weights > 0, logs, 0.0)  # without -inf, of which 0 times is no number
    return -((linked * weights).sum(dim=1) / weights.sum(dim=1)).mean()
