"""Snapshot and model to embeddings, through ONNX: every artist from the modalities it has."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from core.errors import MismatchError, RiylError
from core.files import read_sealed, seal, verify_sealed
from core.model import Model, Part
from core.snapshot import Modality, Snapshot
from core.types import Mask, Matrix, Progress, silent
from training.features.basis import term_factors

BATCH = 1024

MANIFEST = "manifest.json"
KIND = "riyl-embedding"
FORMAT = 1


@dataclass(frozen=True)
class Embedding:
    """Where a model puts the artists of a snapshot.

    Attributes:
        vectors: (n, dim) float32, unit rows; zero where `covered` is false.
        covered: (n,) bool, the artists that the model could embed.
    """

    vectors: Matrix
    covered: Mask

    def save(self, folder: Path) -> None:
        """Write it into an empty folder, sealed."""
        np.save(folder / "vectors.npy", self.vectors)
        np.save(folder / "covered.npy", self.covered)
        seal(folder, MANIFEST, {"kind": KIND, "format": FORMAT})

    @staticmethod
    def load(folder: Path) -> Embedding:
        """Read and verify what `save` wrote.

        Raises:
            FormatError: see `core.files.read_sealed` and `verify_sealed`.
        """
        verify_sealed(folder, read_sealed(folder, MANIFEST, KIND, FORMAT))
        vectors, covered = (np.load(folder / f"{name}.npy", allow_pickle=False) for name in ("vectors", "covered"))
        return Embedding(vectors, covered)


def embed(
    model: Model,
    snapshot: Snapshot,
    *,
    only: Collection[str] | None = None,
    threads: int = 1,
    progress: Progress = silent,
) -> Embedding:
    """An artist's embedding: the mean of the parts of the modalities it has, scaled to unit length.

    Modalities that the model takes and the snapshot lacks are missing of everyone.

    Args:
        only: the modalities to use, the others are taken as missing; None uses all of the model's.
        threads: for ONNX.

    Raises:
        MismatchError: the model was fitted on another basis, has none of the modalities asked for, or the snapshot
            has none of those.
    """
    model.check_fits(snapshot)
    names = [name for name in model.parts if only is None or name in only]
    if not names:
        raise MismatchError(f"model {model.name} has {', '.join(model.parts)}; asked for {', '.join(only or [])}")
    had = [name for name in names if name in snapshot.modalities]
    if not had:
        raise MismatchError(
            f"model {model.name} {model.id} takes {', '.join(names)}; snapshot {snapshot.id} has "
            f"{', '.join(snapshot.modalities)} alone: nobody can be embedded"
        )
    sums, counts = np.zeros((snapshot.n_artists, model.dim), np.float32), np.zeros(snapshot.n_artists, np.int32)
    for name in had:
        rows = snapshot.modalities[name].rows
        sums[rows] += parts_of(model, snapshot, name, threads=threads, progress=progress)
        counts[rows] += 1
    vectors = sums / np.maximum(counts, 1)[:, None]
    lengths = np.linalg.norm(vectors, axis=1)
    covered = lengths > np.finfo(np.float32).tiny
    unit = np.where(covered[:, None], vectors / np.where(covered, lengths, 1)[:, None], 0)
    return Embedding(unit.astype(np.float32), covered)


def parts_of(
    model: Model,
    snapshot: Snapshot,
    modality: str,
    *,
    at: NDArray[np.int64] | None = None,
    threads: int = 1,
    progress: Progress = silent,
) -> Matrix:
    """(m, dim) float32 parts of one modality, row i of artist `snapshot.modalities[modality].rows[i]`.

    Equal inputs give equal bits: each is run once, so that artists with the same tags tie exactly wherever they stand.

    Args:
        at: which of the modality's rows, and in which order; None takes all.

    Raises:
        MismatchError: the model was fitted on another basis, or another width, or either lacks the modality.
        RiylError: the model gave a value that is not finite.
    """
    model.check_fits(snapshot)
    if modality not in model.parts or modality not in snapshot.modalities:
        raise MismatchError(
            f"asked for parts of {modality}; model {model.name} takes {', '.join(model.parts)}, "
            f"snapshot {snapshot.id} has {', '.join(snapshot.modalities)}"
        )
    takes, given = model.parts[modality], snapshot.modalities[modality]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(model.onnx(modality), options, providers=["CPUExecutionProvider"])
    feed = _feed(takes, snapshot, given)
    keys = feed.keys()
    places = np.arange(len(keys)) if at is None else at
    firsts, inverse = _distinct(keys[places])
    firsts = places[firsts]
    out = np.empty((len(firsts), model.dim), np.float32)
    for start in range(0, len(firsts), BATCH):
        chosen = firsts[start : start + BATCH]
        (out[start : start + BATCH],) = session.run(["part"], feed.batch(chosen))
        progress(f"embed {modality}", min(start + BATCH, len(firsts)), len(firsts))
    if not np.isfinite(out).all():
        raise RiylError(f"model {model.name} {model.id} gave {modality} parts that are not finite")
    return out[inverse]


def _feed(takes: Part, snapshot: Snapshot, modality: Modality) -> _VectorFeed | _TermFeed | _WeightedFeed:
    match takes.input:
        case "vector":
            return _VectorFeed(takes, modality)
        case "terms":
            return _TermFeed(takes, snapshot, modality)
        case "weighted":
            return _WeightedFeed(takes, modality)


class _VectorFeed:
    def __init__(self, takes: Part, modality: Modality) -> None:
        if takes.width != modality.width:
            raise MismatchError(f"the model takes {modality.name} of {takes.width}; the snapshot has {modality.width}")
        self._vectors = modality.vectors

    def keys(self) -> NDArray[np.generic]:
        return np.ascontiguousarray(self._vectors)

    def batch(self, rows: NDArray[np.int64]) -> dict[str, NDArray[np.generic]]:
        return {"vectors": np.ascontiguousarray(self._vectors[rows])}


class _TermFeed:
    def __init__(self, takes: Part, snapshot: Snapshot, modality: Modality) -> None:
        if modality.sets is None:
            raise MismatchError(f"the model takes {modality.name} as sets of terms; the snapshot has vectors alone")
        self._factors = term_factors(snapshot, modality.name)
        self._terms, self._mask = modality.sets.padded(np.arange(len(modality.rows)), takes.longest)

    def keys(self) -> NDArray[np.generic]:
        return np.where(self._mask, self._terms, -1)

    def batch(self, rows: NDArray[np.int64]) -> dict[str, NDArray[np.generic]]:
        mask = self._mask[rows]
        widest = int(mask.sum(axis=1).max())
        return {"tokens": self._factors[self._terms[rows, :widest]], "mask": mask[:, :widest]}


class _WeightedFeed:
    def __init__(self, takes: Part, modality: Modality) -> None:
        if modality.sets is None:
            raise MismatchError(f"the model takes {modality.name} as sets of terms; the snapshot has vectors alone")
        rows = np.arange(len(modality.rows))
        self._terms, _ = modality.sets.padded(rows, takes.longest)
        self._weights = modality.sets.padded_weights(rows, takes.longest)

    def keys(self) -> NDArray[np.generic]:
        return np.hstack([self._terms, self._weights.view(np.int32)])

    def batch(self, rows: NDArray[np.int64]) -> dict[str, NDArray[np.generic]]:
        weights = self._weights[rows]
        widest = int((weights > 0).sum(axis=1).max())
        return {"terms": self._terms[rows, :widest].astype(np.int64), "weights_of_terms": weights[:, :widest]}


def _distinct(keys: NDArray[np.generic]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The first row of each kind of row, and which of these every row equals."""
    whole = keys.view(np.dtype((np.void, keys.dtype.itemsize * keys.shape[1]))).ravel()
    _, firsts, inverse = np.unique(whole, return_index=True, return_inverse=True)
    return firsts, inverse
