"""The featurizer: the fitted modality featurizers of every modality, kept with a snapshot, so that new artists land in
its space."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from riyl.core.errors import FormatError, MismatchError
from riyl.core.files import content_id, sha256_of, verify_sealed, write_json
from riyl.core.storage.snapshot import Snapshot
from riyl.core.types import ArtistId, Matrix
from riyl.training.features.audio import VectorFeaturizer
from riyl.training.features.cf import CfFeaturizer
from riyl.training.features.recipe import CfRecipe, Recipe
from riyl.training.features.tags import TagFeaturizer

ModalityFeaturizer: TypeAlias = TagFeaturizer | CfFeaturizer | VectorFeaturizer

FORMAT = 2

_FILES = ("json", "safetensors")
"""How the names of a modality's files end."""


@dataclass(frozen=True)
class Featurizer:
    """Fitted modality featurizers by modality, the recipe that they were fitted by, and the artists that it held out,
    by id."""

    recipe: Recipe
    modalities: Mapping[str, ModalityFeaturizer]
    holdout: tuple[ArtistId, ...] = ()


def save_featurizer(folder: Path, featurizer: Featurizer) -> str:
    """Write a featurizer into a new folder.

    Returns:
        Its id: a hash of what is in it.
    """
    folder.mkdir()
    entry: dict[str, object]
    for name, modality_featurizer in sorted(featurizer.modalities.items()):
        match modality_featurizer:
            case TagFeaturizer():
                save_file(
                    {"prior": modality_featurizer.prior, "factors": modality_featurizer.factors},
                    folder / f"{name}.safetensors",
                )
                entry = {
                    "featurizer": "tags",
                    "weighting": modality_featurizer.weighting,
                    "vocabulary": modality_featurizer.vocabulary,
                }
            case CfFeaturizer():
                save_file({"user_factors": modality_featurizer.user_factors}, folder / f"{name}.safetensors")
                entry = {
                    "featurizer": "cf",
                    "recipe": modality_featurizer.recipe.model_dump(),
                    "users": modality_featurizer.users,
                }
            case VectorFeaturizer():
                save_file(
                    {"mean": modality_featurizer.mean, "scale": modality_featurizer.scale},
                    folder / f"{name}.safetensors",
                )
                entry = {"featurizer": "vectors"}
        write_json(folder / f"{name}.json", entry)
    head = {"format": FORMAT, "recipe": featurizer.recipe.model_dump(), "modalities": sorted(featurizer.modalities)}
    if featurizer.holdout:
        head["holdout"] = list(featurizer.holdout)
    write_json(folder / "featurizer.json", head)
    return content_id("featurizer", {p.name: sha256_of(p) for p in sorted(folder.iterdir())})


def load_featurizer(folder: Path) -> Featurizer:
    """Read a featurizer.

    Raises:
        FormatError: it is damaged or of a newer format.
    """
    with _damage_told(folder):
        head = _head(folder)
        modalities = {name: _load_modality_featurizer(folder, name) for name in head["modalities"]}
        return Featurizer(Recipe.model_validate(head["recipe"]), modalities, tuple(head.get("holdout", ())))


def load_modality_featurizer(snapshot: Snapshot, modality: str) -> ModalityFeaturizer:
    """The modality featurizer of one modality of a snapshot's featurizer, after its bytes were checked; the others are
    not read.

    Raises:
        MismatchError: the featurizer has no such modality.
        FormatError: it is damaged or of a newer format.
    """
    folder = snapshot.folder / "featurizer"
    with _damage_told(folder):
        had = _head(folder)["modalities"]
        if modality not in had:
            raise MismatchError(f"asked for {modality}; the featurizer of snapshot {snapshot.id} has {', '.join(had)}")
        files = {name: snapshot.manifest["files"][name] for name in (f"featurizer/{modality}.{e}" for e in _FILES)}
        verify_sealed(snapshot.folder, {"files": files})
        return _load_modality_featurizer(folder, modality)


def term_factors(snapshot: Snapshot, modality: str) -> Matrix:
    """(V, d) float32 factors of the terms that a snapshot's sets point at.

    Raises:
        MismatchError: the modality is not made of sets.
    """
    return _tags(snapshot, modality).factors


def terms_of(snapshot: Snapshot, modality: str) -> list[str]:
    """The V terms that a snapshot's sets point at.

    Raises:
        MismatchError: the modality is not made of sets.
    """
    return _tags(snapshot, modality).vocabulary


def _tags(snapshot: Snapshot, modality: str) -> TagFeaturizer:
    modality_featurizer = _load_modality_featurizer(snapshot.folder / "featurizer", modality)
    if not isinstance(modality_featurizer, TagFeaturizer):
        raise MismatchError(f"snapshot {snapshot.id} has vectors alone for {modality}; wanted sets of terms")
    return modality_featurizer


def _head(folder: Path) -> dict[str, Any]:
    head: dict[str, Any] = json.loads((folder / "featurizer.json").read_bytes())
    if head["format"] != FORMAT:
        raise FormatError(f"{folder}: found featurizer format {head['format']!r}; this RIYL reads format {FORMAT}")
    return head


@contextmanager
def _damage_told(folder: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise FormatError(f"{folder}: damaged featurizer ({error})") from error


def _load_modality_featurizer(folder: Path, name: str) -> ModalityFeaturizer:
    entry = json.loads((folder / f"{name}.json").read_bytes())
    arrays = load_file(folder / f"{name}.safetensors")
    match entry["featurizer"]:
        case "tags":
            return TagFeaturizer(entry["weighting"], entry["vocabulary"], arrays["prior"], arrays["factors"])
        case "cf":
            return CfFeaturizer(CfRecipe.model_validate(entry["recipe"]), entry["users"], arrays["user_factors"])
        case "vectors":
            return VectorFeaturizer(np.asarray(arrays["mean"]), np.asarray(arrays["scale"]))
    raise FormatError(
        f"{folder / name}.json: found modality featurizer {entry['modality featurizer']!r}; wanted tags, cf or vectors"
    )
