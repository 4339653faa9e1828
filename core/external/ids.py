"""Files of artist ids: of the rows of a matrix, or of a set of artists."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from riyl.core.catalog.columns import Kind
from riyl.core.catalog.tables import checked_batches, column_names
from riyl.core.errors import InputError, TableError
from riyl.core.types import ArtistId

MAX_SHOWN, MAX_SHOWN_LENGTH = 3, 60
"""Maximum number of ids in an error, and maximum length of each, in characters."""


def read_ids_of_rows(path: Path) -> list[ArtistId]:
    """Read the artist of each row, in the order of the rows.

    Args:
        path: UTF-8 text with one id per line, lines separated by LF or CR LF; or a Parquet file with a column artist_id
            of texts or integers. Spaces are part of an id.

    Raises:
        InputError: there is no such file, it is not UTF-8 or not Parquet, it holds no ids, an id is blank, or an id is
            repeated.
    """
    ids = _ids(path, ", in the order of the rows")
    for line, artist_id in enumerate(ids, start=1):
        if not artist_id.strip():
            raise TableError(path, line=line, found="a blank line", wanted="one artist id in each line")
    check_unique(path, ids)
    return ids


def read_ids(path: Path) -> list[ArtistId]:
    """Read the ids of a set of artists; blank lines are skipped, and ids may be repeated.

    Args:
        path: as of `read_ids_of_rows`.

    Raises:
        InputError: there is no such file, it is not UTF-8 or not Parquet, or it holds no ids.
    """
    return [artist_id for artist_id in _ids(path) if artist_id.strip()]


def check_unique(path: Path, ids: Sequence[ArtistId]) -> None:
    """Check that no id is repeated.

    Raises:
        InputError: ids are repeated; the message has their number, and the first three.
    """
    if len(set(ids)) == len(ids):
        return
    rows: dict[ArtistId, int] = {}
    repeated: dict[ArtistId, tuple[int, int]] = {}
    for row, artist_id in enumerate(ids, start=1):
        if rows.setdefault(artist_id, row) != row:
            repeated.setdefault(artist_id, (rows[artist_id], row))
    pairs = list(repeated.items())[:MAX_SHOWN]
    examples = ", ".join(f"{shown(artist_id)} (rows {first} and {again})" for artist_id, (first, again) in pairs)
    number = f"{len(repeated)} repeated artist id{'s' if len(repeated) > 1 else ''}"
    raise InputError(f"{path}: found {number}: {examples}{_more(len(repeated))}; wanted each artist once")


def shown(artist_id: ArtistId) -> str:
    """Return an id as errors show it: quoted, and cut if it is long."""
    return repr(artist_id[:MAX_SHOWN_LENGTH])


def examples_of(ids: Sequence[ArtistId]) -> str:
    """Return the first three ids as errors show them; "none" without ids."""
    return ", ".join(map(shown, ids[:MAX_SHOWN])) + _more(len(ids)) if ids else "none"


def _more(count: int) -> str:
    return ", ..." if count > MAX_SHOWN else ""


def _ids(path: Path, order: str = "") -> list[ArtistId]:
    if not path.is_file():
        raise InputError(f"{path}: found no such file; wanted one artist id per line{order}")
    if path.suffix == ".parquet":
        columns = {"artist_id": Kind.TEXT}
        column_names(path, columns)
        ids: list[ArtistId] = pa.Table.from_batches(checked_batches(path, columns)).column("artist_id").to_pylist()
        return ids
    text = _text(path)
    if not text.strip():
        raise InputError(f"{path}: found no ids; wanted one artist id per line{order}")
    # only these line ends: str.splitlines also splits at characters that ids may contain
    return [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        actual = f"byte 0x{error.object[error.start]:02x}, which is not UTF-8"
        raise TableError(path, line=line, found=actual, wanted="UTF-8 text") from error
