"""Embeddings of another program: a .npy file with ids, a Parquet file, or a folder with a part per modality."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from riyl.core.catalog.columns import Kind, matrix
from riyl.core.catalog.graph import refuse_large
from riyl.core.catalog.tables import checked_batches, column_names
from riyl.core.errors import InputError, TableError
from riyl.core.external.ids import check_unique, read_ids_of_rows
from riyl.core.external.matrices import check_numbers, read_matrix
from riyl.core.storage.embeddings import PARTS, VECTORS, ExternalEmbeddings, check_modality_name
from riyl.core.types import ArtistId, Matrix

COLUMNS = {"artist_id": Kind.TEXT, "vector": Kind.OPTIONAL_VECTOR}

FORMATS = (".npy", ".parquet")
"""Endings of files with embeddings."""

IDS = "ids.txt"
"""File of a folder with the artist of each row."""


def read_embeddings(path: Path, ids: Path | None = None, *, most_bytes: int | None = None) -> ExternalEmbeddings:
    """Read embeddings, and check all of their contents.

    Args:
        path: one of
            - a .npy file of (n, d) float16, float32 or float64, which needs `ids`;
            - a .parquet file with artist_id, and vector: lists of numbers, all of one length, null for an artist
              without one;
            - a folder with ids.txt, parts/NAME.npy for each modality, or vectors.npy for the whole artist, or both. In
              a part, a row of zeros or of NaN alone marks an artist that lacks the modality.
        ids: the artist of each row of a .npy file, see `riyl.core.external.ids.read_ids_of_rows`.
        most_bytes: limit for all matrices together as float32, in bytes; None is no limit.

    Returns:
        The embeddings; float32 matrices of .npy files stay mapped into memory, so the files must not change.

    Raises:
        InputError: something is missing, invalid, repeated or too large; the message names the file, the value found
            and the value wanted.
    """
    if path.is_dir():
        _refuse_ids(ids, f"{path} holds {IDS}")
        return _from_folder(path, most_bytes)
    if path.suffix not in FORMATS or not path.is_file():
        actual = f"a file that ends in {path.suffix!r}" if path.is_file() else "no such file or folder"
        wanted = f"a file that ends in {' or '.join(FORMATS)}, or a folder with {IDS} and {PARTS}/"
        raise InputError(f"{path}: found {actual}; wanted {wanted}")
    if path.suffix == ".parquet":
        _refuse_ids(ids, f"{path.name} holds them in its column artist_id")
        return _from_parquet(path, most_bytes)
    if ids is None:
        wanted = "a file with one artist id per line, in the order of the rows"
        raise InputError(f"{path}: found no ids of its rows; wanted {wanted}")
    listed = read_ids_of_rows(ids)
    return ExternalEmbeddings(listed, read_matrix(path, listed, most_bytes=most_bytes), None)


def _refuse_ids(ids: Path | None, why: str) -> None:
    if ids is not None:
        raise InputError(f"{ids}: found a file of ids; wanted none: {why}")


def _from_folder(folder: Path, most_bytes: int | None) -> ExternalEmbeddings:
    listed = folder / IDS
    if not listed.is_file():
        raise InputError(f"{folder}: found no {IDS}; wanted one, with one artist id per line")
    files = _part_files(folder)
    whole = folder / VECTORS
    if not files and not whole.is_file():
        raise InputError(f"{folder}: found neither {PARTS}/NAME.npy nor {VECTORS}; wanted at least one of them")
    ids = read_ids_of_rows(listed)
    parts = {name: read_matrix(file, ids, missing_rows=True, most_bytes=most_bytes) for name, file in files.items()}
    vectors = read_matrix(whole, ids, most_bytes=most_bytes) if whole.is_file() else None
    embeddings = ExternalEmbeddings(ids, vectors, parts or None)
    _check_widths(folder, embeddings.matrices)
    refuse_large(folder, sum(each.nbytes for each in embeddings.matrices.values()), most_bytes)
    return embeddings


def _part_files(folder: Path) -> dict[str, Path]:
    """Return the file of each modality by its name; hidden files are ignored."""
    parts = folder / PARTS
    files = {}
    for path in sorted(parts.iterdir()) if parts.is_dir() else []:
        if path.name.startswith("."):
            continue
        if path.suffix != ".npy" or not path.is_file():
            raise InputError(f"{path}: found an entry that is not a .npy file; wanted one .npy file per modality")
        try:
            check_modality_name(path.stem)
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
        files[path.stem] = path
    return files


def _check_widths(folder: Path, matrices: Mapping[str, Matrix]) -> None:
    if len({each.shape for each in matrices.values()}) > 1:
        shapes = ", ".join(f"{name} {each.shape}" for name, each in matrices.items())
        raise InputError(f"{folder}: found {shapes}; wanted one shape")


def _from_parquet(path: Path, most_bytes: int | None) -> ExternalEmbeddings:
    column_names(path, COLUMNS)
    try:
        metadata = pyarrow.parquet.read_metadata(path)
    except (pa.ArrowException, OSError) as error:
        raise TableError(path, found=f"no readable Parquet file ({error})", wanted="a whole Parquet file") from error
    n = metadata.num_rows
    refuse_large(path, sum(metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups)), most_bytes)
    ids: list[ArtistId] = []
    vectors: Matrix | None = None
    for batch in checked_batches(path, COLUMNS):
        column = batch.column("vector")
        if column.null_count < len(column):  # else no vector has occurred so far
            block = matrix(column)
            if vectors is None:
                refuse_large(path, n * block.shape[1] * 4, most_bytes)
                vectors = np.zeros((n, block.shape[1]), np.float32)
            vectors[len(ids) : len(ids) + len(block)] = block
        ids += batch.column("artist_id").to_pylist()
    if vectors is None:
        raise TableError(path, found="no vector", wanted="at least one")
    if len(ids) != n:
        raise TableError(path, found=f"{len(ids)} rows", wanted=f"{n}, as the file declares")
    check_unique(path, ids)
    check_numbers(path, vectors, ids)
    return ExternalEmbeddings(ids, vectors, None)
