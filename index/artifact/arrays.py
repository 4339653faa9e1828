"""The arrays of a version over all artists, checked against its counts and each other as they are opened."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from riyl.core.storage.memory_map import (
    MAX_MAGNITUDE,
    chunks,
    load_array,
    load_rows,
    require,
    require_between,
)
from riyl.core.storage.sealed_files import SealedFile, SealedFiles
from riyl.core.types import Lists, Mask, Matrix, Rows
from riyl.index.artifact.parts import PARTS, Parts

LIST_LENGTH = 256
"""Neighbours kept ready of each artist: 200 are asked for at most, the rest is for deletions."""

NORM = 0.01
"""How far from 1 the length of a stored embedding may be; the quality checks of a build are stricter."""


def open_permutation(file: SealedFile, n: int) -> Rows:
    """(n,) int32, each row from 0 to n once."""
    rows = load_array(file, np.int32, (n,))
    require_between(file, rows, 0, n - 1)
    seen = np.zeros(n, np.bool_)
    seen[rows] = True
    if not seen.all():
        raise file.damaged(f"no row {int(np.argmin(seen))}", f"each row from 0 below {n} once")
    return rows


def open_patterns(file: SealedFile, n: int, n_patterns: int) -> NDArray[np.int32]:
    """(n,) int32 from 0 below the number of patterns."""
    patterns = load_array(file, np.int32, (n,))
    require_between(file, patterns, 0, n_patterns - 1)
    return patterns


def open_mask(file: SealedFile, n: int, count: int) -> Mask:
    """(n,) bool, true for so many."""
    mask = load_array(file, np.bool_, (n,))
    if (true := int(np.count_nonzero(mask))) != count:
        raise file.damaged(f"{true} artists", f"{count} as in the manifest")
    return mask


def open_embeddings(file: SealedFile, has_embedding: Mask, dim: int) -> Matrix:
    """(n, dim) float32, rows of unit length, and zeros where there is no embedding."""
    vectors = load_array(file, np.float32, (len(has_embedding), dim))
    for rows, chunk in chunks(file, vectors):
        lengths = np.sqrt(np.einsum("ij,ij->i", chunk, chunk))
        fits = np.abs(lengths - has_embedding[rows]) <= np.where(has_embedding[rows], NORM, 0)
        require(file, fits, lengths, "rows of length 1, or 0 where has_embedding.npy is false")
    return vectors


def open_corrections(files: SealedFiles, n: int, n_patterns: int) -> tuple[NDArray[np.float32], Matrix]:
    """(n,) hubness and (P, P) calibration, finite, see `riyl.index.scoring.score`."""
    h = load_array(files["h.npy"], np.float32, (n,))
    require_between(files["h.npy"], h, -MAX_MAGNITUDE, MAX_MAGNITUDE)
    c = load_array(files["c.npy"], np.float32, (n_patterns, n_patterns))
    require_between(files["c.npy"], c, -MAX_MAGNITUDE, MAX_MAGNITUDE)
    return h, c


def open_lists(files: SealedFiles, n: int) -> tuple[Lists, Matrix]:
    """(n, 256) int32 rows, -1 behind the end of a list, and (n, 256) float32 scores, NaN there."""
    file, scores_file = files["neighbours.npy"], files["scores.npy"]
    lists = load_array(file, np.int32, (n, LIST_LENGTH))
    scores = load_array(scores_file, np.float32, (n, LIST_LENGTH))
    for rows, chunk in chunks(file, lists):
        require(file, (chunk >= -1) & (chunk < n), chunk, f"rows from -1 below {n}")
        filled = chunk >= 0
        require(file, filled[:, 1:] <= filled[:, :-1], chunk[:, 1:], "no row behind the end of a list")
        fits = np.where(filled, np.abs(scores[rows]) <= MAX_MAGNITUDE, np.isnan(scores[rows]))
        require(scores_file, fits, scores[rows], "finite scores in lists, and NaN behind their end")
        scores_file.release()
    return lists, scores


def open_parts(files: SealedFiles, modalities: list[str], has_embedding: Mask, dim: int) -> Mapping[str, Parts]:
    """The parts of these modalities, of artists with an embedding."""
    parts = {}
    for name in modalities:
        file, vectors_file = files[f"{PARTS}/{name}.rows.npy"], files[f"{PARTS}/{name}.npy"]
        rows = load_rows(file, len(has_embedding))
        require(file, has_embedding[rows], rows, "rows of artists with an embedding")
        vectors = load_array(vectors_file, np.float32, (len(rows), dim))
        require_between(vectors_file, vectors, -MAX_MAGNITUDE, MAX_MAGNITUDE)
        parts[name] = Parts(rows, vectors)
    return parts
