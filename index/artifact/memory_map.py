"""Arrays and tables of a version as files that are mapped into memory: nothing is read before it is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


def load_array(path: Path) -> NDArray[Any]:
    """An array that `np.save` wrote, read-only."""
    # a plain array over the map: slices of np.memmap cost ten times as much
    return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))


def write_arrow(path: Path, table: pa.Table) -> None:
    """Write a table as one uncompressed batch, to be mapped into memory."""
    table = table.replace_schema_metadata(None).combine_chunks()
    with pa.ipc.new_file(path, table.schema) as file:
        file.write_table(table)


def read_arrow(path: Path) -> pa.Table:
    """A table that `write_arrow` wrote, mapped into memory."""
    with pa.memory_map(str(path)) as file:
        return pa.ipc.open_file(file).read_all()
