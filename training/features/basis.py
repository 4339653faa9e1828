"""The basis: the fitted projectors of every modality, kept with a snapshot, so that new artists land in its space."""

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

from core.errors import FormatError, MismatchError
from core.files import content_id, sha256_of, verify_sealed, write_json
from core.snapshot import Snapshot
from core.types import ArtistId, Matrix
from training.features.audio import VectorProjector
from training.features.cf import CfProjector
from training.features.recipe import CfRecipe, Recipe
from training.features.tags import TagProjector

Projector: TypeAlias = TagProjector | CfProjector | VectorProjector

FORMAT = 1

_FILES = ("json", "safetensors")
"""How the names of a modality's files end."""


@dataclass(frozen=True)
class Basis:
    """Fitted projectors by modality, the recipe that they were fitted by, and the artists that it held out, by id."""

    recipe: Recipe
    projectors: Mapping[str, Projector]
    held_out: tuple[ArtistId, ...] = ()


def save_basis(folder: Path, basis: Basis) -> str:
    """Write a basis into a new folder.

    Returns:
        Its id: a hash of what is in it.
    """
    folder.mkdir()
    entry: dict[str, object]
    for name, projector in sorted(basis.projectors.items()):
        match projector:
            case TagProjector():
                save_file({"prior": projector.prior, "factors": projector.factors}, folder / f"{name}.safetensors")
                entry = {"projector": "tags", "weighting": projector.weighting, "vocabulary": projector.vocabulary}
            case CfProjector():
                save_file({"user_factors": projector.user_factors}, folder / f"{name}.safetensors")
                entry = {"projector": "cf", "recipe": projector.recipe.model_dump(), "users": projector.users}
            case VectorProjector():
                save_file({"mean": projector.mean, "scale": projector.scale}, folder / f"{name}.safetensors")
                entry = {"projector": "vectors"}
        write_json(folder / f"{name}.json", entry)
    head = {"format": FORMAT, "recipe": basis.recipe.model_dump(), "modalities": sorted(basis.projectors)}
    if basis.held_out:
        head["held_out"] = list(basis.held_out)
    write_json(folder / "basis.json", head)
    return content_id("basis", {p.name: sha256_of(p) for p in sorted(folder.iterdir())})


def load_basis(folder: Path) -> Basis:
    """Read a basis.

    Raises:
        FormatError: it is damaged or of a newer format.
    """
    with _damage_told(folder):
        head = _head(folder)
        projectors = {name: _load_projector(folder, name) for name in head["modalities"]}
        return Basis(Recipe.model_validate(head["recipe"]), projectors, tuple(head.get("held_out", ())))


def load_projector(snapshot: Snapshot, modality: str) -> Projector:
    """The projector of one modality of a snapshot's basis, after its bytes were checked; the others are not read.

    Raises:
        MismatchError: the basis has no such modality.
        FormatError: it is damaged or of a newer format.
    """
    folder = snapshot.folder / "basis"
    with _damage_told(folder):
        had = _head(folder)["modalities"]
        if modality not in had:
            raise MismatchError(f"asked for {modality}; the basis of snapshot {snapshot.id} has {', '.join(had)}")
        files = {name: snapshot.manifest["files"][name] for name in (f"basis/{modality}.{e}" for e in _FILES)}
        verify_sealed(snapshot.folder, {"files": files})
        return _load_projector(folder, modality)


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


def _tags(snapshot: Snapshot, modality: str) -> TagProjector:
    projector = _load_projector(snapshot.folder / "basis", modality)
    if not isinstance(projector, TagProjector):
        raise MismatchError(f"snapshot {snapshot.id} has vectors alone for {modality}; wanted sets of terms")
    return projector


def _head(folder: Path) -> dict[str, Any]:
    head: dict[str, Any] = json.loads((folder / "basis.json").read_bytes())
    if head["format"] != FORMAT:
        raise FormatError(f"{folder}: found basis format {head['format']!r}; this RIYL reads format {FORMAT}")
    return head


@contextmanager
def _damage_told(folder: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise FormatError(f"{folder}: damaged basis ({error})") from error


def _load_projector(folder: Path, name: str) -> Projector:
    entry = json.loads((folder / f"{name}.json").read_bytes())
    arrays = load_file(folder / f"{name}.safetensors")
    match entry["projector"]:
        case "tags":
            return TagProjector(entry["weighting"], entry["vocabulary"], arrays["prior"], arrays["factors"])
        case "cf":
            return CfProjector(CfRecipe.model_validate(entry["recipe"]), entry["users"], arrays["user_factors"])
        case "vectors":
            return VectorProjector(np.asarray(arrays["mean"]), np.asarray(arrays["scale"]))
    raise FormatError(f"{folder / name}.json: found projector {entry['projector']!r}; wanted tags, cf or vectors")
