"""Supervision of a closed-form model: refinement of its maps on pairs of artists that are known to be similar.

Each epoch ends with a checkpoint on disk; a killed run continues from it with bit-for-bit the same result.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import scipy.sparse as sp
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from riyl.core.ranking_metrics import graded_ndcg
from riyl.core.types import Matrix, Progress, Rows, silent
from riyl.training.cca.linear import LinearPart, ResidualMlp
from riyl.training.cca.supervision import SimilarityPairs
from riyl.training.cca.views import View
from riyl.training.checkpoint import State, read_checkpoint, write_checkpoint
from riyl.training.config import FineTuneConfig
from riyl.training.contrastive.losses import cross_entropy_of_pairs

log = logging.getLogger(__name__)

_LENGTH = 200
_QUERIES = 512
_CHUNK = 1 << 14


@dataclass(frozen=True)
class FineTuned:
    """Refined parts, and the nDCG of the validation artists at the start and at the best epoch."""

    parts: dict[str, LinearPart]
    scores: dict[str, float]


def fine_tune(
    parts: Mapping[str, LinearPart],
    views: Mapping[str, View],
    similarity_pairs: SimilarityPairs,
    config: FineTuneConfig,
    *,
    seed: int,
    checkpoint: Path,
    device: str = "cpu",
    progress: Progress = silent,
) -> FineTuned:
    """Refine closed-form maps on similarity pairs.

    Each modality's linear map gains a hidden layer that starts at zero, so training starts at the closed form. In each
    step a batch of query artists, with some of their modalities left out at random, ranks the artists that have pairs,
    and learns to put its linked artists first, by their weights
    (`riyl.training.contrastive.losses.cross_entropy_of_pairs`). After each epoch the validation artists rank all
    artists that have pairs; the maps of the epoch with the best nDCG are kept.

    Args:
        parts: the closed-form maps to start from.
        views: views of the same modalities.
        similarity_pairs: the supervision.
        config: settings of the refinement.
        seed: seed of batches and of the modalities left out.
        checkpoint: file that is continued from if it exists and has the same settings, pairs and seed, and that is
            written after every epoch.
        device: "cpu" or "cuda".
        progress: called with the step, the epochs done and their total.
    """
    at = torch.device(device)
    rng = np.random.default_rng([seed, 2])
    initial = torch.Generator().manual_seed(seed)
    dropout = initial if at.type == "cpu" else torch.Generator(at).manual_seed(seed)
    inputs = {name: torch.from_numpy(_rows_of(views[name], similarity_pairs.rows)).to(at) for name in parts}
    artists = _Artists(inputs, torch.stack([inputs[name].any(dim=1) for name in parts], dim=1))
    maps = nn.ModuleDict({name: _Map(part, config, initial) for name, part in parts.items()}).to(at)
    adam = torch.optim.Adam(maps.parameters(), lr=config.learning_rate)
    generators, settings = {"dropout": dropout}, _settings(parts, similarity_pairs, config, seed, at)
    resumed = read_checkpoint(checkpoint, maps, adam, generators=generators, settings=settings)
    if resumed is None:
        state, best = State(history=[{"ndcg": _judge(maps, artists, similarity_pairs)}]), _copy(maps)
    else:
        state, best = resumed
        rng.bit_generator.state = state.order
    while state.epoch < config.max_epochs and state.epoch - state.best_epoch < config.patience:
        state.epoch += 1
        loss = _train_epoch(maps, artists, similarity_pairs, config, adam, rng, dropout)
        judged = _judge(maps, artists, similarity_pairs)
        log.info("refined epoch=%d loss=%.4f kept_back_ndcg=%.4f", state.epoch, loss, judged)
        state.history.append({"ndcg": judged, "loss": loss})
        if judged > state.history[state.best_epoch]["ndcg"]:
            state.best_epoch, best = state.epoch, _copy(maps)
        state.order = dict(rng.bit_generator.state)
        write_checkpoint(checkpoint, state, maps, best, adam, generators=generators, settings=settings)
        progress("supervision", state.epoch, config.max_epochs)
    progress("supervision", config.max_epochs, config.max_epochs)
    maps.load_state_dict(best)
    ndcgs = [measures["ndcg"] for measures in state.history]
    scores = {"supervision_start": ndcgs[0], "supervision_best": ndcgs[state.best_epoch]}
    scores["supervision_epoch"] = float(state.best_epoch)
    return FineTuned({name: maps[name].part(parts[name]) for name in parts}, scores)  # type: ignore[operator]


@dataclass(frozen=True)
class _Artists:
    """The m artists that have pairs.

    Attributes:
        inputs: by modality z of the artists, (m, width) float32; zeros for those without the modality.
        has: (m, M) bool, whether an artist has a modality.
    """

    inputs: Mapping[str, Tensor]
    has: Tensor


def _train_epoch(
    maps: nn.ModuleDict,
    artists: _Artists,
    similarity_pairs: SimilarityPairs,
    config: FineTuneConfig,
    adam: torch.optim.Adam,
    rng: np.random.Generator,
    dropout: torch.Generator,
) -> float:
    """Train once on the artists that have pairs without validation artists, in batches; return the mean loss."""
    learners = np.flatnonzero(~similarity_pairs.back)
    graph = similarity_pairs.graph[learners][:, learners].tocsr()
    at, has = artists.has.device, artists.has
    shuffled, total = rng.permutation(np.flatnonzero(np.diff(graph.indptr))), 0.0
    size = min(config.batch_size, len(shuffled))
    steps = len(shuffled) // size
    for step in range(steps):
        batch = shuffled[step * size : (step + 1) * size]
        candidates = _candidates(graph, batch, config.candidates, rng)
        weights = torch.from_numpy(graph[batch][:, candidates].toarray()).to(at)  # (b, c)
        self_mask = torch.from_numpy(candidates == batch[:, None]).to(at)
        query_rows, among = (torch.from_numpy(learners[rows]).to(at) for rows in (batch, candidates))
        queries = _fused(maps, artists.inputs, query_rows, _some(has[query_rows], config.dropout, dropout))  # (b, d)
        scored = queries @ _fused(maps, artists.inputs, among, has[among]).T  # (b, c)
        loss = cross_entropy_of_pairs(scored.masked_fill(self_mask, float("-inf")), weights, config.temperature)
        adam.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        adam.step()
        total += float(loss.detach())
    return total / steps


class _Map(nn.Module):
    """Map from z to z @ weights + relu(z @ inner + bias) @ outer, where outer starts at zero."""

    def __init__(self, part: LinearPart, config: FineTuneConfig, generator: torch.Generator) -> None:
        super().__init__()
        width, dim = part.weights.shape
        self.weights = nn.Parameter(torch.from_numpy(part.weights.copy()))
        self.inner = nn.Parameter(torch.randn(width, config.hidden, generator=generator) * (config.spread / width**0.5))
        self.bias = nn.Parameter(torch.zeros(config.hidden))
        self.outer = nn.Parameter(torch.zeros(config.hidden, dim))

    def forward(self, z: Tensor) -> Tensor:
        """Map (n, width) to (n, dim)."""
        return z @ self.weights + F.relu(z @ self.inner + self.bias) @ self.outer

    def part(self, of: LinearPart) -> LinearPart:
        """Return the linear part that computes the same."""
        weights, inner, bias, outer = (
            np.ascontiguousarray(x.detach().cpu().numpy()) for x in (self.weights, self.inner, self.bias, self.outer)
        )
        return replace(of, weights=weights, residual=ResidualMlp(inner, bias, outer))


def _fused(maps: nn.ModuleDict, inputs: Mapping[str, Tensor], at: Tensor, mask: Tensor) -> Tensor:
    """Return the (n, dim) unit rows of the artists at `at`, from the modalities that `mask`, (n, M) bool, keeps."""
    total = sum(maps[name](z[at]) * mask[:, [i]] for i, (name, z) in enumerate(inputs.items()))
    return F.normalize(total, dim=1)


def _some(has: Tensor, dropout: float, generator: torch.Generator) -> Tensor:
    """Return `has` with each modality left out at random; a row that would lose all its modalities keeps them."""
    mask = has & (torch.rand(has.shape, device=has.device, generator=generator) >= dropout)
    return torch.where(mask.any(dim=1, keepdim=True), mask, has)


def _candidates(
    graph: sp.csr_matrix, batch: NDArray[np.int64], most: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return all learners, or `most` random ones where there are more, and then a linked artist of each query too."""
    n = graph.shape[0]
    if n <= most:
        return np.arange(n)
    degrees = np.diff(graph.indptr)[batch]
    linked = graph.indices[graph.indptr[batch] + rng.integers(degrees)]
    return np.union1d(linked, rng.choice(n, most, replace=False)).astype(np.int64)


