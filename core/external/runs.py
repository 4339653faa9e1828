"""Ranked lists that another program computed: a TREC run, or a Parquet file of ready lists or of scored pairs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet
from numpy.typing import NDArray

from riyl.core.catalog.columns import Kind
from riyl.core.catalog.tables import checked_batches, column_names
from riyl.core.errors import InputError, TableError
from riyl.core.external.ids import check_unique, shown
from riyl.core.external.trec import read_trec
from riyl.core.types import ArtistId

LISTS = {"artist_id": Kind.TEXT, "retrieved": Kind.TEXTS}
PAIRS = {"artist_id": Kind.TEXT, "similar_id": Kind.TEXT}


@dataclass(frozen=True)
class ExternalRun:
    """Lists of retrieved artists, in CSR form: list i is retrieved[indptr[i]:indptr[i + 1]], best first.

    Attributes:
        queries: the artist that each list belongs to, each once.
        indptr: (q + 1,) int64.
        documents: every retrieved artist, each once.
        retrieved: (m,) int32 positions in `documents`; each at most once in a list.
        tied: number of entries whose score equals, as float32, that of another entry of the list. trec_eval, and so
            ir_measures, compares scores as float32 and orders equal ones by document id, descending.
        unordered: number of entries whose score and rank both equal those of another entry of the list.
    """

    queries: list[ArtistId]
    indptr: NDArray[np.int64]
    documents: list[ArtistId]
    retrieved: NDArray[np.int32]
    tied: int
    unordered: int


def read_run(path: Path) -> ExternalRun:
    """Read ranked lists.

    Entries with scores are ordered by score, descending; equal scores by rank, ascending; equal in both by id,
    descending by code points, as trec_eval orders equal scores.

    Args:
        path: one of
            - a .parquet file with artist_id and retrieved, a list of ids, best first;
            - a .parquet file with artist_id, similar_id, score, and perhaps rank, one row per retrieved artist;
            - any other name: a TREC run, see `riyl.core.external.trec.read_trec`.

    Raises:
        InputError: there is no such file, it is of no such form or empty, an id is missing, a score is not a finite
            number, or an artist is retrieved twice for a query; the message names the file and the line or row.
    """
    if not path.is_file():
        raise InputError(f"{path}: found no such file; wanted a TREC run, or a .parquet file of lists")
    if path.suffix != ".parquet":
        run = read_trec(path)
        return _ranked(path, run.queries, run.documents, run.query, run.document, run.score, run.rank)
    names = column_names(path, {"artist_id": Kind.TEXT})
    if "retrieved" in names:
        return _from_lists(path)
    if {"similar_id", "score"} <= set(names):
        return _from_pairs(path, "rank" in names)
    wanted = "artist_id with either retrieved (a list of ids), or similar_id and score"
    raise TableError(path, found=f"columns {', '.join(names)[:300]}", wanted=wanted)


def _ranked(
    path: Path,
    queries: list[ArtistId],
    documents: list[ArtistId],
    query: NDArray[np.int32],
    document: NDArray[np.int32],
    score: NDArray[np.float64],
    rank: NDArray[np.int64] | NDArray[np.float64],
) -> ExternalRun:
    """Order entries into lists; `query` and `document` are (m,) positions in `queries` and `documents`."""
    _refuse_double(path, queries, documents, query, document)
    descending = np.empty(len(documents), np.int32)
    descending[np.array(sorted(range(len(documents)), key=documents.__getitem__, reverse=True), np.int32)] = np.arange(
        len(documents), dtype=np.int32
    )
    order = np.lexsort((descending[document], rank, -score, query))
    query, score, rank = query[order], score[order], rank[order]
    same_query = query[1:] == query[:-1]
    with np.errstate(over="ignore"):
        rounded = score.astype(np.float32)
    tied = same_query & (rounded[1:] == rounded[:-1])
    unordered = same_query & (score[1:] == score[:-1]) & (rank[1:] == rank[:-1])
    indptr = np.concatenate([[0], np.cumsum(np.bincount(query, minlength=len(queries)))]).astype(np.int64)
    return ExternalRun(queries, indptr, documents, document[order], _members(tied), _members(unordered))


def _members(equals_next: NDArray[np.bool_]) -> int:
    """Count the entries that equal a neighbour; (m - 1,) bool says whether an entry equals the next."""
    return int(np.count_nonzero(np.append(equals_next, False) | np.append(False, equals_next)))


def _refuse_double(
    path: Path,
    queries: list[ArtistId],
    documents: list[ArtistId],
    query: NDArray[np.int32],
    document: NDArray[np.int32],
) -> None:
    keys = np.sort(query.astype(np.int64) * len(documents) + document)
    double = keys[1:][keys[1:] == keys[:-1]]
    if len(double):
        at, other = divmod(int(double[0]), len(documents))
        example = f"{shown(documents[other])} twice in the list of {shown(queries[at])}"
        raise InputError(f"{path}: found {example}, and {len(double)} repeated entries in all; wanted each artist once")


def _from_lists(path: Path) -> ExternalRun:
    table = pa.Table.from_batches(checked_batches(path, LISTS))
    lists = table.column("retrieved").combine_chunks()
    if lists.null_count:
        row = pc.index(pc.is_null(lists), True).as_py() + 1
        raise TableError(path, row=row, found="nothing in column 'retrieved'", wanted="a list of ids, perhaps empty")
    flat, owner = lists.flatten(), pc.list_parent_indices(lists).to_numpy().astype(np.int32)
    blank = pc.equal(pc.utf8_trim_whitespace(pc.fill_null(flat, "")), "")
    if (position := pc.index(blank, True).as_py()) >= 0:
        actual = f"{flat[position].as_py()!r} in the list of column 'retrieved'"
        raise TableError(path, row=int(owner[position]) + 1, found=actual, wanted="ids, none of them missing or blank")
    if not len(flat):
        raise InputError(f"{path}: found only empty lists; wanted at least one retrieved artist")
    queries: list[ArtistId] = table.column("artist_id").to_pylist()
    check_unique(path, queries)
    encoded = flat.dictionary_encode()
    documents: list[ArtistId] = encoded.dictionary.to_pylist()
    document = encoded.indices.to_numpy().astype(np.int32)
    _refuse_double(path, queries, documents, owner, document)
    indptr = np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=len(queries)))]).astype(np.int64)
    return ExternalRun(queries, indptr, documents, document, 0, 0)


def _from_pairs(path: Path, has_rank: bool) -> ExternalRun:
    table = pa.Table.from_batches(checked_batches(path, PAIRS))
    score = _numbers(path, "score")
    rank = _numbers(path, "rank") if has_rank else np.zeros(len(score))
    if (rank != np.floor(rank)).any():
        row = int(np.argmax(rank != np.floor(rank)))
        raise TableError(path, row=row + 1, found=f"{rank[row]} in column 'rank'", wanted="an integer")
    query, document = (table.column(name).combine_chunks().dictionary_encode() for name in PAIRS)
    return _ranked(
        path,
        query.dictionary.to_pylist(),
        document.dictionary.to_pylist(),
        query.indices.to_numpy().astype(np.int32),
        document.indices.to_numpy().astype(np.int32),
        score,
        rank,
    )


def _numbers(path: Path, name: str) -> NDArray[np.float64]:
    """Read a column of finite numbers, (m,) float64."""
    wanted = f"a finite number in column {name!r}"
    try:
        column = pyarrow.parquet.read_table(path, columns=[name], use_threads=False).column(0)
    except (pa.ArrowException, OSError) as error:
        raise TableError(path, found=f"damaged Parquet data ({error})", wanted="a whole Parquet file") from error
    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        raise TableError(path, found=f"type {column.type} in column {name!r}", wanted=wanted)
    values = column.cast(pa.float64(), safe=False)
    missing = pc.fill_null(pc.invert(pc.is_finite(values)), True)
    if (row := pc.index(missing, True).as_py()) >= 0:
        value = values[row].as_py()
        raise TableError(path, row=row + 1, found="nothing" if value is None else str(value), wanted=wanted)
    numbers: NDArray[np.float64] = values.to_numpy()
    return numbers
