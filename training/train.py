"""A config and a snapshot to a model folder, whatever the method."""

from __future__ import annotations

import os
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

from core.errors import ConfigError
from core.files import content_id
from core.model import CARD, Model, Part, save_model
from core.snapshot import Snapshot
from core.types import Progress, silent
from training.config import CcaConfig, Config, ContrastiveConfig, PcaConfig, ProjectionConfig, SingleConfig


def train(
    name: str,
    config: Config,
    snapshot: Snapshot,
    models: Path,
    *,
    seed: int = 0,
    device: str = "cpu",
    threads: int = 0,
    as_newest: bool = True,
    progress: Progress = silent,
) -> Model:
    """Train or fit `config` on `snapshot`, or find that model in the folder `models`.

    Args:
        name: what the config is called.
        seed: of everything that chance decides.
        device: "cpu" or "cuda", for the methods that train.
        threads: CPU threads; 0 takes every core.
        as_newest: whether it is the newest model from now on; a baseline fitted to compare with is not.

    Raises:
        ConfigError: the config does not fit the snapshot, or the device is not there.
        InputError: too few artists have all modalities, or two of them.
    """
    identity = content_id("model", {"snapshot": snapshot.id, "config": config.model_dump(mode="json"), "seed": seed})
    final = models / identity
    if final.exists():
        if as_newest:
            (final / CARD).touch()
        return Model.open(final)
    card = {
        "id": identity,
        "name": name,
        "config": config.model_dump(mode="json"),
        "seed": seed,
        "snapshot": snapshot.id,
        "basis": snapshot.basis_id,
        "version": version("riyl"),
        "commit": _commit(),
    }
    if isinstance(config, ContrastiveConfig):
        model = _train_encoders(config, snapshot, models, card, device=device, threads=threads, progress=progress)
    else:
        model = _fit_linear(config, snapshot, models, card, progress)
    if not as_newest:
        os.utime(model.folder / CARD, (0, 0))
    return model


def _fit_linear(
    config: CcaConfig | PcaConfig | ProjectionConfig | SingleConfig,
    snapshot: Snapshot,
    models: Path,
    card: dict[str, Any],
    progress: Progress,
) -> Model:
    # here, so that the paper's method does not wait for them
    from training.baselines import fit_baseline
    from training.cca import fit_cca
    from training.linear import linear_onnx

    if isinstance(config, CcaConfig):
        linear = fit_cca(config, snapshot, int(card["seed"]), progress)
        card = {**card, "scoring": config.scoring.model_dump()}
    else:
        linear = fit_baseline(config, snapshot, int(card["seed"]))
    dim = next(iter(linear.values())).weights.shape[1]
    parts = {modality: linear_onnx(part) for modality, part in linear.items()}
    return save_model(models, parts, None, {**card, "dim": dim, "scores": {}})


def _train_encoders(
    config: ContrastiveConfig,
    snapshot: Snapshot,
    models: Path,
    card: dict[str, Any],
    *,
    device: str,
    threads: int,
    progress: Progress,
) -> Model:
    # threads that wait asleep: spinning ones make training several times slower where another process is busy
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # here, so that fitting a baseline does not wait for torch
    import torch
    from safetensors.torch import save

    from training.export import export_onnx
    from training.loop import train_contrastive

    if device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("found no CUDA device; wanted one for device cuda (device cpu needs none)")
    torch.set_num_threads(threads or os.cpu_count() or 1)
    work = models / f".training-{card['id']}"
    trained = train_contrastive(
        config,
        snapshot,
        seed=int(card["seed"]),
        checkpoint=work / "checkpoint.safetensors",
        device=device,
        progress=progress,
    )
    parts: dict[str, tuple[Part, bytes]] = {}
    for done, (modality, given) in enumerate(trained.inputs.items(), 1):
        parts[modality] = (given.part, export_onnx(trained.encoders[modality], given))
        progress("export", done, len(trained.inputs))
    weights = save({k: v.detach().cpu().contiguous() for k, v in trained.encoders.state_dict().items()})
    model = save_model(models, parts, weights, {**card, "dim": config.dim, "scores": trained.scores})
    shutil.rmtree(work)
    return model


def _commit() -> str | None:
    """The commit of the checkout that this code runs from, where it is one."""
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return None
    found = subprocess.run(["git", "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return found.stdout.strip() or None