@torch.no_grad()
def _judge(maps: nn.ModuleDict, artists: _Artists, similarity_pairs: SimilarityPairs) -> float:
    """Return the mean nDCG@200 of the validation artists among all artists that have pairs; weights are the gains."""
    m, has = len(similarity_pairs.rows), artists.has
    among = torch.cat(
        [_fused(maps, artists.inputs, at, has[at]) for at in torch.split(torch.arange(m, device=has.device), _CHUNK)]
    )
    scores = []
    for at in torch.split(torch.from_numpy(np.flatnonzero(similarity_pairs.back)), _QUERIES):
        cosines = among[at.to(has.device)] @ among.T  # (q, m)
        cosines[torch.arange(len(at)), at] = -torch.inf
        lists = cosines.topk(min(_LENGTH, m - 1), dim=1).indices.cpu().numpy()
        weights = similarity_pairs.graph[at.numpy()].toarray().astype(np.float64)  # (q, m)
        ideal = -np.sort(-weights, axis=1)[:, :_LENGTH]
        scores.append(graded_ndcg(np.take_along_axis(weights, lists, axis=1), ideal))
    return float(np.concatenate(scores).mean())


def _settings(
    parts: Mapping[str, LinearPart],
    similarity_pairs: SimilarityPairs,
    config: FineTuneConfig,
    seed: int,
    at: torch.device,
) -> str:
    """Return the digest of what a checkpoint must agree with: settings, shapes of the maps, artists and pairs."""
    graph = similarity_pairs.graph
    shapes = {name: part.weights.shape for name, part in parts.items()}
    described = [config.model_dump(mode="json"), seed, at.type, shapes, similarity_pairs.ids]
    digest = hashlib.sha256(json.dumps(described).encode())
    for array in (graph.indptr.astype(np.int64), graph.indices.astype(np.int64), graph.data, similarity_pairs.back):
        digest.update(array.tobytes())
    return digest.hexdigest()


def _copy(maps: nn.ModuleDict) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in maps.state_dict().items()}


def _rows_of(view: View, rows: Rows) -> Matrix:
    """Return the (m, width) float32 z of these rows of the snapshot; zeros for artists without the modality."""
    z = np.zeros((len(rows), view.width), np.float32)
    _, targets, sources = np.intersect1d(rows, view.modality.rows, assume_unique=True, return_indices=True)
    for start in range(0, len(sources), _CHUNK):
        chunk = slice(start, start + _CHUNK)
        z[targets[chunk]] = view.take(sources[chunk])
    return z
