"""Inputs of a model's ONNX files: artists of one modality, in the form that the model's part takes."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from riyl.core.errors import MismatchError
from riyl.core.storage.modality import Modality
from riyl.core.storage.model import Model, Part
from riyl.core.storage.weighted_sets import WeightedSets
from riyl.core.types import Matrix
from riyl.training.runtime import onnxruntime


class OnnxInputs(Protocol):
    """Artists of a modality as ONNX input."""

    def keys(self) -> NDArray[np.generic]:
        """Return one row per artist; artists with equal rows have equal input."""
        ...

    def batch(self, rows: NDArray[np.int64]) -> dict[str, NDArray[np.generic]]:
        """Return the input of some artists, by input name of the ONNX file."""
        ...


def onnx_inputs_of(takes: Part, modality: Modality, factors: Callable[[], Matrix]) -> OnnxInputs:
    """Return the artists of a modality in the form that a part takes.

    Args:
        takes: the model's part.
        modality: the artists.
        factors: returns (V, width) float32 factors of the featurizer's terms; called only for a part that takes terms.

    Raises:
        MismatchError: the part takes sets or a block and there are none, or it takes another width.
    """
    match takes.input:
        case "vector":
            return _VectorFeed(takes, modality)
        case "terms":
            return _TermFeed(takes, modality, factors)
        case "weighted":
            return _WeightedFeed(takes, modality)


def open_session(model: Model, modality: str, *, threads: int = 1) -> onnxruntime.InferenceSession:
    """Open a session of the ONNX file of one of the model's modalities; external data files are never read.

    Raises:
        FormatError: it is damaged.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", os.devnull)
    file = model.onnx(modality)
    try:
        return onnxruntime.InferenceSession(file.read(), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors have no common base
        raise file.damaged(f"no model that can run ({error})", "one") from error


class _VectorFeed:
    def __init__(self, takes: Part, modality: Modality) -> None:
        if missing := [name for name in takes.blocks if name not in modality.blocks]:
            raise MismatchError(f"{modality.name}: found no block {', '.join(missing)}; the model wants it")
        self._matrices = [modality.vectors, *(modality.blocks[name] for name in takes.blocks)]
        width = sum(matrix.shape[1] for matrix in self._matrices)
        if takes.width != width:
            raise MismatchError(f"{modality.name}: found width {width}; the model wants {takes.width}")

    def keys(self) -> NDArray[np.generic]:
        return _joined(self._matrices)

    def batch(self, rows: NDArray[np.int64]) -> dict[str, NDArray[np.generic]]:
        return {"vectors": _joined([matrix[rows] for matrix in self._matrices])}


class _TermFeed:
    def __init__(self, takes: Part, modality: Modality, factors: Callable[[], Matrix]) -> None:
        sets = _sets(modality)
        self._factors = factors()
        self._terms, self._mask = sets.padded(np.arange(len(modality.rows)), takes.max_terms)

    def keys(self) -> NDArray[np.generic]:
        return np.where(self._mask, self._terms, -1)

    def batch(self, rows: NDArray[np.int64]) -> dict[str, NDArray[np.generic]]:
        mask = self._mask[rows]
        widest = int(mask.sum(axis=1).max())
        return {"tokens": self._factors[self._terms[rows, :widest]], "mask": mask[:, :widest]}


class _WeightedFeed:
    def __init__(self, takes: Part, modality: Modality) -> None:
        sets, rows = _sets(modality), np.arange(len(modality.rows))
        self._terms, _ = sets.padded(rows, takes.max_terms)
        self._weights = sets.padded_weights(rows, takes.max_terms)

    def keys(self) -> NDArray[np.generic]:
        return np.hstack([self._terms, self._weights.view(np.int32)])

    def batch(self, rows: NDArray[np.int64]) -> dict[str, NDArray[np.generic]]:
        weights = self._weights[rows]
        widest = int((weights > 0).sum(axis=1).max())
        return {"terms": self._terms[rows, :widest].astype(np.int64), "weights_of_terms": weights[:, :widest]}


def _joined(matrices: list[Matrix]) -> Matrix:
    return np.ascontiguousarray(matrices[0]) if len(matrices) == 1 else np.hstack(matrices)


def _sets(modality: Modality) -> WeightedSets:
    if modality.sets is None:
        raise MismatchError(f"the model takes {modality.name} as sets of terms; found only vectors")
    return modality.sets
