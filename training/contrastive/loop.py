"""Training loop of the paper's method.

Each epoch ends with a checkpoint on disk; a killed run continues from it with bit-for-bit the same result.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations, permutations
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from riyl.core.storage.snapshot import Snapshot
from riyl.core.types import Progress, silent
from riyl.training.checkpoint import State, read_checkpoint, write_checkpoint
from riyl.training.config import ContrastiveConfig, MlpSpec, SetSpec
from riyl.training.contrastive.encoders import MlpEncoder, SetEncoder
from riyl.training.contrastive.inputs import Input, VectorInput, chosen_modalities, modality_input
from riyl.training.contrastive.losses import info_nce
from riyl.training.features.holdout import artists_to_fit_on

log = logging.getLogger(__name__)

_VALIDATION_BLOCK = 1024
"""Number of validation artists compared at a time: limits memory, and keeps the loss comparable between catalogs."""


@dataclass(frozen=True)
class Trained:
    """Result of a training: encoders with the best epoch's weights, their inputs, and their validation scores."""

    encoders: nn.ModuleDict
    inputs: Mapping[str, Input]
    scores: dict[str, float]


def train_contrastive(
    config: ContrastiveConfig,
    snapshot: Snapshot,
    *,
    seed: int,
    checkpoint: Path,
    device: str = "cpu",
    progress: Progress = silent,
) -> Trained:
    """Train one encoder a modality on the artists that have all modalities and are not held out.

    Args:
        config: settings of the method.
        snapshot: features to train on.
        seed: seed of the initial weights, of the order of batches and of the choice of validation artists.
        checkpoint: file that is continued from if it exists, and written after every epoch.
        device: "cpu" or "cuda".
        progress: called with the step, the epochs done and their total.

    Raises:
        ConfigError: the snapshot has fewer than two modalities.
        InputError: fewer than four artists have all modalities and are not held out.
    """
    names = chosen_modalities(config.modalities, snapshot)
    full = artists_to_fit_on(snapshot, names, at_least=4)
    at = torch.device(device)
    specs = {name: config.encoders.get(name, MlpSpec()) for name in names}
    inputs = {name: modality_input(snapshot, name, specs[name], full, at) for name in names}
    torch.manual_seed(seed)
    encoders = nn.ModuleDict({name: _encoder(specs[name], inputs[name], config.dim) for name in names}).to(at)
    adam = torch.optim.Adam(encoders.parameters(), lr=config.learning_rate)
    order = torch.from_numpy(np.random.default_rng([seed, 0]).permutation(len(full))).to(at)
    n_held = max(2, round(config.validation * len(full)))
    held, seen = order[:n_held], order[n_held:]
    if len(seen) < config.batch_size:
        log.warning("small_catalog full_artists=%d batch_size=%d: one batch an epoch", len(seen), config.batch_size)
    state, best = read_checkpoint(checkpoint, encoders, adam) or (State(), {})
    while not _finished(state, config):
        state.epoch += 1
        shuffled = seen[torch.from_numpy(np.random.default_rng([seed, state.epoch]).permutation(len(seen))).to(at)]
        loss = train_epoch(encoders, inputs, shuffled, config, adam)
        watched = {"train_loss": loss, **_watch(encoders, inputs, held, config)}
        state.history.append(watched)
        if _better(state, config):
            state.best_epoch = state.epoch
            best = {name: value.detach().clone() for name, value in encoders.state_dict().items()}
        write_checkpoint(checkpoint, state, encoders, best, adam)
        progress("train", state.epoch, config.max_epochs)
    progress("train", config.max_epochs, config.max_epochs)
    encoders.load_state_dict(best)
    scores = {
        "epochs": float(state.epoch),
        "best_epoch": float(state.best_epoch),
        **state.history[state.best_epoch - 1],
    }
    return Trained(encoders.eval(), inputs, scores)


def train_epoch(
    encoders: nn.ModuleDict,
    inputs: Mapping[str, Input],
    order: Tensor,
    config: ContrastiveConfig,
    adam: torch.optim.Adam,
) -> float:
    """Train on the artists `order` once, in batches; skip an incomplete last batch unless it is the only one.

    Returns:
        Mean loss per artist and pair of modalities.
    """
    batch, total = min(config.batch_size, len(order)), torch.zeros((), device=order.device)
    steps, n_pairs = len(order) // batch, len(inputs) * (len(inputs) - 1) // 2
    for step in range(steps):
        loss = pair_losses(encode(encoders, inputs, order[step * batch : (step + 1) * batch]), config)
        adam.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        adam.step()
        total += loss.detach()
    return float(total) / (steps * batch * n_pairs)


def encode(encoders: nn.ModuleDict, inputs: Mapping[str, Input], index: Tensor) -> dict[str, Tensor]:
    """Return, by modality, the (n, dim) unit rows of the artists at `index`."""
    return {name: encoders[name](*inputs[name](index)) for name in inputs}


def pair_losses(outputs: Mapping[str, Tensor], config: ContrastiveConfig) -> Tensor:
    """Return the loss summed over all pairs of modalities; the earlier one of a pair is the anchor."""
    losses = [
        info_nce(outputs[a], outputs[b], config.temperature, symmetric=config.symmetric)
        for a, b in combinations(outputs, 2)
    ]
    return torch.stack(losses).sum()


@torch.no_grad()
def _watch(
    encoders: nn.ModuleDict, inputs: Mapping[str, Input], held: Tensor, config: ContrastiveConfig
) -> dict[str, float]:
    """Measure validation loss per artist and pair, and mean reciprocal rank of own vectors in the other modality."""
    losses, ranks = [], []
    encoders.eval()
    for index in torch.split(held, _VALIDATION_BLOCK):
        outputs = encode(encoders, inputs, index)
        losses.append(pair_losses(outputs, config))
        for a, b in permutations(outputs, 2):
            cosines = outputs[a] @ outputs[b].T
            ranks.append((cosines > cosines.diagonal()[:, None]).sum(1) + 1)
    encoders.train()
    n_pairs = len(inputs) * (len(inputs) - 1) / 2
    return {
        "held_back_loss": float(torch.stack(losses).sum() / (len(held) * n_pairs)),
        "held_back_rank": float((1.0 / torch.cat(ranks)).mean()),
    }


def _encoder(spec: MlpSpec | SetSpec, encoder_input: Input, dim: int) -> nn.Module:
    width = encoder_input.part.width
    if isinstance(spec, MlpSpec):
        return MlpEncoder(width, spec.hidden, dim)
    encoder = SetEncoder(width, spec.attention, spec.heads, dim)
    return SetOfOne(encoder) if isinstance(encoder_input, VectorInput) else encoder


class SetOfOne(nn.Module):
    """Set encoder that takes one vector an artist, (n, width)."""

    def __init__(self, encoder: SetEncoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, vectors: Tensor) -> Tensor:
        mask = torch.ones_like(vectors[:, :1], dtype=torch.bool)
        out: Tensor = self.encoder(vectors[:, None, :], mask)
        return out


def _better(state: State, config: ContrastiveConfig) -> bool:
    key, sign = ("held_back_loss", -1.0) if config.stop_by == "loss" else ("held_back_rank", 1.0)
    values = [sign * epoch[key] for epoch in state.history]
    return len(values) == 1 or values[-1] > max(values[:-1])


def _finished(state: State, config: ContrastiveConfig) -> bool:
    return state.epoch >= config.max_epochs or state.epoch - state.best_epoch >= config.patience > 0 < state.epoch
