"""Alignment of ranked lists that another program computed with the artists of a catalog."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riyl.core.errors import MismatchError
from riyl.core.external.ids import examples_of
from riyl.core.external.runs import ExternalRun
from riyl.core.types import ArtistId, Mask, Rows
from riyl.evaluation.external_embeddings import positions
from riyl.evaluation.retrieval import RankedLists


@dataclass(frozen=True)
class RunCounts:
    """Overlap of a run with a catalog.

    Attributes:
        in_file: queries of the file.
        matched: artists of the catalog with a list.
        missing: artists of the catalog without a list.
        extra: queries that the catalog lacks; their lists are not used.
        unknown_entries: entries of used lists that the catalog lacks; they are dropped, and later ones move up.
        self_entries: entries of used lists that are the query itself; dropped likewise.
        min_length, median_length, max_length: lengths of the used lists without dropped entries.
        tied, unordered: see `riyl.core.external.runs.ExternalRun`; over the whole file.
    """

    in_file: int
    matched: int
    missing: int
    extra: int
    unknown_entries: int
    self_entries: int
    min_length: int
    median_length: float
    max_length: int
    tied: int
    unordered: int

    @property
    def summary(self) -> str:
        """Return the counts as a phrase for people."""
        return (
            f"{self.in_file} lists: of {self.matched} of the catalog's {self.matched + self.missing} artists, and of "
            f"{self.extra} others; {self.min_length} to {self.max_length} entries, median {self.median_length:g}; "
            f"dropped {self.unknown_entries} entries outside the catalog and {self.self_entries} of the query itself; "
            f"{self.tied} entries with equal scores, {self.unordered} of them without an order by rank"
        )


@dataclass(frozen=True)
class AlignedRun:
    """Lists over the artists of a catalog, in CSR form: row i lists the artists retrieved for i, best first.

    Attributes:
        indptr: (n + 1,) int64.
        rows: (m,) int32 rows of the catalog; without the query itself, and each at most once in a list.
        covered: (n,) bool, true for artists that the run has a list of, even if no entry of it is left.
        counts: what was matched.
    """

    indptr: NDArray[np.int64]
    rows: Rows
    covered: Mask
    counts: RunCounts

    def system(self, name: str) -> RankedLists:
        """Return the lists as a system of an evaluation."""
        return RankedLists(name, self.indptr, self.rows, self.covered)


def align_run(run: ExternalRun, artist_ids: Sequence[ArtistId]) -> AlignedRun:
    """Bring ranked lists into the order of a catalog; entries that cannot be candidates are dropped and counted.

    Args:
        run: the lists.
        artist_ids: ids of the catalog's artists, in its order.

    Raises:
        MismatchError: the catalog has none of the queries; the message has ids of both.
    """
    n = len(artist_ids)
    query_rows, document_rows = positions(artist_ids, run.queries), positions(artist_ids, run.documents)
    used = query_rows >= 0
    matched = int(np.count_nonzero(used))
    if not matched:
        raise MismatchError(
            f"run: found lists of {len(run.queries)} artists, none of the catalog ({examples_of(run.queries)}); "
            f"wanted the catalog's ids ({examples_of(artist_ids)})"
        )
    owner = np.repeat(query_rows, np.diff(run.indptr))  # (m,)
    entries = document_rows[run.retrieved]
    owner, entries = owner[owner >= 0], entries[owner >= 0]
    unknown, is_self = entries < 0, entries == owner
    owner, entries = owner[~unknown & ~is_self], entries[~unknown & ~is_self]
    order = np.argsort(owner, kind="stable")
    lengths = np.bincount(owner, minlength=n)
    covered = np.zeros(n, bool)
    covered[query_rows[used]] = True
    of_queries = lengths[covered]
    counts = RunCounts(
        in_file=len(run.queries),
        matched=matched,
        missing=n - matched,
        extra=len(run.queries) - matched,
        unknown_entries=int(np.count_nonzero(unknown)),
        self_entries=int(np.count_nonzero(is_self)),
        min_length=int(of_queries.min()),
        median_length=float(np.median(of_queries)),
        max_length=int(of_queries.max()),
        tied=run.tied,
        unordered=run.unordered,
    )
    indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return AlignedRun(indptr, entries[order].astype(np.int32), covered, counts)
