"""Raw terms of a snapshot's artists: for each table of weighted terms, the terms of each artist."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from riyl.core.storage.memory_map import load_array, read_arrow, require_between, require_bounds, write_arrow
from riyl.core.storage.sealed_files import SealedFiles

TERMS = "terms.arrow"


@dataclass(frozen=True)
class RawTerms:
    """Terms of a snapshot's artists, known to its featurizer or not, in CSR form and mapped into memory.

    Attributes:
        indptr: (n + 1,) int64; artist i has the entries `indptr[i]:indptr[i + 1]`.
        columns: (m,) int32, positions in `terms`.
        weights: (m,) uint32 or float64, above 0.
        terms: texts, normalised by `riyl.core.catalog.terms.term_keys`.
    """

    indptr: NDArray[np.int64]
    columns: NDArray[np.int32]
    weights: NDArray[Any]
    terms: pa.Array

    @staticmethod
    def open(files: SealedFiles, prefix: str, n: int) -> RawTerms:
        """Open the files that `write_raw_terms` wrote.

        Args:
            files: files of the snapshot.
            prefix: folder of the terms among the files.
            n: number of artists.

        Raises:
            FormatError: a file is damaged.
        """
        indptr_file, columns_file, weights_file, terms_file = (
            files[f"{prefix}/{name}"] for name in ("indptr.npy", "columns.npy", "weights.npy", TERMS)
        )
        column = read_arrow(terms_file, {"term": pa.large_string()}).column("term")
        columns = load_array(columns_file, np.int32, (None,))
        require_between(columns_file, columns, 0, len(column) - 1)
        weights: NDArray[Any] = load_array(weights_file, (np.uint32, np.float64), (len(columns),))
        require_between(weights_file, weights, 0, np.finfo(np.float64).max)
        indptr = load_array(indptr_file, np.int64, (n + 1,))
        require_bounds(indptr_file, indptr, len(columns))
        # combine_chunks copies even a single chunk
        return RawTerms(
            indptr, columns, weights, column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
        )

    def of(self, row: int) -> dict[str, float]:
        """Return the weight by term of one artist; takes time proportional to the number of its terms."""
        span = slice(self.indptr[row], self.indptr[row + 1])
        texts = self.terms.take(pa.array(np.asarray(self.columns[span]))).to_pylist()
        return dict(zip(texts, np.asarray(self.weights[span], np.float64).tolist(), strict=True))


def write_raw_terms(
    folder: Path, indptr: NDArray[Any], columns: NDArray[Any], weights: NDArray[np.float64], terms: list[str]
) -> None:
    """Write the terms of artists into a new folder; weights take half the bytes if all are whole and below 2^32."""
    folder.mkdir(parents=True)
    integral = bool(np.all((weights < 2**32) & (weights == np.floor(weights))))
    np.save(folder / "indptr.npy", indptr.astype(np.int64))
    np.save(folder / "columns.npy", columns.astype(np.int32))
    np.save(folder / "weights.npy", weights.astype(np.uint32) if integral else weights.astype(np.float64))
    write_arrow(folder / TERMS, pa.table({"term": pa.array(terms, pa.large_string())}))
