"""Inputs of the encoders as tensors: the features of a snapshot's full artists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from riyl.core.storage.model import Part
from riyl.core.storage.snapshot import Snapshot
from riyl.core.types import Rows
from riyl.training.config import MlpSpec, SetSpec, only_modality
from riyl.training.features.featurizer import term_factors

Batch: TypeAlias = tuple[Tensor, ...]


@dataclass(frozen=True)
class VectorInput:
    """Vectors of a modality, (n, width) float32; row i is artist i."""

    vectors: Tensor

    @property
    def part(self) -> Part:
        return Part("vector", self.vectors.shape[1])

    def __len__(self) -> int:
        return len(self.vectors)

    def __call__(self, index: Tensor) -> Batch:
        return (self.vectors[index],)


@dataclass(frozen=True)
class TermInput:
    """Terms of each artist, (n, max_terms) int64 with a mask, and the (V, width) float32 factors of the terms."""

    terms: Tensor
    mask: Tensor
    factors: Tensor
    max_terms: int

    @property
    def part(self) -> Part:
        return Part("terms", self.factors.shape[1], self.max_terms)

    def __len__(self) -> int:
        return len(self.terms)

    def __call__(self, index: Tensor) -> Batch:
        mask = self.mask[index]
        widest = int(mask.sum(1).max())
        return self.factors[self.terms[index, :widest]], mask[:, :widest]


Input: TypeAlias = VectorInput | TermInput


def modality_input(
    snapshot: Snapshot, name: str, spec: MlpSpec | SetSpec, artists: Rows, device: torch.device
) -> Input:
    """Return the encoder input of `artists`, all of which have the modality; vectors where it has no sets."""
    modality = snapshot.modalities[name]
    at: NDArray[np.int64] = np.searchsorted(modality.rows, artists)
    if isinstance(spec, MlpSpec) or spec.tokens == "vector" or modality.sets is None:
        return VectorInput(torch.from_numpy(np.array(modality.vectors[at])).to(device))
    terms, mask = modality.sets.padded(at, spec.max_terms)
    factors = torch.from_numpy(term_factors(snapshot, name)).to(device)
    return TermInput(
        torch.from_numpy(terms.astype(np.int64)).to(device), torch.from_numpy(mask).to(device), factors, spec.max_terms
    )


def chosen_modalities(order: tuple[str, ...], snapshot: Snapshot) -> list[str]:
    """Order the modalities that at least one artist has: first as in `order`, then those it does not list, by name.

    Raises:
        ConfigError: there are fewer than two, so that there is no pair to learn from.
    """
    have = snapshot.modalities_had
    chosen = [m for m in order if m in have] + [m for m in have if m not in order]
    if len(chosen) < 2:
        raise only_modality(snapshot.id, have[0], "a contrastive method")
    return chosen
