"""Data of a version behind explanations: parts that add up to embeddings, their evidence, and sets of terms."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from riyl.core.storage.memory_map import write_arrow
from riyl.core.storage.snapshot import Snapshot
from riyl.core.types import Matrix, Rows, Vector

PARTS = "parts"
EVIDENCE = "evidence"
SETS = "sets"

_ROWS_AT_ONCE = 1 << 15


@dataclass(frozen=True)
class Parts:
    """Parts of one modality; over all modalities, an artist's parts add up to its embedding.

    Attributes:
        rows: (m,) the artists that have such a part, ascending; artists without an embedding have none.
        vectors: (m, d) float32, row i of artist rows[i], divided so that the artist's sum has unit length.
    """

    rows: Rows
    vectors: Matrix

    def of(self, row: int) -> Vector | None:
        """Return an artist's part, (d,) float32; None where it has none."""
        at = int(np.searchsorted(self.rows, row))
        return self.vectors[at] if at < len(self.rows) and self.rows[at] == row else None


def write_raw_parts(folder: Path, modality: str, parts: Matrix) -> None:
    """Write the parts that a model output, unscaled, until the divisors are known; see `scale_parts`."""
    (folder / PARTS).mkdir(exist_ok=True)
    np.save(_raw(folder, modality), parts)


def scale_parts(folder: Path, modality: str, rows: Rows, divisors: NDArray[np.float64]) -> None:
    """Scale the parts that `write_raw_parts` wrote to those of a version, a block of artists at a time.

    Args:
        folder: folder of the version.
        modality: the modality of the parts.
        rows: (m,) the artists whose parts were written.
        divisors: (n,) divisor of every artist of the snapshot; 0 where it has no embedding, and then no part.
    """
    raw = np.load(_raw(folder, modality), mmap_mode="r", allow_pickle=False)
    positions = np.flatnonzero(divisors[rows])
    scaled = np.lib.format.open_memmap(_vectors(folder, modality), "w+", np.float32, (len(positions), raw.shape[1]))
    for start in range(0, len(positions), _ROWS_AT_ONCE):
        chosen = positions[start : start + _ROWS_AT_ONCE]
        scaled[start : start + len(chosen)] = raw[chosen] / divisors[rows[chosen], None]
    scaled.flush()
    np.save(_rows(folder, modality), rows[positions].astype(np.int32))
    _raw(folder, modality).unlink()


def share_parts(source: Path, folder: Path) -> None:
    """Link the parts of `source` into `folder`, or copy them where links are not possible.

    Raises:
        FileNotFoundError: the parts were removed meanwhile.
    """
    (folder / PARTS).mkdir(exist_ok=True)
    for path in sorted((source / PARTS).iterdir()):
        try:
            os.link(path, folder / PARTS / path.name)
        except FileNotFoundError:
            raise
        except OSError:  # another disk, or one without hard links
            shutil.copyfile(path, folder / PARTS / path.name)


def write_knowledge(folder: Path, snapshot: Snapshot, terms_of: Callable[[str], list[str]]) -> list[str]:
    """Write the evidence of each artist's modalities, and their sets of terms.

    Args:
        folder: folder of the version.
        snapshot: the snapshot of the version.
        terms_of: returns the vocabulary of a modality that is made of sets.

    Returns:
        The modalities that are made of sets, names ascending.
    """
    (folder / EVIDENCE).mkdir()
    for name, modality in snapshot.modalities.items():
        evidence = np.zeros(snapshot.n_artists, np.int32)
        evidence[modality.rows] = modality.evidence
        np.save(folder / EVIDENCE / f"{name}.npy", evidence)
    with_sets = {name: modality.sets for name, modality in snapshot.modalities.items() if modality.sets is not None}
    for name, sets in with_sets.items():
        (folder / SETS).mkdir(exist_ok=True)
        lengths = np.zeros(snapshot.n_artists, np.int64)
        lengths[snapshot.modalities[name].rows] = np.diff(sets.indptr)
        np.save(folder / SETS / f"{name}.indptr.npy", np.concatenate([[0], np.cumsum(lengths)]))
        np.save(folder / SETS / f"{name}.terms.npy", sets.terms)
        np.save(folder / SETS / f"{name}.weights.npy", sets.weights)
        write_arrow(_words(folder, name), pa.table({"term": pa.array(terms_of(name), pa.string())}))
    return list(with_sets)


def _raw(folder: Path, modality: str) -> Path:
    return folder / PARTS / f"{modality}.raw.npy"


def _rows(folder: Path, modality: str) -> Path:
    return folder / PARTS / f"{modality}.rows.npy"


def _vectors(folder: Path, modality: str) -> Path:
    return folder / PARTS / f"{modality}.npy"


def _words(folder: Path, modality: str) -> Path:
    return folder / SETS / f"{modality}.arrow"
