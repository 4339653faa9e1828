"""Graph of similar artists in OLGA's format: a scipy sparse matrix in a file, and a list of its rows' artists."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import scipy.sparse
from numpy.typing import NDArray

from riyl.core.catalog.columns import Kind
from riyl.core.catalog.tables import checked_batches, column_names
from riyl.core.errors import InputError, TableError
from riyl.core.types import ArtistId

OLGA_ARTISTS = "olga.csv"
"""OLGA's own list of the artists of its graph's rows."""

IDS_FORMATS = (".txt", ".csv", ".tsv")
"""Endings of files with such a list."""

_LINK_BYTES = 16
"""Size of a link in memory, in bytes: row and column of every entry, including entries that store 0."""

_PLAIN_KINDS = "biufcSU"
"""Kinds of NumPy types that are numbers and text, without nested objects, fields or arrays."""


@dataclass(frozen=True)
class Graph:
    """Links of n artists: (m,) rows of the matrix and (m,) columns, by row and then by column, each link once."""

    artists: int
    left: NDArray[np.int64]
    right: NDArray[np.int64]


def read_graph(path: Path, *, most_bytes: int | None = None) -> Graph:
    """Read the links of a square scipy sparse matrix of any stored format: its entries that are not 0.

    Args:
        path: the file.
        most_bytes: limit for the unpacked arrays of the file, and for the links that their entries may be; None is no
            limit.

    Raises:
        InputError: the file is not such a matrix, or too large; the message has found and wanted.
    """
    try:
        with path.open("rb") as file:
            with zipfile.ZipFile(file) as archive:
                refuse_large(path, sum(member.file_size for member in archive.infolist()), most_bytes)
                refuse_large(path, _checked_entries(archive) * _LINK_BYTES, most_bytes)
            file.seek(0)
            links = scipy.sparse.load_npz(file)
        if links.format in ("csr", "csc", "bsr"):
            links.check_format(full_check=True)
        n, width = links.shape
        links = links.tocoo()
        undefined = np.isnan(links.data).any()
        links = scipy.sparse.coo_array((links.data != 0, links.coords), links.shape)
        links.eliminate_zeros()
        links.sum_duplicates()  # sum_duplicates also sorts the links
    except InputError:
        raise
    except Exception as error:  # zipfile, numpy and scipy report damage with many types of errors
        problem = f"found something damaged or of another kind ({error})"
        raise InputError(f"{path}: {problem}; wanted a scipy sparse matrix") from error
    if n != width or not n:
        raise InputError(f"{path}: found a matrix of {n} by {width}; wanted a square matrix, artists by artists")
    if undefined:
        raise InputError(f"{path}: found NaN in the matrix; wanted numbers, 0 where there is no link")
    left, right = (rows.astype(np.int64) for rows in links.coords)
    return Graph(int(n), left, right)


def read_row_ids(path: Path) -> list[ArtistId]:
    """Read the artist of each row of a graph: from a text file with one id per line, or a table with a column of ids.

    The column is artist_id, or OLGA's musicbrainz_id, which is converted to lower case. If the table also numbers its
    rows (in a column called index, or without a name, as pandas writes it), they must be in the graph's order, from 0.

    Raises:
        InputError: the file has another format, an id is missing or repeated, or the rows are out of order.
    """
    check_ending(path, IDS_FORMATS)
    ids, places = _from_text(path) if path.suffix == ".txt" else _from_table(path)
    seen: dict[str, int] = {}
    for row, artist_id in enumerate(ids, start=1):
        if artist_id in seen:
            actual = f"{artist_id} again (first in row {seen[artist_id]})"
            raise TableError(path, row=row, found=actual, wanted="each artist once")
        seen[artist_id] = row
    for row, position in enumerate(places, start=1):
        if position is None or position.strip() != str(row - 1):
            actual, wanted = f"index {position!r}", f"{row - 1}: the rows of the graph in order"
            raise TableError(path, row=row, found=actual, wanted=wanted)
    return ids


def refuse_large(path: Path, unpacked: int, most_bytes: int | None) -> None:
    """Refuse a file that takes more bytes than allowed once it is unpacked; None is no limit.

    Raises:
        InputError: it is too large; the message has found and wanted.
    """
    if most_bytes is not None and unpacked > most_bytes:
        raise InputError(f"{path}: found {unpacked} bytes once unpacked; wanted at most {most_bytes}")


def check_ending(path: Path, endings: Sequence[str]) -> None:
    """Check that a file exists, and that its name has a known ending.

    Raises:
        InputError: it does not.
    """
    if path.suffix not in endings or not path.is_file():
        actual = f"a file that ends in {path.suffix!r}" if path.is_file() else "no such file"
        raise InputError(f"{path}: found {actual}; wanted one that ends in {', '.join(endings)}")


def _checked_entries(archive: zipfile.ZipFile) -> int:
    """Count the entries of the matrix in an archive, unpacking only headers.

    Each header is checked against the size of its member, beyond which nothing of the member is unpacked, because NumPy
    allocates the memory that a header declares before it reads the data.

    Raises:
        ValueError: a member is not a plain array of the declared size, is stored twice, or uses a compression whose
            memory use the file controls.
    """
    entries = 0
    members = archive.infolist()
    if len({member.filename for member in members}) != len(members):
        raise ValueError("an array is stored twice")
    for member in members:
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"{member.filename} is neither stored nor deflated")
        with archive.open(member) as stream:
            if np.lib.format.read_magic(stream) != (1, 0):
                raise ValueError(f"{member.filename} is not an array of format 1.0")
            shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
            size = math.prod(shape)
            if dtype.kind not in _PLAIN_KINDS or size * max(dtype.itemsize, 1) != member.file_size - stream.tell():
                raise ValueError(f"{member.filename} is not an array of numbers or text of the size that it declares")
        if member.filename == "data.npy":
            entries = size
    return entries


def _from_text(path: Path) -> tuple[list[ArtistId], list[str | None]]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = error.object[: error.start].count(b"\n") + 1
        actual = f"byte 0x{error.object[error.start]:02x}, which is not UTF-8"
        raise TableError(path, row=row, found=actual, wanted="UTF-8 text") from error
    ids = [line.strip() for line in text.removesuffix("\n").split("\n")]
    if "" in ids:
        raise TableError(path, row=ids.index("") + 1, found="nothing", wanted="one artist id per line")
    return ids, []


def _from_table(path: Path) -> tuple[list[ArtistId], list[str | None]]:
    names = column_names(path, {})
    of_olga = "artist_id" not in names and "musicbrainz_id" in names
    kinds = {"musicbrainz_id" if of_olga else "artist_id": Kind.TEXT}
    column_names(path, kinds)
    kinds |= {name: Kind.OPTIONAL_TEXT for name in ("index", "") if name in names}
    table = pa.Table.from_batches(checked_batches(path, kinds))
    ids = table.column(0)
    if of_olga:
        ids = pc.utf8_lower(pc.utf8_trim_whitespace(ids))
    return ids.to_pylist(), table.column(1).to_pylist() if len(kinds) > 1 else []
