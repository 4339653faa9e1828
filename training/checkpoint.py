"""Checkpoints: the state of a training on disk, from which a killed run continues bit for bit.

A checkpoint is one safetensors file: the modules now and at the best epoch, the moments of Adam, the states of torch's
random generators, and in its metadata the other fields of the state as JSON.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor, nn

from riyl.core.files import write_bytes

log = logging.getLogger(__name__)


@dataclass
class State:
    """State of a training beside its tensors.

    Attributes:
        epoch: number of epochs done.
        best_epoch: the best of them; 0 stands for the start.
        history: measures, one entry for each epoch; a training that measures its start has an entry for it first.
        order: state of numpy's generator of the order of batches; empty for a training that seeds each epoch.
    """

    epoch: int = 0
    best_epoch: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    order: dict[str, Any] = field(default_factory=dict)


def write_checkpoint(
    path: Path,
    state: State,
    modules: nn.ModuleDict,
    best: Mapping[str, Tensor],
    adam: torch.optim.Adam,
    *,
    generators: Mapping[str, torch.Generator] | None = None,
    settings: str = "",
) -> None:
    """Write the checkpoint of an epoch's end, in place of an earlier one, atomically.

    Args:
        path: the file.
        state: state of the training.
        modules: what is trained.
        best: values of the modules at the best epoch.
        adam: its optimiser.
        generators: torch's random generators that the next epochs draw from.
        settings: digest of everything that the training depends on; see `read_checkpoint`.
    """
    tensors = {f"now.{name}": value for name, value in modules.state_dict().items()}
    tensors |= {f"best.{name}": value for name, value in best.items()}
    tensors |= {f"random.{name}": generator.get_state() for name, generator in (generators or {}).items()}
    for i, moments in adam.state_dict()["state"].items():
        tensors |= {f"adam.{i}.{name}": value for name, value in moments.items()}
    contiguous = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    write_bytes(path, save(contiguous, {"state": json.dumps(vars(state)), "settings": settings}))


def read_checkpoint(
    path: Path,
    modules: nn.ModuleDict,
    adam: torch.optim.Adam,
    *,
    generators: Mapping[str, torch.Generator] | None = None,
    settings: str = "",
) -> tuple[State, dict[str, Tensor]] | None:
    """Put modules, optimiser and generators into the state of a checkpoint.

    Returns:
        The state, and the values of the modules at the best epoch; None, with nothing changed, if there is no
        checkpoint or it has other `settings`.
    """
    if not path.exists():
        return None
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
        if metadata.get("settings", "") != settings:
            log.warning("checkpoint_ignored path=%s: it has other settings", path)
            return None
        state = State(**json.loads(metadata["state"]))
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    groups: dict[str, dict[str, Tensor]] = {"now": {}, "best": {}, "adam": {}, "random": {}}
    for name, value in tensors.items():
        kind, _, rest = name.partition(".")
        groups[kind][rest] = value
    modules.load_state_dict(groups["now"])
    moments: dict[int, dict[str, Tensor]] = {}
    for name, value in groups["adam"].items():
        i, _, moment = name.partition(".")
        moments.setdefault(int(i), {})[moment] = value
    adam.load_state_dict({**adam.state_dict(), "state": moments})
    for name, generator in (generators or {}).items():
        generator.set_state(groups["random"][name])
    log.info("resumed epoch=%d", state.epoch)
    return state, groups["best"]
