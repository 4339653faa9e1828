"""Featurizer: the fitted modality featurizers of all modalities, stored in a snapshot to be used for new artists."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, TypeAdapter
from safetensors import SafetensorError
from safetensors.numpy import load, save_file
from typing_extensions import TypedDict

from riyl.core.errors import FormatError, MismatchError
from riyl.core.files import content_id, sha256_of, write_json
from riyl.core.storage.sealed_files import SealedFile
from riyl.core.storage.snapshot import Snapshot
from riyl.core.types import ArtistId, Matrix, Vector
from riyl.training.features.audio import VectorFeaturizer
from riyl.training.features.cf import CfFeaturizer
from riyl.training.features.listeners import ListenerFactors
from riyl.training.features.recipe import Recipe, stored_cf_recipe, stored_recipe
from riyl.training.features.tags import TagFeaturizer

ModalityFeaturizer: TypeAlias = TagFeaturizer | CfFeaturizer | VectorFeaturizer

FORMAT = 3
BEFORE_LISTENERS = 2
"""Format without factors of listeners as terms; written where a recipe asks for none, so that such ids stay equal."""

FOLDER = "featurizer"
"""Name of the featurizer's folder in a snapshot."""

_HEAD = f"{FOLDER}/featurizer.json"


class _Head(TypedDict):
    recipe: dict[str, Any]
    modalities: list[str]
    holdout: NotRequired[list[ArtistId]]


class _Tags(TypedDict):
    featurizer: Literal["tags"]
    weighting: Literal["ppmi", "tfidf"]
    vocabulary: list[str]


class _Cf(TypedDict):
    featurizer: Literal["cf"]
    recipe: dict[str, Any]
    users: list[str]


class _Vectors(TypedDict):
    featurizer: Literal["vectors"]


_HEAD_SCHEMA = TypeAdapter(_Head)
_ENTRY_SCHEMA: TypeAdapter[_Tags | _Cf | _Vectors] = TypeAdapter(
    Annotated[_Tags | _Cf | _Vectors, Field(discriminator="featurizer")]
)


@dataclass(frozen=True)
class Featurizer:
    """Fitted modality featurizers by modality, with their recipe and the ids of the artists held out of the fit."""

    recipe: Recipe
    modalities: Mapping[str, ModalityFeaturizer]
    holdout: tuple[ArtistId, ...] = ()


def save_featurizer(folder: Path, featurizer: Featurizer) -> str:
    """Write a featurizer into a new folder.

    Returns:
        Its id: a hash of its content.
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
                save_file(_cf_arrays(modality_featurizer), folder / f"{name}.safetensors")
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
    number = FORMAT if featurizer.recipe.cf.listener_factors else BEFORE_LISTENERS
    head = {"format": number, "recipe": featurizer.recipe.model_dump(), "modalities": sorted(featurizer.modalities)}
    if featurizer.holdout:
        head["holdout"] = list(featurizer.holdout)
    write_json(folder / "featurizer.json", head)
    return content_id("featurizer", {p.name: sha256_of(p) for p in sorted(folder.iterdir())})


def load_featurizer(snapshot: Snapshot) -> Featurizer:
    """Read the featurizer of a snapshot.

    Raises:
        FormatError: it is damaged or has another format.
    """
    head = _head(snapshot)
    modalities = {name: _load_modality_featurizer(snapshot, name) for name in head["modalities"]}
    with _damage_told(snapshot.files[_HEAD]):
        return Featurizer(stored_recipe(head["recipe"]), modalities, tuple(head.get("holdout", ())))


def load_modality_featurizer(snapshot: Snapshot, modality: str) -> ModalityFeaturizer:
    """Read the modality featurizer of one modality of a snapshot, after a check of its bytes; the others are not read.

    Raises:
        MismatchError: the featurizer lacks the modality.
        FormatError: it is damaged or has another format.
    """
    names = _head(snapshot)["modalities"]
    if modality not in names:
        raise MismatchError(f"featurizer of snapshot {snapshot.id}: found no {modality}; it has {', '.join(names)}")
    snapshot.files.verify(_names(modality))
    return _load_modality_featurizer(snapshot, modality)


def term_factors(snapshot: Snapshot, modality: str) -> Matrix:
    """Return the (V, d) float32 factors of the terms in a snapshot's sets.

    Raises:
        MismatchError: the modality has no sets.
    """
    return _tags(snapshot, modality).factors


def zero_vector(snapshot: Snapshot, modality: str) -> Vector | None:
    """Return the features of a raw vector of zeros, (d,) float32; None if the modality's table has no vectors."""
    modality_featurizer = _load_modality_featurizer(snapshot, modality)
    if not isinstance(modality_featurizer, VectorFeaturizer):
        return None
    return np.asarray(modality_featurizer.transform(np.zeros((1, modality_featurizer.width), np.float32))[0])


