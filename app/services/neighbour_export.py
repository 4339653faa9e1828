"""Export of the similar artists of every artist, as they are answered now: in parts, in bounded memory."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from riyl.app.services.similar import SimilarBytes, similar_model
from riyl.app.serving.state import ServingState
from riyl.core.types import Rows
from riyl.index.export import COLUMNS, ids_of_rows, lists_under, metadata_of, table_of

PART_BYTES = 64 << 10
"""Size from which a part of lines is handed out, in bytes."""

PART_ENTRIES = 100_000
"""Maximum number of similar artists in a row group of a Parquet file, some 10 MB in memory."""


def exported_rows(state: ServingState) -> Rows:
    """Return the rows of the artists that have a list: with an embedding, not deleted, merged or blocked; ascending."""
    overlay = state.searcher.overlay
    shown = state.rules.shows(np.arange(overlay.n_rows, dtype=np.int32), [])
    return np.flatnonzero(overlay.searchable & shown).astype(np.int32)


def export_lines(state: ServingState, k: int) -> Iterator[bytes]:
    """Yield lines of JSON, each the answer of GET similar of an artist, in parts of some `PART_BYTES`."""
    answers, lines, size = SimilarBytes(state, 0), list[bytes](), 0
    for row in exported_rows(state).tolist():
        page = answers(row, k)
        lines.append(similar_model(state, row, k).model_dump_json().encode() if page is None else page.body)
        size += len(lines[-1]) + 1
        if size >= PART_BYTES:
            yield b"\n".join(lines) + b"\n"
            lines, size = [], 0
    if lines:
        yield b"\n".join(lines) + b"\n"


def export_parquet(state: ServingState, k: int) -> Iterator[bytes]:
    """Yield the parts of a Parquet file with the columns of `riyl export neighbours`, a row group each."""
    searcher, rows, file = state.searcher, exported_rows(state), _Parts()
    ids, metadata = ids_of_rows(searcher), metadata_of(searcher.version)
    at_once = max(PART_ENTRIES // k, 1)
    with pyarrow.parquet.ParquetWriter(file, COLUMNS.with_metadata(metadata), compression="zstd") as writer:
        for start in range(0, len(rows), at_once):
            part = rows[start : start + at_once]
            writer.write_table(table_of(ids, part, *lists_under(searcher, state.rules, part, k)))
            yield file.taken()
    yield file.taken()


class _Parts(io.RawIOBase):
    """File that keeps what was written since it was last taken."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: pa.Buffer) -> int:
        part = bytes(data)
        self._parts.append(part)
        return len(part)

    def taken(self) -> bytes:
        """Return what was written since the last call."""
        parts, self._parts = self._parts, []
        return b"".join(parts)
