"""Embedding of a snapshot by a model's ONNX files: every artist from the modalities that it has."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from riyl.core.errors import MismatchError, RiylError
from riyl.core.files import seal
from riyl.core.storage.memory_map import load_array
from riyl.core.storage.model import Model
from riyl.core.storage.part import NAME
from riyl.core.storage.sealed import read_sealed
from riyl.core.storage.sealed_files import SealedFiles
from riyl.core.storage.snapshot import Snapshot
from riyl.core.types import Mask, Matrix, Progress, Rows, silent
from riyl.index.artifact.parts import scale_parts, write_raw_parts
from riyl.index.encoding.name_part import limit_names, name_parts
from riyl.index.encoding.onnx_inputs import onnx_inputs_of, open_session
from riyl.training.features.featurizer import term_factors

BATCH = 1024
_ROWS_AT_ONCE = 1 << 15

MANIFEST = "manifest.json"
KIND = "riyl-embedding"
FORMAT = 2


@dataclass(frozen=True)
class Embedding:
    """Embeddings of a snapshot's artists by a model.

    Attributes:
        vectors: (n, dim) float32, unit rows; zeros where `covered` is false.
        covered: (n,) bool, the artists that the model could embed.
    """

    vectors: Matrix
    covered: Mask

    def save(self, folder: Path) -> None:
        """Write the embedding into a folder, and seal it together with the files already there."""
        np.save(folder / "vectors.npy", self.vectors)
        np.save(folder / "covered.npy", self.covered)
        seal(folder, MANIFEST, {"kind": KIND, "format": FORMAT})

    @staticmethod
    def load(folder: Path) -> Embedding:
        """Read and verify an embedding that `save` wrote.

        Raises:
            FormatError: it is damaged; see `riyl.core.storage.sealed.read_sealed`.
        """
        files = SealedFiles(folder, read_sealed(folder, MANIFEST, KIND, FORMAT, oldest=FORMAT)["files"])
        files.verify()
        vectors = load_array(files["vectors.npy"], np.float32, (None, None))
        covered = load_array(files["covered.npy"], np.bool_, (len(vectors),))
        return Embedding(np.array(vectors), np.array(covered))


def embed(
    model: Model,
    snapshot: Snapshot,
    *,
    only: Collection[str] | None = None,
    threads: int = 1,
    progress: Progress = silent,
) -> Embedding:
    """Embed every artist: the mean of the parts of the modalities that it has, scaled to unit length.

    A modality that the model takes and the snapshot lacks is missing for every artist. If the model takes the name, the
    part of an artist's name is added to those of its modalities; an artist without these has no embedding.

    Args:
        model: the model.
        snapshot: the snapshot.
        only: modalities to use, the others and the name count as missing; None uses all of the model's, and the name.
        threads: threads of ONNX.
        progress: told how many distinct inputs are done.

    Raises:
        MismatchError: the model was fitted on another featurizer, takes none of the requested modalities, or the
            snapshot has none of those that it takes.
    """
    vectors, divisors, _ = _embedded(model, snapshot, only, None, threads, progress)
    return Embedding(vectors, divisors > 0)


def embed_into(
    folder: Path, model: Model, snapshot: Snapshot, *, threads: int = 1, progress: Progress = silent
) -> Embedding:
    """Embed every artist from all modalities and its name, as `embed` does, and write the parts into a folder.

    The parts are those of `riyl.index.artifact.parts.Parts`. Memory is that of the embeddings and of one modality's
    parts.

    Raises:
        MismatchError: see `embed`.
    """
    vectors, divisors, rows_of = _embedded(model, snapshot, None, folder, threads, progress)
    for name, rows in rows_of.items():
        scale_parts(folder, name, rows, divisors)
    return Embedding(vectors, divisors > 0)


def unit_means(sums: Matrix, counts: NDArray[np.integer]) -> tuple[Matrix, NDArray[np.float64]]:
    """Compute means of parts, scaled to unit length.

    Args:
        sums: (m, d) float32, the sum of each artist's parts.
        counts: (m,) number of each artist's parts.

    Returns:
        (m, d) float32 unit rows, zeros where there is no part or the parts cancel each other out; and (m,) float64
        divisors of each artist's parts, so that the divided parts add up to that row; 0 where it is zeros.
    """
    means = sums / np.maximum(counts, 1)[:, None]
    lengths = np.linalg.norm(means, axis=1)
    covered = lengths > np.finfo(np.float32).tiny
    unit = np.zeros(sums.shape, np.float32)
    np.divide(means, lengths[:, None], out=unit, where=covered[:, None], casting="same_kind")
    return unit, np.where(covered, counts * lengths, 0.0)


def _embedded(
    model: Model,
    snapshot: Snapshot,
    only: Collection[str] | None,
    folder: Path | None,
    threads: int,
    progress: Progress,
) -> tuple[Matrix, NDArray[np.float64], dict[str, Rows]]:
    """Compute `unit_means` of a snapshot's artists, and the artists of each part.

    The model's raw parts are written into the folder, if given.
    """
    model.check_fits(snapshot)
    names = [name for name in model.parts if only is None or name in only]
    if not names:
        raise MismatchError(f"model {model.name} has {', '.join(model.parts)}; asked for {', '.join(only or [])}")
    had = [name for name in names if name in snapshot.modalities]
    if not had:
        raise MismatchError(
            f"model {model.name} {model.id} takes {', '.join(names)}; snapshot {snapshot.id} has only "
            f"{', '.join(snapshot.modalities)}: no artist can be embedded"
        )
    sums, counts = np.zeros((snapshot.n_artists, model.dim), np.float32), np.zeros(snapshot.n_artists, np.int32)
    rows_of = dict[str, Rows]()
    for name in had:
        rows = snapshot.modalities[name].rows
        parts = parts_of(model, snapshot, name, threads=threads, progress=progress)
        sums[rows] += parts
        counts[rows] += 1
        rows_of[name] = rows
        if folder is not None:
            write_raw_parts(folder, name, parts)
    if only is None and model.name_part is not None:
        rows_of[NAME] = _add_names(model, snapshot, sums, folder, threads, progress)
    divisors = np.empty(len(sums))
    for start in range(0, len(sums), _ROWS_AT_ONCE):
        block = slice(start, start + _ROWS_AT_ONCE)
        sums[block], divisors[block] = unit_means(sums[block], counts[block])
    return sums, divisors, rows_of


def _add_names(
    model: Model, snapshot: Snapshot, sums: Matrix, folder: Path | None, threads: int, progress: Progress
) -> Rows:
    """Add the parts of names to the sums of artists that have another part; return the rows of the parts added."""
    rows = np.flatnonzero(sums.any(axis=1)).astype(np.int32)
    parts = name_parts(model, snapshot, rows, threads=threads, progress=progress)
    if parts is None:
        return rows[:0]
    parts = limit_names(parts, sums[rows])
    has_part = parts.any(axis=1)
    rows, parts = rows[has_part], parts[has_part]
    sums[rows] += parts
    if folder is not None:
        write_raw_parts(folder, NAME, parts)
    return rows


def parts_of(
    model: Model,
    snapshot: Snapshot,
    modality: str,
    *,
    at: NDArray[np.int64] | None = None,
    threads: int = 1,
    progress: Progress = silent,
) -> Matrix:
    """Compute the parts of one modality, (m, dim) float32; row i is artist `snapshot.modalities[modality].rows[i]`.

    Equal inputs give equal bits: each is run once, so that artists with the same tags tie exactly, whatever their rows.

    Args:
        model: the model.
        snapshot: the snapshot.
        modality: a modality of both.
        at: indices into the modality's rows, in the order of the result; None takes all.
        threads: threads of ONNX.
        progress: told how many distinct inputs are done.

    Raises:
        MismatchError: the model was fitted on another featurizer, or another width, or either lacks the modality.
        RiylError: the model output a value that is not finite.
    """
    model.check_fits(snapshot)
    if modality not in model.parts or modality not in snapshot.modalities:
        raise MismatchError(
            f"asked for parts of {modality}; model {model.name} takes {', '.join(model.parts)}, "
            f"snapshot {snapshot.id} has {', '.join(snapshot.modalities)}"
        )
    takes, features = model.parts[modality], snapshot.modalities[modality]
    session = open_session(model, modality, threads=threads)
    onnx_inputs = onnx_inputs_of(takes, features, lambda: term_factors(snapshot, modality))
    keys = onnx_inputs.keys()
    places = np.arange(len(keys)) if at is None else at
    firsts, inverse = _distinct(keys[places])
    firsts = places[firsts]
    out = np.empty((len(firsts), model.dim), np.float32)
    for start in range(0, len(firsts), BATCH):
        chosen = firsts[start : start + BATCH]
        (out[start : start + BATCH],) = session.run(["part"], onnx_inputs.batch(chosen))
        progress(f"embed {modality}", min(start + BATCH, len(firsts)), len(firsts))
    if not np.isfinite(out).all():
        raise RiylError(f"model {model.name} {model.id} output {modality} parts that are not finite")
    return out[inverse]


def _distinct(keys: NDArray[np.generic]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first position of each distinct row, and the number of each row among these."""
    row_bytes = keys.view(np.dtype((np.void, keys.dtype.itemsize * keys.shape[1]))).ravel()
    _, firsts, inverse = np.unique(row_bytes, return_index=True, return_inverse=True)
    return firsts, inverse