def terms_of(snapshot: Snapshot, modality: str) -> list[str]:
    """Return the V terms in a snapshot's sets.

    Raises:
        MismatchError: the modality has no sets.
    """
    return _tags(snapshot, modality).vocabulary


def _tags(snapshot: Snapshot, modality: str) -> TagFeaturizer:
    modality_featurizer = _load_modality_featurizer(snapshot, modality)
    if not isinstance(modality_featurizer, TagFeaturizer):
        raise MismatchError(f"snapshot {snapshot.id}: found only vectors for {modality}; wanted sets of terms")
    return modality_featurizer


def _names(modality: str) -> list[str]:
    return [f"{FOLDER}/{modality}.{end}" for end in ("json", "safetensors")]


def _head(snapshot: Snapshot) -> _Head:
    file = snapshot.files[_HEAD]
    document = file.document()
    if isinstance(document, dict) and document.get("format") not in (BEFORE_LISTENERS, FORMAT):
        number = document.get("format")
        raise FormatError(
            f"{file.path}: found featurizer format {number!r}; this RIYL reads formats {BEFORE_LISTENERS} to {FORMAT}"
        )
    with _damage_told(file):
        return _HEAD_SCHEMA.validate_python(document)


@contextmanager
def _damage_told(file: SealedFile) -> Iterator[None]:
    try:
        yield
    except (ValueError, KeyError, SafetensorError) as error:
        raise file.damaged(f"no featurizer ({str(error)[:200]})", "one") from error


def _load_modality_featurizer(snapshot: Snapshot, name: str) -> ModalityFeaturizer:
    described, stored = (snapshot.files[file] for file in _names(name))
    document = described.document()
    with _damage_told(described):
        entry = _ENTRY_SCHEMA.validate_python(document)
    with _damage_told(stored):
        arrays = load(stored.read())
        match entry["featurizer"]:
            case "tags":
                n_terms = len(entry["vocabulary"])
                prior, factors = arrays["prior"], arrays["factors"]
                _check_array(stored, prior, np.float64, (n_terms,))
                _check_array(stored, factors, np.float32, (n_terms, None))
                return TagFeaturizer(entry["weighting"], entry["vocabulary"], prior, factors)
            case "cf":
                return _cf_featurizer(stored, entry, arrays)
            case "vectors":
                mean, scale = arrays["mean"], arrays["scale"]
                _check_array(stored, mean, np.float32, (None,))
                _check_array(stored, scale, np.float32, mean.shape)
                return VectorFeaturizer(mean, scale)


def _cf_arrays(featurizer: CfFeaturizer) -> dict[str, NDArray[Any]]:
    arrays: dict[str, NDArray[Any]] = {"user_factors": featurizer.user_factors}
    if featurizer.listeners is not None:
        arrays |= {"listeners": featurizer.listeners.places, "listener_factors": featurizer.listeners.factors}
    return arrays


def _cf_featurizer(stored: SealedFile, entry: _Cf, arrays: Mapping[str, NDArray[Any]]) -> CfFeaturizer:
    user_factors, n_users = arrays["user_factors"], len(entry["users"])
    _check_array(stored, user_factors, np.float32, (n_users, None))
    listeners = None
    if "listener_factors" in arrays:
        places, factors = arrays["listeners"], arrays["listener_factors"]
        _check_array(stored, places, np.int32, (None,))
        _check_array(stored, factors, np.float32, (len(places), None))
        if not len(places) or places[0] < 0 or places[-1] >= n_users or (np.diff(places) <= 0).any():
            raise stored.damaged("listeners that are none or out of order", f"ascending ones from 0 to {n_users - 1}")
        listeners = ListenerFactors(places, factors)
    return CfFeaturizer(stored_cf_recipe(entry["recipe"]), entry["users"], user_factors, listeners)


def _check_array(file: SealedFile, array: NDArray[Any], kind: type[np.generic], shape: tuple[int | None, ...]) -> None:
    fits = array.dtype == kind and len(array.shape) == len(shape)
    if not fits or any(want not in (None, length) for length, want in zip(array.shape, shape, strict=True)):
        raise file.damaged(f"{array.dtype} of shape {array.shape}", f"{np.dtype(kind)} of shape {shape}")
    if not np.isfinite(array).all():
        raise file.damaged("numbers that are not finite", "finite ones")
