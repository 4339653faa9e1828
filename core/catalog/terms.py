"""Weighted terms of artists as the tables give them: tags by their text, plays by their listener."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

COLUMNS_OF = {"tags": ("tag", "weight"), "plays": ("user_id", "count")}
"""By table of weighted terms, its columns of the term and of the weight."""

_TERMS = "terms.arrow"


def normalised_tags(column: pa.Array) -> pa.Array:
    """Tags as they are compared: NFKC, lower case, outer blanks off."""
    return pc.utf8_trim_whitespace(pc.utf8_lower(pc.utf8_normalize(column, form="NFKC")))


def strings(texts: list[str]) -> pa.Array:
    """An Arrow array of them; `pa.array` would import pandas, where that is installed, which takes 0.13 s."""
    encoded = [text.encode() for text in texts]
    ends = np.cumsum([0, *map(len, encoded)], dtype=np.int32)
    return pa.StringArray.from_buffers(len(texts), pa.py_buffer(ends), pa.py_buffer(b"".join(encoded)))


def term_keys(table: str, texts: Iterable[str]) -> list[str]:
    """The texts as terms of that table are compared: `normalised_tags` of tags, and listeners as they are."""
    return normalised_tags(strings(list(texts))).to_pylist() if table == "tags" else list(texts)


def merged_entries(field: str, entries: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """The entries of an object with a merge patch (RFC 7396) over them, whose nulls stay.

    Takes the place of an entry what has its key; of tags, all that are compared as equal (see `term_keys`).
    """
    if field == "tags" and entries:
        touched, keys = set(term_keys(field, patch)), term_keys(field, entries)
        keyed_entries = zip(entries.items(), keys, strict=True)
        entries = {entry: value for (entry, value), key in keyed_entries if key not in touched}
    return {**entries, **patch}


@dataclass(frozen=True)
class RawTerms:
    """The terms of a snapshot's artists, known to its featurizer or not, in CSR form and mapped into memory.

    Attributes:
        indptr: (n + 1,) int64; artist i has the entries `indptr[i]:indptr[i + 1]`.
        columns: (m,) int32, places in `terms`.
        weights: (m,) uint32 or float64, above 0.
        terms: texts, as `term_keys` gives them.
    """

    indptr: NDArray[np.int64]
    columns: NDArray[np.int32]
    weights: NDArray[Any]
    terms: pa.Array

    @staticmethod
    def open(folder: Path) -> RawTerms:
        """Open what `write_raw_terms` wrote; nothing is read yet."""
        indptr, columns, weights = (
            np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
            for name in ("indptr", "columns", "weights")
        )
        with pa.memory_map(str(folder / _TERMS)) as file:
            column = pa.ipc.open_file(file).read_all().column("term")
        # to combine chunks copies even one
        return RawTerms(
            indptr, columns, weights, column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
        )

    def of(self, row: int) -> dict[str, float]:
        """Weight by term of one artist; takes time by how many it has."""
        span = slice(self.indptr[row], self.indptr[row + 1])
        texts = self.terms.take(pa.array(np.asarray(self.columns[span]))).to_pylist()
        return dict(zip(texts, np.asarray(self.weights[span], np.float64).tolist(), strict=True))


def write_raw_terms(
    folder: Path, indptr: NDArray[Any], columns: NDArray[Any], weights: NDArray[np.float64], terms: list[str]
) -> None:
    """Write the terms of artists into a new folder; weights take half the bytes where all are whole and below 2^32."""
    folder.mkdir(parents=True)
    integral = bool(np.all((weights < 2**32) & (weights == np.floor(weights))))
    np.save(folder / "indptr.npy", indptr.astype(np.int64))
    np.save(folder / "columns.npy", columns.astype(np.int32))
    np.save(folder / "weights.npy", weights.astype(np.uint32) if integral else weights.astype(np.float64))
    table = pa.table({"term": pa.array(terms, pa.large_string())})
    with pa.ipc.new_file(folder / _TERMS, table.schema) as file:
        file.write_table(table)


def open_raw_terms(folder: Path) -> Iterator[tuple[str, RawTerms]]:
    """By table, those that a folder has."""
    for table in COLUMNS_OF:
        if (folder / table).is_dir():
            yield table, RawTerms.open(folder / table)
