"""Training: from a config and a snapshot to a model folder, for every method.

Each method's packages are imported when it runs, so that looking up a trained model needs no package of the extra
`train`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from riyl.core.errors import ConfigError
from riyl.core.extras import needs_extra
from riyl.core.files import content_id
from riyl.core.storage.model import CARD, FORMAT, Model, Part, save_model
from riyl.core.storage.part import NAME, NamePart
from riyl.core.storage.relations import Relation, check_distinct
from riyl.core.storage.snapshot import Snapshot
from riyl.core.types import ArtistId, Progress, silent
from riyl.training.config import CcaConfig, Config, ContrastiveConfig, PcaConfig, ProjectionConfig, SingleConfig

NAME_NOTE = (
    "The name of an artist is a proxy for its language and origin: the model relates artists whose names look alike. "
    "A rename moves an artist."
)
"""Note in the card of a model that takes the artist's name."""

if TYPE_CHECKING:
    from riyl.training.cca.linear import LinearPart

CHECKPOINT = "checkpoint.safetensors"
"""File of the folder of a model in the making that a killed training continues from."""


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
    relations: Sequence[Relation] = (),
    progress: Progress = silent,
) -> Model:
    """Train or fit `config` on `snapshot`, or return that model if it exists in the folder `models`.

    Args:
        name: name of the config.
        config: method and settings.
        snapshot: features to train on.
        models: folder of all models.
        seed: seed of everything random.
        device: "cpu" or "cuda", for the methods that train.
        threads: CPU threads; 0 uses every core.
        as_newest: whether the model becomes the newest one; a baseline that is fitted for a comparison does not.
        relations: pairs of similar artists to refine the model on, with their weights.
        progress: called with the step, the units done and their total.

    Raises:
        ConfigError: the config does not fit the snapshot or cannot use pairs, or the device is missing.
        InputError: too few artists have all modalities, two of them, or pairs, or two relations have the same pairs.
        MissingExtraError: the extra `train` is not installed.
    """
    if relations and not isinstance(config, CcaConfig):
        raise ConfigError(f"config {name}: found supervision with the method {config.method}; wanted the method cca")
    check_distinct(relations)
    decides = {"format": FORMAT, "snapshot": snapshot.id, "config": config.model_dump(mode="json"), "seed": seed}
    identity = content_id("model", {**decides, **_of_relations(relations)})
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
        "featurizer": snapshot.featurizer_id,
        "version": version("riyl"),
        "commit": _commit(),
    }
    with needs_extra("train"):
        if isinstance(config, ContrastiveConfig):
            model = _train_encoders(config, snapshot, models, card, device=device, threads=threads, progress=progress)
        elif isinstance(config, CcaConfig):
            model = _fit_cca(
                config, snapshot, models, card, relations, device=device, threads=threads, progress=progress
            )
        else:
            model = _fit_baseline(config, snapshot, models, card)
    if not as_newest:
        os.utime(model.folder / CARD, (0, 0))
    return model


def _of_relations(relations: Sequence[Relation]) -> dict[str, Any]:
    """Return the entry of relations in the value that decides a model's id."""
    if not relations:
        return {}
    if len(relations) == 1 and relations[0].weight == 1:  # models from before weights keep their ids
        return {"supervision": relations[0].truth.id}
    return {"supervision": {relation.truth.id: float(relation.weight) for relation in relations}}


def _fit_baseline(
    config: PcaConfig | ProjectionConfig | SingleConfig, snapshot: Snapshot, models: Path, card: dict[str, Any]
) -> Model:
    from riyl.training.baselines import fit_baseline

    return _save_linear(fit_baseline(config, snapshot, int(card["seed"])), models, card)


def _fit_cca(
    config: CcaConfig,
    snapshot: Snapshot,
    models: Path,
    card: dict[str, Any],
    relations: Sequence[Relation],
    *,
    device: str,
    threads: int,
    progress: Progress,
) -> Model:
    from riyl.training.cca.fit import fit_cca
    from riyl.training.cca.supervision import read_similarity_pairs

    seed, scoring = int(card["seed"]), config.scoring.model_dump()
    pairs = read_similarity_pairs(relations, snapshot, config.supervision, seed) if relations else None
    parts, views = fit_cca(config, snapshot, seed, progress)
    if pairs is None:
        return _save_linear(parts, models, {**card, "scoring": scoring})
    # imported here: a fit without supervision must not wait for torch
    from riyl.training.cca.fine_tune import fine_tune

    _use_device(device, threads)
    modalities = {name: part for name, part in parts.items() if name in snapshot.modalities}
    work = models / f".training-{card['id']}"
    refined = fine_tune(
        modalities,
        views,
        pairs,
        config.supervision,
        seed=seed,
        checkpoint=work / CHECKPOINT,
        device=device,
        progress=progress,
    )
    card = {**card, "scoring": scoring, "scores": refined.scores, "supervision": pairs.card}
    model = _save_linear(parts | refined.parts, models, card, pairs.ids)
    shutil.rmtree(work, ignore_errors=True)
    return model


def _save_linear(
    linear: Mapping[str, LinearPart], models: Path, card: dict[str, Any], supervised: Sequence[ArtistId] = ()
) -> Model:
    from riyl.training.cca.linear import linear_onnx

    dim = next(iter(linear.values())).weights.shape[1]
    parts = {modality: linear_onnx(part) for modality, part in linear.items() if modality != NAME or not part.terms}
    card, name = {"scores": {}, **card, "dim": dim}, None
    if NAME not in parts and NAME in linear:
        name = NamePart(*linear_onnx(linear[NAME]), linear[NAME].terms)
        card["notes"] = [NAME_NOTE]
    return save_model(models, parts, None, card, supervised=supervised, name=name)


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
    _use_device(device, threads)
    # imported here: fitting a baseline must not wait for torch
    from safetensors.torch import save

    from riyl.training.contrastive.export import export_onnx
    from riyl.training.contrastive.loop import train_contrastive

    work = models / f".training-{card['id']}"
    trained = train_contrastive(
        config,
        snapshot,
        seed=int(card["seed"]),
        checkpoint=work / CHECKPOINT,
        device=device,
        progress=progress,
    )
    parts: dict[str, tuple[Part, bytes]] = {}
    for done, (modality, encoder_input) in enumerate(trained.inputs.items(), 1):
        parts[modality] = (encoder_input.part, export_onnx(trained.encoders[modality], encoder_input))
        progress("export", done, len(trained.inputs))
    weights = save({k: v.detach().cpu().contiguous() for k, v in trained.encoders.state_dict().items()})
    model = save_model(models, parts, weights, {**card, "dim": config.dim, "scores": trained.scores})
    shutil.rmtree(work)
    return model


def _use_device(device: str, threads: int) -> None:
    """Check the device and set torch's number of threads.

    Raises:
        ConfigError: the device is missing.
    """
    # waiting threads sleep: spinning ones make training several times slower where another process is busy
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("found no CUDA device; device cuda needs one (device cpu does not)")
    torch.set_num_threads(threads or os.cpu_count() or 1)


def _commit() -> str | None:
    """Return the commit of the checkout that this code runs from, or None outside of a checkout."""
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return None
    completed = subprocess.run(
        ["git", "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    )
    return completed.stdout.strip() or None
