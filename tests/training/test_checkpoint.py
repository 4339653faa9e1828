from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save
from torch import nn

from riyl.training.checkpoint import State, read_checkpoint, write_checkpoint


def layer(seed: int) -> tuple[nn.ModuleDict, torch.optim.Adam]:
    torch.manual_seed(seed)
    modules = nn.ModuleDict({"a": nn.Linear(2, 3)})
    return modules, torch.optim.Adam(modules.parameters())


def step(modules: nn.ModuleDict, adam: torch.optim.Adam, noise: torch.Tensor) -> None:
    adam.zero_grad()
    (modules["a"](noise) ** 2).sum().backward()
    adam.step()


def test_what_follows_a_checkpoint_is_the_same_bit_for_bit(tmp_path: Path) -> None:
    modules, adam = layer(0)
    generator = torch.Generator().manual_seed(5)
    step(modules, adam, torch.rand(4, 2, generator=generator))
    best = {name: value.detach().clone() for name, value in modules.state_dict().items()}
    state = State(epoch=1, best_epoch=1, history=[{"loss": 0.1 + 0.2}], order={"state": {"inc": 2**100 + 1}})
    write_checkpoint(tmp_path / "c", state, modules, best, adam, generators={"noise": generator}, settings="settings")
    step(modules, adam, torch.rand(4, 2, generator=generator))

    others, other_adam = layer(1)
    other_generator = torch.Generator()
    resumed = read_checkpoint(
        tmp_path / "c", others, other_adam, generators={"noise": other_generator}, settings="settings"
    )
    assert resumed is not None
    assert resumed[0] == state
    assert all(torch.equal(resumed[1][name], best[name]) for name in best)
    step(others, other_adam, torch.rand(4, 2, generator=other_generator))
    assert all(torch.equal(value, others.state_dict()[name]) for name, value in modules.state_dict().items())


def test_no_checkpoint_and_one_of_other_settings_change_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    modules, adam = layer(0)
    write_checkpoint(tmp_path / "c", State(), modules, {}, adam, settings="some")
    others, other_adam = layer(1)
    before = {name: value.clone() for name, value in others.state_dict().items()}
    assert read_checkpoint(tmp_path / "none", others, other_adam) is None
    assert read_checkpoint(tmp_path / "c", others, other_adam, settings="other") is None
    assert "checkpoint_ignored" in caplog.text
    assert all(torch.equal(value, before[name]) for name, value in others.state_dict().items())


def test_a_checkpoint_from_before_settings_were_in_it_is_read(tmp_path: Path) -> None:
    weights = {"a.weight": torch.ones(3, 2), "a.bias": torch.zeros(3)}
    tensors = {f"{kind}.{name}": value + 1 for kind in ("now", "best") for name, value in weights.items()}
    state = {"epoch": 2, "best_epoch": 1, "history": [{"train_loss": 1.0}, {"train_loss": 2.0}]}
    (tmp_path / "c").write_bytes(save(tensors, {"state": json.dumps(state)}))
    modules, adam = layer(0)
    resumed = read_checkpoint(tmp_path / "c", modules, adam)
    assert resumed is not None
    assert resumed[0] == State(2, 1, [{"train_loss": 1.0}, {"train_loss": 2.0}])
    assert torch.equal(modules["a"].weight, torch.full((3, 2), 2.0))
