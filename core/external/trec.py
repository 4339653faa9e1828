"""TREC runs: text with one line per retrieved document."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from riyl.core.errors import InputError, TableError
from riyl.core.types import ArtistId

FIELDS = "query Q0 document rank score tag"

_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class TrecRun:
    """Entries of a TREC run in the order of its lines.

    Attributes:
        queries, documents: ids, each once.
        query, document: (m,) int32 positions in `queries` and `documents`.
        score: (m,) float64, finite.
        rank: (m,) int64.
    """

    queries: list[ArtistId]
    documents: list[ArtistId]
    query: NDArray[np.int32]
    document: NDArray[np.int32]
    score: NDArray[np.float64]
    rank: NDArray[np.int64]


def read_trec(path: Path) -> TrecRun:
    """Read a TREC run: lines of `query Q0 document rank score tag`, separated by ASCII white space.

    Blank lines are skipped; the lines of a query need not be together. An id cannot contain white space here.

    Raises:
        InputError: the file has no entries, is not UTF-8, or a line has another number of fields, a score that is not a
            finite number, or a rank that is not an integer; the message has the line.
    """
    queries: dict[bytes, int] = {}
    documents: dict[bytes, int] = {}
    query, document, score, rank = array("i"), array("i"), array("d"), array("q")
    names: tuple[list[ArtistId], list[ArtistId]] = ([], [])
    with path.open("rb") as file:
        if file.read(len(_BOM)) != _BOM:
            file.seek(0)
        for number, line in enumerate(file, start=1):
            fields = line.split()
            if len(fields) != 6:
                if not fields:
                    continue
                raise TableError(path, line=number, found=f"{len(fields)} fields", wanted=f"six: {FIELDS}")
            query_id, _, document_id, rank_text, score_text, _ = fields
            if query_id not in queries:
                queries[query_id] = len(queries)
                names[0].append(_text(path, number, query_id))
            if document_id not in documents:
                documents[document_id] = len(documents)
                names[1].append(_text(path, number, document_id))
            query.append(queries[query_id])
            document.append(documents[document_id])
            try:
                score.append(float(score_text))
            except ValueError:
                raise _wrong(path, number, "score", score_text, "a finite number") from None
            if not isfinite(score[-1]) or b"_" in score_text:
                raise _wrong(path, number, "score", score_text, "a finite number")
            try:
                rank.append(int(rank_text))
            except (ValueError, OverflowError):
                raise _wrong(path, number, "rank", rank_text, "an integer of 64 bits") from None
    if not query:
        raise InputError(f"{path}: found an empty run; wanted lines of {FIELDS}")
    return TrecRun(
        *names,
        np.frombuffer(query, np.int32),
        np.frombuffer(document, np.int32),
        np.frombuffer(score, np.float64),
        np.frombuffer(rank, np.int64),
    )


def _text(path: Path, line: int, raw: bytes) -> ArtistId:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        actual = f"byte 0x{raw[error.start]:02x}, which is not UTF-8"
        raise TableError(path, line=line, found=actual, wanted="UTF-8 text") from error


def _wrong(path: Path, line: int, field: str, raw: bytes, wanted: str) -> TableError:
    value = raw[:60].decode(errors="replace")
    return TableError(path, line=line, found=f"{field} {value!r}", wanted=wanted)
