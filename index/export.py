"""Export of every artist's similar artists as one Parquet file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
from numpy.typing import NDArray

from riyl.core.files import replaced
from riyl.core.types import Lists, Mask, Matrix, Progress, Rows, silent
from riyl.index.artifact.arrays import LIST_LENGTH
from riyl.index.artifact.version import Version
from riyl.index.build.neighbour_lists import catalog_of, exact_lists, factors_among
from riyl.index.search.rules import BoundRules, apply_rules, without_rules
from riyl.index.search.searcher import Searcher

COLUMNS = pa.schema({"artist_id": pa.string(), "rank": pa.int32(), "similar_id": pa.string(), "score": pa.float32()})

_LISTS_AT_ONCE = 4096


def export_neighbours(
    version: Version,
    out: Path,
    k: int,
    *,
    keep: Mask | None = None,
    rules: BoundRules | None = None,
    threads: int = 0,
    progress: Progress = silent,
) -> int:
    """Write lists as Parquet: artist_id, rank from 1, similar_id, score; the file appears once it is complete.

    Args:
        version: the version of the artists.
        out: the file; an existing one is replaced.
        k: length of a list.
        keep: (n,) bool, the artists that have lists and may stand in them; None keeps all, and uses the ready lists.
        rules: rules bound to this version: a blocked artist has no list and stands in none, even if `keep` has it;
            pinned ones stand first. None applies no rules.
        threads: threads of the search; 0 takes every core.
        progress: told how far each step is.

    Returns:
        Number of artists with a list.
    """
    rules = rules or without_rules(version.n_artists)
    shown = rules.shows(np.arange(version.n_artists, dtype=np.int32), [])
    mask = version.has_embedding & shown if keep is None else version.has_embedding & shown & keep
    rows = np.flatnonzero(mask).astype(np.int32)
    lists: Lists
    at = np.arange(len(rows), dtype=np.int32)
    if keep is None and k <= LIST_LENGTH and not rules:
        lists, scores, at = version.neighbours, version.scores, rows  # mapped, never loaded as a whole
    elif keep is None:
        lists, scores = _all_lists(version, rows, k, rules, threads, progress)
    else:
        lists, scores = _kept_lists(version, rows, k, rules, threads, progress)
    ids = version.artists.column("artist_id").combine_chunks()
    columns = COLUMNS.with_metadata(metadata_of(version))
    with (
        replaced(out) as aside,
        pyarrow.parquet.ParquetWriter(aside, columns, compression="zstd") as writer,
    ):
        for start in range(0, len(rows), _LISTS_AT_ONCE):
            part = slice(start, start + _LISTS_AT_ONCE)
            writer.write_table(table_of(ids, rows[part], lists[at[part], :k], scores[at[part], :k]))
            progress("write", min(start + _LISTS_AT_ONCE, len(rows)), len(rows))
    return len(rows)


def _all_lists(
    version: Version, rows: Rows, k: int, rules: BoundRules, threads: int, progress: Progress
) -> tuple[Lists, Matrix]:
    """Return lists and scores of `rows` among all artists with an embedding, (m, k or more); the version's scoring."""
    if k <= LIST_LENGTH:
        lists, scores = version.neighbours[rows], version.scores[rows]
    else:
        has_embedding = np.flatnonzero(version.has_embedding).astype(np.int32)
        lists, scores = exact_lists(catalog_of(version), has_embedding, k, threads=threads, progress=progress)
        at = np.searchsorted(has_embedding, rows)
        lists, scores = lists[at], scores[at]
    if rules:
        searcher = Searcher(version)
        seen = (lists[:, :k] >= 0) & ~rules.shows(lists[:, :k], [])
        for position, row in enumerate(rows.tolist()):
            if seen[position].any() or row in rules.never or row in rules.pinned:
                neighbours = apply_rules(searcher, rules, row, k)
                _put(lists, scores, position, neighbours.rows, neighbours.scores)
    return lists, scores


def _kept_lists(
    version: Version, rows: Rows, k: int, rules: BoundRules, threads: int, progress: Progress
) -> tuple[Lists, Matrix]:
    """Return lists and scores of `rows` among themselves, (m, k or more); none of the rows may be blocked."""
    catalog = catalog_of(version)
    queries, candidates = factors = factors_among(catalog, rows, threads=threads)
    spare = max((len(others) for others in rules.never.values()), default=0)
    lists, scores = exact_lists(catalog, rows, k + spare, factors=factors, threads=threads, progress=progress)
    at = {row: position for position, row in enumerate(rows.tolist())}
    for row in (rules.never.keys() | rules.pinned.keys()) & at.keys():
        position = at[row]
        pins = [pin for pin in rules.pins([row]) if pin in at]
        pinned = np.array(pins, np.int32)
        values = candidates[[at[pin] for pin in pins]] @ queries[position]
        mask = (lists[position] >= 0) & rules.shows(lists[position], [row]) & ~np.isin(lists[position], pinned)
        _put(
            lists,
            scores,
            position,
            np.concatenate([pinned, lists[position, mask]]),
            np.concatenate([values, scores[position, mask]]),
        )
    return lists, scores


def _put(lists: Lists, scores: Matrix, position: int, rows: Rows, values: NDArray[np.float32]) -> None:
    """Replace one list and its scores."""
    length = min(len(rows), lists.shape[1])
    lists[position], scores[position] = -1, np.nan
    lists[position, :length], scores[position, :length] = rows[:length], values[:length]


def lists_under(searcher: Searcher, rules: BoundRules, rows: Rows, k: int) -> tuple[Lists, Matrix]:
    """Return the lists of `rows` with the changes and the rules applied, and their scores, (m, k); -1 and NaN behind.

    None of the rows may be blocked, and each must have an embedding.
    """
    lists, scores = np.empty((len(rows), k), np.int32), np.empty((len(rows), k), np.float32)
    for position, row in enumerate(rows.tolist()):
        neighbours = apply_rules(searcher, rules, row, k)
        _put(lists, scores, position, neighbours.rows, neighbours.scores)
    return lists, scores


def ids_of_rows(searcher: Searcher) -> pa.Array:
    """Return the ids of all rows of a version and the changes on it; without a copy where there are no live artists."""
    overlay = searcher.overlay
    live_ids = searcher.ids_of(np.arange(overlay.first, overlay.n_rows, dtype=np.int32))
    ids = searcher.version.artists.column("artist_id").combine_chunks()
    return pa.concat_arrays([ids, pa.array(live_ids, ids.type)]) if live_ids else ids


def metadata_of(version: Version) -> dict[str, str]:
    """Return what an exported file says of its origin."""
    return {"version": version.id, "model": version.manifest["model"], "snapshot": version.manifest["snapshot"]}


def table_of(ids: pa.Array, rows: Rows, lists: Lists, scores: Matrix) -> pa.Table:
    """Return lists as a table of COLUMNS, a row per entry.

    Args:
        ids: id of each row of the catalog.
        rows: (m,) rows of the artists that have the lists.
        lists: (m, k) rows, -1 behind the end of a list.
        scores: (m, k).
    """
    query, position = np.nonzero(lists >= 0)
    return pa.table(
        {
            "artist_id": ids.take(pa.array(rows[query])),
            "rank": (position + 1).astype(np.int32),
            "similar_id": ids.take(pa.array(lists[query, position])),
            "score": scores[query, position],
        },
        schema=COLUMNS,
    )
