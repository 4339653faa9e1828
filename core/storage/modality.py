"""One modality of a snapshot: its artists, their vectors, and what else is known of them in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from riyl.core.storage.memory_map import MAX_MAGNITUDE, load_array, load_rows, require_between
from riyl.core.storage.sealed_files import SealedFile, SealedFiles
from riyl.core.storage.weighted_sets import WeightedSets, open_sets
from riyl.core.types import Matrix, Rows

BLOCKS = "blocks"
"""Folder of a modality's blocks, one file each; snapshots made before blocks existed lack it."""

_OF_ROWS = ("rows", "vectors", "evidence")
"""Files of a modality that have one entry per artist of the modality."""


@dataclass(frozen=True)
class Modality:
    """Features of one modality in a snapshot.

    Attributes:
        name: "tags", "cf", "audio", or one that the user added.
        rows: (m,) positions, in the snapshot, of the artists that have it, ascending.
        vectors: (m, d) float32, memory-mapped; row i belongs to artist rows[i]; not scaled to unit length.
        evidence: (m,) int32, number of tags, listeners or tracks of the artist that the vector rests on.
        sets: the weighted tag sets behind the vectors, if the modality is made of sets.
        blocks: further vectors of the same artists, by name: each (m, width) float32, memory-mapped; a row may be
            zeros. CF has "listeners", see `riyl.training.features.listeners`; older snapshots have no blocks.
    """

    name: str
    rows: Rows
    vectors: Matrix
    evidence: NDArray[np.int32]
    sets: WeightedSets | None
    blocks: Mapping[str, Matrix] = field(default_factory=dict)

    @property
    def width(self) -> int:
        """Width of the vectors, without the blocks."""
        return int(self.vectors.shape[1])

    def take(self, places: NDArray[np.int64]) -> Modality:
        """Select the artists at these positions of `rows`, in the given order."""
        sets = None if self.sets is None else self.sets.take(places)
        blocks = {name: block[places] for name, block in self.blocks.items()}
        return Modality(self.name, self.rows[places], self.vectors[places], self.evidence[places], sets, blocks)


def open_modality(files: SealedFiles, name: str, n_artists: int, m: int) -> Modality:
    """Open the modality of a snapshot of `n_artists` artists, `m` of which have it.

    Raises:
        FormatError: a file is missing or damaged.
    """
    folder = f"modalities/{name}"
    rows_file, vectors_file, evidence_file = (files[f"{folder}/{of}.npy"] for of in _OF_ROWS)
    rows = load_rows(rows_file, n_artists, m)
    vectors = _load_matrix(vectors_file, len(rows))
    evidence = load_array(evidence_file, np.int32, (len(rows),))
    sets = open_sets(files, f"{folder}/", len(rows), None) if f"{folder}/terms.npy" in files else None
    blocks = {
        block_name.removesuffix(".npy"): _load_matrix(file, len(rows))
        for block_name, file in sorted(files.in_folder(f"{folder}/{BLOCKS}").items())
    }
    return Modality(name, rows, vectors, evidence, sets, blocks)


def write_modality(folder: Path, modality: Modality) -> None:
    """Write one modality into the folder of a snapshot; its vectors and blocks must be finite.

    Raises:
        ValueError: rows, vectors, evidence, sets and blocks differ in length, or a number is not finite.
    """
    n = len(modality.rows)
    matrices = [modality.vectors, *modality.blocks.values()]
    lengths = [
        *map(len, matrices),
        len(modality.evidence),
        n if modality.sets is None else len(modality.sets.indptr) - 1,
    ]
    if any(length != n for length in lengths) or not all(np.isfinite(matrix).all() for matrix in matrices):
        raise ValueError(
            f"modality {modality.name}: found {n} rows with arrays of lengths {lengths}, or numbers that are not finite"
        )
    into = folder / "modalities" / modality.name
    into.mkdir(parents=True)
    np.save(into / "rows.npy", modality.rows.astype(np.int32))
    np.save(into / "vectors.npy", np.ascontiguousarray(modality.vectors, np.float32))
    np.save(into / "evidence.npy", modality.evidence.astype(np.int32))
    for name, block in modality.blocks.items():
        (into / BLOCKS).mkdir(exist_ok=True)
        np.save(into / BLOCKS / f"{name}.npy", np.ascontiguousarray(block, np.float32))
    if modality.sets is not None:
        np.save(into / "indptr.npy", modality.sets.indptr.astype(np.int64))
        np.save(into / "terms.npy", modality.sets.terms.astype(np.int32))
        np.save(into / "weights.npy", modality.sets.weights.astype(np.float32))


def _load_matrix(file: SealedFile, n: int) -> Matrix:
    """Map (n, d) float32 numbers of bounded magnitude."""
    matrix = load_array(file, np.float32, (n, None))
    require_between(file, matrix, -MAX_MAGNITUDE, MAX_MAGNITUDE)
    return matrix
