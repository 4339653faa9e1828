"""Training steps a second of the loop against the same operations written by hand, alternating in one run."""

from __future__ import annotations

import statistics
import time

import numpy as np
import pytest
import torch

from riyl.core.catalog.tables import Tables
from riyl.core.storage.snapshot import Snapshot
from riyl.training.config import ContrastiveConfig, MlpSpec, load_config
from riyl.training.contrastive.encoders import MlpEncoder, SetEncoder
from riyl.training.contrastive.inputs import Input, modality_input
from riyl.training.contrastive.loop import train_epoch
from riyl.training.datasets.synthetic import generate
from riyl.training.features.build import build_snapshot
from riyl.training.features.recipe import Recipe
from tests.benchmarks.conftest import Report, sized

pytestmark = pytest.mark.bench

ARTISTS, ROUNDS = sized((5000, 5), (800, 2))
NAMES = ("audio", "tags", "cf")


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    base = tmp_path_factory.mktemp("bench")
    (base / "tables").mkdir()
    generate(base / "tables", artists=ARTISTS)
    return build_snapshot(Tables.open(base / "tables"), Recipe(), base / "snapshots")


def encoders_of(inputs: dict[str, Input], config: ContrastiveConfig) -> torch.nn.ModuleDict:
    torch.manual_seed(0)
    encoders: dict[str, torch.nn.Module] = {}
    for name in NAMES:
        spec, width = config.encoders[name], inputs[name].part.width
        encoders[name] = (
            MlpEncoder(width, spec.hidden, config.dim)
            if isinstance(spec, MlpSpec)
            else SetEncoder(width, spec.attention, spec.heads, config.dim)
        )
    return torch.nn.ModuleDict(encoders)


def hand_epoch(
    encoders: torch.nn.ModuleDict, batches: list[dict[str, tuple[torch.Tensor, ...]]], adam: torch.optim.Adam
) -> None:
    """Run only the arithmetic of an epoch: batches are ready, and the loss is written by hand."""
    for batch in batches:
        audio, tags, cf = (encoders[name](*batch[name]) for name in NAMES)
        diagonal = torch.eye(len(audio), dtype=torch.bool)
        loss = torch.zeros(())
        for a, b in ((audio, tags), (audio, cf), (tags, cf)):
            cross = a @ b.T / 0.1
            self_similarity = (a @ a.T / 0.1).masked_fill(diagonal, -torch.inf)
            loss = loss + (torch.cat([self_similarity, cross], 1).logsumexp(1) - cross.diagonal()).sum()
        adam.zero_grad(set_to_none=True)
        loss.backward()
        adam.step()


def test_training_steps_per_second(snapshot: Snapshot, report: Report) -> None:
    _, config = load_config("paper-msd")
    assert isinstance(config, ContrastiveConfig)
    full = np.flatnonzero(snapshot.having(list(NAMES))).astype(np.int32)
    inputs = {n: modality_input(snapshot, n, config.encoders[n], full, torch.device("cpu")) for n in NAMES}
    encoders = encoders_of(inputs, config)
    adam = torch.optim.Adam(encoders.parameters(), lr=config.learning_rate)
    order = torch.arange(len(full))
    steps = len(full) // config.batch_size
    spans = [order[i * config.batch_size : (i + 1) * config.batch_size] for i in range(steps)]
    batches = [{name: inputs[name](span) for name in NAMES} for span in spans]
    seconds: dict[str, list[float]] = {"loop": [], "by hand": []}
    for _ in range(ROUNDS):
        for what in seconds:
            start = time.perf_counter()
            if what == "loop":
                train_epoch(encoders, inputs, order, config, adam)
            else:
                hand_epoch(encoders, batches, adam)
            seconds[what].append(time.perf_counter() - start)
    medians = {what: steps / statistics.median(values) for what, values in seconds.items()}
    ratios = [h / loop for loop, h in zip(seconds["loop"], seconds["by hand"], strict=True)]
    report(
        f"training, {steps} steps of {config.batch_size} artists, {torch.get_num_threads()} threads, {ROUNDS} rounds"
    )
    for what, rate in medians.items():
        report(f"  {what:8} {rate:7.1f} steps/s", **{f"{what}, steps_per_s": rate})
    ratio = statistics.median(ratios)
    report(f"  ratio    {ratio:7.2f} of the steps by hand (wanted: at least 0.9)", ratio=ratio)
