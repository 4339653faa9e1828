"""Supervision for a closed-form model: its maps refined on pairs of artists that are known to be similar."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from riyl.core.ranking_metrics import ndcg
from riyl.core.types import Matrix, Progress, Rows, silent
from riyl.training.cca.linear import LinearPart, ResidualMlp
from riyl.training.cca.supervision import SimilarityPairs
from riyl.training.cca.views import View
from riyl.training.config import FineTuneConfig
from riyl.training.contrastive.losses import cross_entropy_of_pairs

log = logging.getLogger(__name__)

_LENGTH = 200
_QUERIES = 512
_CHUNK = 1 << 14


@dataclass(frozen=True)
class FineTuned:
    """The refined parts, and how the kept-back artists fared at the start and at the end."""

    parts: dict[str, LinearPart]
    scores: dict[str, float]


def fine_tune(
    parts: Mapping[str, LinearPart],
    views: Mapping[str, View],
    similarity_pairs: SimilarityPairs,
    config: FineTuneConfig,
    *,
    seed: int,
    device: str = "cpu",
    progress: Progress = silent,
) -> FineTuned:
    """Start from the closed form and learn from links which artists are similar.

    To each modality's linear map comes a hidden layer that starts at zero, so training starts where the closed form
    ends. Each step some artists ask, with some of their modalities left out by chance, for those they are linked to
    among all that links are known of (`riyl.training.contrastive.losses.cross_entropy_of_pairs`). Once an epoch the
    validation artists ask for theirs among all; the maps of the best epoch are kept.

    Args:
        parts: what to start from.
        views: of the same modalities.
        similarity_pairs: the supervision.
        seed: of batches and of what is left out.
        device: "cpu" or "cuda".
    """
    at = torch.device(device)
    torch.manual_seed(seed)
    rng = np.random.default_rng([seed, 2])
    inputs = {name: torch.from_numpy(_rows_of(views[name], similarity_pairs.rows)).to(at) for name in parts}
    has = torch.stack([inputs[name].any(dim=1) for name in parts], dim=1)  # (m, M)
    maps = nn.ModuleDict({name: _Map(part, config) for name, part in parts.items()}).to(at)
    adam = torch.optim.Adam(maps.parameters(), lr=config.learning_rate)
    learners = np.flatnonzero(~similarity_pairs.back)
    graph = similarity_pairs.graph[learners][:, learners].tocsr()
    with_pairs = np.flatnonzero(np.diff(graph.indptr))
    best, best_epoch, epoch = _judge(maps, inputs, has, similarity_pairs), 0, 0
    scores, best_state = {"supervision_start": best}, _copy(maps)
    while epoch < config.max_epochs and epoch - best_epoch < config.patience:
        epoch += 1
        shuffled, total = rng.permutation(with_pairs), 0.0
        size = min(config.batch_size, len(shuffled))
        steps = len(shuffled) // size
        for step in range(steps):
            batch = shuffled[step * size : (step + 1) * size]
            candidates = _candidates(graph, batch, config.candidates, rng)
            wanted = torch.from_numpy(graph[batch][:, candidates].toarray()).to(at)  # (b, c)
            self_mask = torch.from_numpy(candidates == batch[:, None]).to(at)
            query_rows, among = (torch.from_numpy(learners[rows]).to(at) for rows in (batch, candidates))
            queries = _fused(maps, inputs, query_rows, _some(has[query_rows], config.dropout))  # (b, d)
            scored = queries @ _fused(maps, inputs, among, has[among]).T  # (b, c)
            loss = cross_entropy_of_pairs(scored.masked_fill(self_mask, float("-inf")), wanted, config.temperature)
            adam.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            adam.step()
            total += float(loss.detach())
        judged = _judge(maps, inputs, has, similarity_pairs)
        log.info("refined epoch=%d loss=%.4f kept_back_ndcg=%.4f", epoch, total / steps, judged)
        if judged > best:
            best, best_epoch, best_state = judged, epoch, _copy(maps)
        progress("supervision", epoch, config.max_epochs)
    progress("supervision", config.max_epochs, config.max_epochs)
    maps.load_state_dict(best_state)
    scores |= {"supervision_best": best, "supervision_epoch": float(best_epoch)}
    return FineTuned({name: maps[name].part(parts[name]) for name in parts}, scores)  # type: ignore[operator]


class _Map(nn.Module):
    """z to z @ weights + relu(z @ inner + bias) @ outer, where outer starts at zero."""

    def __init__(self, part: LinearPart, config: FineTuneConfig) -> None:
        super().__init__()
        width, dim = part.weights.shape
        self.weights = nn.Parameter(torch.from_numpy(part.weights.copy()))
        self.inner = nn.Parameter(torch.randn(width, config.hidden) * (config.spread / width**0.5))
        self.bias = nn.Parameter(torch.zeros(config.hidden))
        self.outer = nn.Parameter(torch.zeros(config.hidden, dim))

    def forward(self, z: Tensor) -> Tensor:
        """(n, width) to (n, dim)."""
        return z @ self.weights + F.relu(z @ self.inner + self.bias) @ self.outer

    def part(self, of: LinearPart) -> LinearPart:
        """The part that does the same."""
        weights, inner, bias, outer = (
            np.ascontiguousarray(x.detach().cpu().numpy()) for x in (self.weights, self.inner, self.bias, self.outer)
        )
        return replace(of, weights=weights, residual=ResidualMlp(inner, bias, outer))


def _fused(maps: nn.ModuleDict, inputs: Mapping[str, Tensor], at: Tensor, mask: Tensor) -> Tensor:
    """(n, dim) unit rows of the artists at `at`, from the modalities that are kept, (n, M) bool."""
    total = sum(maps[name](z[at]) * mask[:, [i]] for i, (name, z) in enumerate(inputs.items()))
    return F.normalize(total, dim=1)


def _some(has: Tensor, dropout: float) -> Tensor:
    """`has` with each modality left out by chance; all of them where none would be left."""
    mask = has & (torch.rand(has.shape, device=has.device) >= dropout)
    return torch.where(mask.any(dim=1, keepdim=True), mask, has)


def _candidates(
    graph: sp.csr_matrix, batch: NDArray[np.int64], most: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """All learners; where they are more than `most`, so many drawn at random and a linked one of each that asks."""
    n = graph.shape[0]
    if n <= most:
        return np.arange(n)
    degrees = np.diff(graph.indptr)[batch]
    linked = graph.indices[graph.indptr[batch] + rng.integers(degrees)]
    return np.union1d(linked, rng.choice(n, most, replace=False)).astype(np.int64)


@torch.no_grad()
def _judge(maps: nn.ModuleDict, inputs: Mapping[str, Tensor], has: Tensor, similarity_pairs: SimilarityPairs) -> float:
    """Mean nDCG@200 of the kept-back artists, by all their links, among all artists that links are known of."""
    m = len(similarity_pairs.rows)
    among = torch.cat(
        [_fused(maps, inputs, at, has[at]) for at in torch.split(torch.arange(m, device=has.device), _CHUNK)]
    )
    scores = []
    for at in torch.split(torch.from_numpy(np.flatnonzero(similarity_pairs.back)), _QUERIES):
        cosines = among[at.to(has.device)] @ among.T  # (q, m)
        cosines[torch.arange(len(at)), at] = -torch.inf
        lists = cosines.topk(min(_LENGTH, m - 1), dim=1).indices.cpu().numpy()
        wanted = similarity_pairs.graph[at.numpy()]
        hits = np.take_along_axis(wanted.toarray(), lists, axis=1) > 0
        scores.append(ndcg(hits, np.diff(wanted.indptr).astype(np.int64)))
    return float(np.concatenate(scores).mean())


def _copy(maps: nn.ModuleDict) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in maps.state_dict().items()}


def _rows_of(view: View, rows: Rows) -> Matrix:
    """(m, width) float32 z of these rows of the snapshot, zeros where one has no such modality."""
    z = np.zeros((len(rows), view.width), np.float32)
    _, targets, sources = np.intersect1d(rows, view.modality.rows, assume_unique=True, return_indices=True)
    for start in range(0, len(sources), _CHUNK):
        chunk = slice(start, start + _CHUNK)
        z[targets[chunk]] = view.take(sources[chunk])
    return z
