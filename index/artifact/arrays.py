"""Arrays of a version over all artists, checked against its counts and each other when opened."""

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
from riyl.index.scoring.balance import Thresholds
from riyl.index.scoring.hubness import drawn_count

LIST_LENGTH = 256
"""Length of a ready list: requests take at most 200, the rest makes up for deletions."""

NORM = 0.01
"""Maximum distance from 1 of the length of a stored embedding; the quality checks of a build are stricter."""


def open_permutation(file: SealedFile, n: int) -> Rows:
    """Open and check an array that holds each row from 0 to n - 1 once, (n,) int32."""
    rows = load_array(file, np.int32, (n,))
    require_between(file, rows, 0, n - 1)
    seen = np.zeros(n, np.bool_)
    seen[rows] = True
    if not seen.all():
        raise file.damaged(f"no row {int(np.argmin(seen))}", f"each row from 0 below {n} once")
    return rows


def open_patterns(file: SealedFile, n: int, n_patterns: int) -> NDArray[np.int32]:
    """Open and check the pattern of each artist, (n,) int32 from 0 to `n_patterns` - 1."""
    patterns = load_array(file, np.int32, (n,))
    require_between(file, patterns, 0, n_patterns - 1)
    return patterns


def open_mask(file: SealedFile, n: int, count: int) -> Mask:
    """Open and check a mask that is true for `count` artists, (n,) bool."""
    mask = load_array(file, np.bool_, (n,))
    if (true := int(np.count_nonzero(mask))) != count:
        raise file.damaged(f"{true} artists", f"{count}, as the manifest has it")
    return mask


def open_embeddings(file: SealedFile, has_embedding: Mask, dim: int) -> Matrix:
    """Open and check the embeddings, (n, dim) float32: rows of unit length, or zeros where there is no embedding."""
    vectors = load_array(file, np.float32, (len(has_embedding), dim))
    for rows, chunk in chunks(file, vectors):
        lengths = np.sqrt(np.einsum("ij,ij->i", chunk, chunk))
        fits = np.abs(lengths - has_embedding[rows]) <= np.where(has_embedding[rows], NORM, 0)
        require(file, fits, lengths, "rows of length 1, or 0 where has_embedding.npy is false")
    return vectors


def open_corrections(files: SealedFiles, n: int, n_patterns: int) -> tuple[NDArray[np.float32], Matrix]:
    """Open and check hubness, (n,), and calibration, (P, P), both finite; see `riyl.index.scoring.score`."""
    h = load_array(files["h.npy"], np.float32, (n,))
    require_between(files["h.npy"], h, -MAX_MAGNITUDE, MAX_MAGNITUDE)
    c = load_array(files["c.npy"], np.float32, (n_patterns, n_patterns))
    require_between(files["c.npy"], c, -MAX_MAGNITUDE, MAX_MAGNITUDE)
    return h, c


def open_thresholds(files: SealedFiles, depths: int, embedded: int) -> Thresholds | None:
    """Open and check the thresholds of balanced biases.

    Its files: balance_thresholds.npy (D, q) float32, and balance_limits.npy (D, 2) float64, the number of lists for
    each unit of target, at least 0, and the lowest bias.

    Args:
        files: files of the version.
        depths: D, the number of depths that its settings balance; 0 opens nothing.
        embedded: artists with an embedding, of which q are queries (`riyl.index.scoring.hubness.drawn_queries`).
    """
    if not depths:
        return None
    values_file, limits_file = files["balance_thresholds.npy"], files["balance_limits.npy"]
    values = load_array(values_file, np.float32, (depths, drawn_count(embedded)))
    require_between(values_file, values, -MAX_MAGNITUDE, MAX_MAGNITUDE)
    limits = load_array(limits_file, np.float64, (depths, 2))
    require_between(limits_file, limits, -MAX_MAGNITUDE, MAX_MAGNITUDE)
    require_between(limits_file, limits[:, 0], 0, MAX_MAGNITUDE)
    return Thresholds(np.array(values), *np.array(limits.T))


def open_lists(files: SealedFiles, n: int) -> tuple[Lists, Matrix]:
    """Open and check the ready lists: (n, 256) int32 rows, -1 after a list's end, and float32 scores, NaN there."""
    file, scores_file = files["neighbours.npy"], files["scores.npy"]
    lists = load_array(file, np.int32, (n, LIST_LENGTH))
    scores = load_array(scores_file, np.float32, (n, LIST_LENGTH))
    for rows, chunk in chunks(file, lists):
        require(file, (chunk >= -1) & (chunk < n), chunk, f"rows from -1 below {n}")
        filled = chunk >= 0
        require(file, filled[:, 1:] <= filled[:, :-1], chunk[:, 1:], "no row after the end of a list")
        fits = np.where(filled, np.abs(scores[rows]) <= MAX_MAGNITUDE, np.isnan(scores[rows]))
        require(scores_file, fits, scores[rows], "finite scores in lists, and NaN after their end")
        scores_file.release()
    return lists, scores


def open_parts(files: SealedFiles, modalities: list[str], has_embedding: Mask, dim: int) -> Mapping[str, Parts]:
    """Open and check the parts of these modalities; only artists with an embedding have parts."""
    parts = {}
    for name in modalities:
        file, vectors_file = files[f"{PARTS}/{name}.rows.npy"], files[f"{PARTS}/{name}.npy"]
        rows = load_rows(file, len(has_embedding))
        require(file, has_embedding[rows], rows, "rows of artists with an embedding")
        vectors = load_array(vectors_file, np.float32, (len(rows), dim))
        require_between(vectors_file, vectors, -MAX_MAGNITUDE, MAX_MAGNITUDE)
        parts[name] = Parts(rows, vectors)
    return parts
