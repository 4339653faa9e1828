"""What a version knows of why: the parts that embeddings are the sums of, what they rest on, and sets of terms."""

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
    """What one modality adds to embeddings: over the modalities, an artist's vectors here add up to its embedding.

    Attributes:
        rows: (m,) the artists that have such a part, ascending; those without an embedding have none.
        vectors: (m, d) float32, row i of artist rows[i], divided by what scales the artist's sum to unit length.
    """

    rows: Rows
    vectors: Matrix

    def of(self, row: int) -> Vector | None:
        """(d,) float32 of an artist; None where it has none."""
        at = int(np.searchsorted(self.rows, row))
        return self.vectors[at] if at < len(self.rows) and self.rows[at] == row else None


def write_raw_parts(folder: Path, modality: str, parts: Matrix) -> None:
    """Keep the parts that a model gave, until it is known what scales them; see `scale_parts`."""
    (folder / PARTS).mkdir(exist_ok=True)
    np.save(_raw(folder, modality), parts)


def scale_parts(folder: Path, modality: str, rows: Rows, divisors: NDArray[np.float64]) -> None:
    """Make the parts that a version has from those that `write_raw_parts` kept, some artists at a time.

    Args:
        rows: (m,) whose parts were kept.
        divisors: (n,) of every artist of the snapshot; 0 where it has no embedding, and then no part.
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
    """Give `folder` the parts that `source` has; on one disk without a copy.

    Raises:
        FileNotFoundError: they were removed meanwhile.
    """
    (folder / PARTS).mkdir(exist_ok=True)
    for path in sorted((source / PARTS).iterdir()):
        try:
            os.link(path, folder / PARTS / path.name)
        except FileNotFoundError:
            raise
        except OSError:  # another disk, or one that knows no links
            shutil.copyfile(path, folder / PARTS / path.name)


def write_knowledge(folder: Path, snapshot: Snapshot, terms_of: Callable[[str], list[str]]) -> list[str]:
    """Write what each artist's modalities rest on, and the sets of terms behind them.

    Args:
        terms_of: the vocabulary of a modality that is made of sets.

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
