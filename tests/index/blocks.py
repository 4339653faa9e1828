"""A linear model whose part of CF takes the block of listeners beside the vectors."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from riyl.core.storage.model import Model, save_model
from riyl.core.storage.snapshot import Snapshot
from riyl.core.types import Matrix
from riyl.training.cca.blocks import UnitBlock
from riyl.training.cca.linear import LinearPart, linear_onnx
from riyl.training.config_sections import BlockName

DIM = 4


def input_of(snapshot: Snapshot, name: str) -> Matrix:
    """Return the input of a modality, (m, width): its vectors, and beside those of CF the block."""
    modality = snapshot.modalities[name]
    return np.hstack([modality.vectors, modality.blocks["listeners"]]) if name == "cf" else np.array(modality.vectors)


def model_with_blocks(snapshot: Snapshot, models: Path) -> tuple[Model, dict[str, Matrix]]:
    """Save a model of random maps of audio and CF, input @ map; return it and the maps by modality."""
    rng = np.random.default_rng(0)
    maps: dict[str, Matrix] = {}
    parts = {}
    for name in ("audio", "cf"):
        width = input_of(snapshot, name).shape[1]
        maps[name] = rng.standard_normal((width, DIM)).astype(np.float32)
        block = UnitBlock(np.arange(width), np.zeros(width, np.float32), unit_rows=False)
        extra: tuple[BlockName, ...] = ("listeners",) if name == "cf" else ()
        parts[name] = linear_onnx(LinearPart(width, (block,), maps[name], extra=extra))
    card = {"id": "b10c5b10c5b10c50", "name": "blocks", "seed": 0, "snapshot": snapshot.id}
    card |= {"featurizer": snapshot.featurizer_id, "dim": DIM, "scores": {}, "config": {}}
    return save_model(models, parts, None, card), maps
