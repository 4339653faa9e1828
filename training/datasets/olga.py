"""`olga`: the OLGA graph of similar artists, with artists and AcousticBrainz features if their files are there.

The authors publish artists (olga.csv) and features, but not the graph, which is AllMusic's; artist_connections.npz is a
copy made by others. Row i of every file is the same artist. Without olga.csv an artist's id is "olga:<row>". OLGA has
no names: they come from names.csv (musicbrainz_id, name), which the user makes from MusicBrainz; an artist without a
name there is named by its id.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from riyl.core.catalog.graph import OLGA_ARTISTS, Graph, read_graph, read_row_ids
from riyl.core.catalog.notes import Notes
from riyl.core.errors import InputError, TableError
from riyl.core.types import Progress
from riyl.training.datasets.base import Dataset, RemoteFile, TableWriter, write_table

_COPY = RemoteFile("olga_data.zip", "https://polybox.ethz.ch/index.php/s/ZXCdjkCJns9qlMY/download")
GRAPH = RemoteFile("artist_connections.npz", archive=_COPY)
ARTISTS = RemoteFile(OLGA_ARTISTS, "https://gitlab.com/fdlm/olga/-/raw/HEAD/olga.csv", optional=True)
AUDIO = RemoteFile("acousticbrainz.npy", archive=_COPY, optional=True)
NAMES = RemoteFile("names.csv", optional=True)

PARTITIONS = ("train", "val", "test")

_MBID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_CHUNK_ROWS = 512


def make(files: Mapping[str, Path], out: Path, notes: Notes, progress: Progress) -> None:
    """Write artists and similar (each pair once, undirected), and audio if acousticbrainz.npy is there.

    Raises:
        InputError: a file is damaged, the graph is not square and strictly upper triangular, or the files differ in
            their number of artists.
    """
    graph = read_upper(files[GRAPH.name])
    artists = _artists(graph.artists, files.get(ARTISTS.name), files.get(NAMES.name), notes)
    write_table(out, "artists", artists)
    ids = artists.column("artist_id").combine_chunks()
    linked = np.zeros(graph.artists, np.bool_)
    linked[graph.left] = linked[graph.right] = True
    notes.add("artists without any link", count=int(graph.artists - linked.sum()))
    pairs = {"artist_id": ids.take(pa.array(graph.left)), "similar_id": ids.take(pa.array(graph.right))}
    write_table(out, "similar", pa.table(pairs))
    progress(f"read {GRAPH.name}", 1, 1)
    if AUDIO.name in files:
        _write_audio(files[AUDIO.name], ids, out, notes, progress)
    else:
        notes.add(f"artists without audio, because {AUDIO.name} is missing", count=graph.artists)


DATASET = Dataset(
    name="olga",
    summary="17,673 artists with 101,029 links 'similar to' from AllMusic, and AcousticBrainz features (OLGA)",
    licence="none stated for the graph, which is AllMusic's data: for research; AcousticBrainz is CC0",
    citation=(
        "F. Korzeniowski, S. Oramas, F. Gouyon: Artist Similarity with Graph Neural Networks. Proceedings of the 22nd "
        "International Society for Music Information Retrieval Conference, ISMIR 2021."
    ),
    files=(GRAPH, ARTISTS, AUDIO, NAMES),
    make=make,
)


def read_upper(path: Path) -> Graph:
    """Read the links of OLGA's graph, whose matrix is strictly upper triangular, so that it has each pair once.

    Raises:
        InputError: the matrix has links on or below the diagonal.
    """
    graph = read_graph(path)
    wrong = np.flatnonzero(graph.left >= graph.right)
    if len(wrong):
        first = f"row {graph.left[wrong[0]]}, column {graph.right[wrong[0]]}"
        raise InputError(
            f"{path}: found {len(wrong)} links on or below the diagonal, the first at {first}; "
            "wanted a strictly upper triangular matrix, each pair once"
        )
    return graph


def _artists(n: int, listed: Path | None, named: Path | None, notes: Notes) -> pa.Table:
    if listed is None:
        notes.add("artists with their row as id, because olga.csv is missing", count=n)
        ids = [f"olga:{row}" for row in range(n)]
        return pa.table({"artist_id": ids, "name": ids})
    ids, partitions = _read_artists(listed)
    if len(ids) != n:
        raise InputError(f"{listed}: found {len(ids)} rows; wanted {n}, as {GRAPH.name} has")
    names_by_id = {} if named is None else _read_names(named)
    names = [names_by_id.get(i, i) for i in ids]
    notes.add("artists named by their MusicBrainz id, for lack of a name", count=sum(i not in names_by_id for i in ids))
    return pa.table({"artist_id": ids, "name": names, "mbid": ids, "partition": partitions})


def _read_artists(path: Path) -> tuple[list[str], list[str]]:
    partitions = []
    for row, fields in _records(path, ("musicbrainz_id", "partition")):
        mbid, partition = fields["musicbrainz_id"].strip().lower(), fields["partition"].strip()
        if not _MBID.fullmatch(mbid):
            raise TableError(path, row=row, found=f"musicbrainz_id {mbid!r}", wanted="a MusicBrainz id")
        if partition not in PARTITIONS:
            raise TableError(path, row=row, found=f"partition {partition!r}", wanted=", ".join(PARTITIONS))
        partitions.append(partition)
    return read_row_ids(path), partitions


def _read_names(path: Path) -> dict[str, str]:
    """Return names by MusicBrainz id; the first one counts."""
    names: dict[str, str] = {}
    for _, fields in _records(path, ("musicbrainz_id", "name")):
        if fields["name"].strip():
            names.setdefault(fields["musicbrainz_id"].strip().lower(), fields["name"])
    return names


def _records(path: Path, wanted: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the rows of a CSV file by column, counted from 1 after the header."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = next(reader, [])
            if missing := [name for name in wanted if name not in header]:
                actual = f"columns {', '.join(header) or 'none'}"
                raise TableError(path, found=actual, wanted=f"a column {missing[0]!r}")
            for row, values in enumerate((v for v in reader if v), start=1):
                if len(values) != len(header):
                    raise TableError(path, row=row, found=f"{len(values)} fields", wanted=f"{len(header)}")
                yield row, dict(zip(header, values, strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise TableError(path, found=f"no readable CSV ({error})", wanted="a CSV file in UTF-8") from error


def _write_audio(path: Path, ids: pa.Array, out: Path, notes: Notes, progress: Progress) -> None:
    """Write the vector of every artist that has one; memory use is that of one chunk."""
    vectors = _open_vectors(path, len(ids))
    with TableWriter(out, "audio") as writer:
        for start in range(0, len(ids), _CHUNK_ROWS):
            stored = np.asarray(vectors[start : start + _CHUNK_ROWS])
            with np.errstate(over="ignore"):
                chunk = stored.astype(np.float32)
            none = np.all((stored == 0) | np.isnan(stored), axis=1)
            wrong = ~none & ~np.isfinite(chunk).all(axis=1)
            notes.add(f"{path.name}: artist without audio, all zeros or NaN", count=int(none.sum()))
            for row in np.flatnonzero(wrong):
                where = int(np.flatnonzero(~np.isfinite(chunk[row]))[0])
                example = f"row {start + row}: {stored[row, where]} at position {where + 1}"
                notes.add(f"{path.name}: row left out, a number is not finite as float32", example)
            usable = np.flatnonzero(~none & ~wrong)
            flat = pa.array(chunk[usable].ravel(), pa.float32())
            column = pa.FixedSizeListArray.from_arrays(flat, chunk.shape[1])
            writer.write(pa.table({"artist_id": ids.take(pa.array(start + usable)), "vector": column}))
            progress(f"read {path.name}", min(start + _CHUNK_ROWS, len(ids)), len(ids))


def _open_vectors(path: Path, n: int) -> NDArray[Any]:
    try:
        vectors: NDArray[Any] = np.lib.format.open_memmap(path, mode="r")
    except (ValueError, EOFError, OSError) as error:
        raise _damaged(path, error, "a NumPy array") from error
    if vectors.ndim != 2 or vectors.dtype.kind != "f" or not vectors.shape[1]:
        actual = f"{vectors.dtype} {vectors.shape}"
        raise InputError(f"{path}: found {actual}; wanted floating-point numbers, artists by features")
    if len(vectors) != n:
        raise InputError(f"{path}: found {len(vectors)} rows; wanted {n}, as {GRAPH.name} has")
    return vectors


def _damaged(path: Path, error: Exception, wanted: str) -> InputError:
    return InputError(f"{path}: found a damaged file or one of another kind ({error}); wanted {wanted}")
