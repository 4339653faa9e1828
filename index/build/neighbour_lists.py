"""Exact lists of similar artists: the ready lists of a version, and lists among a subset of artists."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riyl.core.errors import InputError
from riyl.core.types import ArtistId, Lists, Mask, Matrix, Progress, Rows, silent
from riyl.index.artifact.arrays import LIST_LENGTH
from riyl.index.artifact.version import Version
from riyl.index.build.exact_search import exact_top_k
from riyl.index.scoring.factors import Patterns
from riyl.index.scoring.score import Scoring
from riyl.index.scoring.tie_breaking import TIE_SEED, tie_break_rank


@dataclass(frozen=True)
class Catalog:
    """Artists and scoring that lists are computed from.

    Attributes:
        ids: (n,) artist ids.
        vectors: (n, d) float32 unit rows; zeros without embedding.
        has_embedding: (n,) bool.
        patterns: (n,) int32.
        scoring: the corrections.
    """

    ids: list[ArtistId]
    vectors: Matrix
    has_embedding: Mask
    patterns: Patterns
    scoring: Scoring


def exact_lists(
    catalog: Catalog,
    rows: Rows,
    k: int,
    *,
    factors: tuple[Matrix, Matrix] | None = None,
    threads: int = 0,
    progress: Progress = silent,
) -> tuple[Lists, NDArray[np.float32]]:
    """Return the k best of `rows` for each of `rows`, without itself; equal scores by a seeded hash of the artist id.

    Hubness is measured again among `rows` where they are not all artists with an embedding.

    Args:
        catalog: the artists.
        rows: (m,) ascending, all with an embedding: both queries and candidates.
        k: length of a list.
        factors: see `Scoring.among`; None computes them.
        threads: threads of the search; 0 takes every core.
        progress: told how many queries are done.

    Returns:
        (m, k) rows, best first, -1 after the end; (m, k) float32 scores, NaN there.
    """
    queries, candidates = factors or factors_among(catalog, rows, threads=threads)
    positions, scores = exact_top_k(
        queries,
        candidates,
        k,
        order=tie_break_rank(catalog.ids, TIE_SEED)[rows],
        self_positions=np.arange(len(rows), dtype=np.int32),
        threads=threads,
        progress=progress,
    )
    return np.append(rows, np.int32(-1))[positions], scores  # position -1 selects the appended -1


def factors_among(catalog: Catalog, rows: Rows, *, threads: int = 0) -> tuple[Matrix, Matrix]:
    """Return two matrices over `rows` whose inner products are the scores among them; see `Scoring.among`."""
    return catalog.scoring.among(catalog.vectors, catalog.has_embedding, catalog.patterns, rows, threads=threads)


def ready_lists(
    catalog: Catalog, *, threads: int = 0, progress: Progress = silent
) -> tuple[Lists, NDArray[np.float32]]:
    """Compute the ready lists: (n, 256) rows and scores of every artist; -1 and NaN without embedding."""
    rows = np.flatnonzero(catalog.has_embedding).astype(np.int32)
    lists = np.full((len(catalog.ids), LIST_LENGTH), -1, np.int32)
    scores = np.full(lists.shape, np.nan, np.float32)
    lists[rows], scores[rows] = exact_lists(catalog, rows, LIST_LENGTH, threads=threads, progress=progress)
    return lists, scores


def catalog_of(version: Version) -> Catalog:
    """Return the artists and scoring of a version."""
    return Catalog(version.artist_ids, version.embeddings, version.has_embedding, version.patterns, version.scoring)


def restrict(version: Version, having: list[str] | None = None, only: list[ArtistId] | None = None) -> Mask:
    """Return which artists have all modalities of `having` and are in `only`, where these are given, (n,) bool.

    Raises:
        InputError: the version lacks a modality or artist.
    """
    mask = np.ones(version.n_artists, bool)
    if having is not None:
        unknown = [name for name in having if name not in version.modalities]
        if unknown or not having:
            raise InputError(
                f"modalities: found {', '.join(unknown) or 'none'}; wanted some of {', '.join(version.modalities)}"
            )
        mask &= version.having(having)
    if only is not None:
        at = {artist_id: row for row, artist_id in enumerate(version.artist_ids)}
        absent = [artist_id for artist_id in only if artist_id not in at]
        if absent or not only:
            actual = f"{len(absent):,} ids that version {version.id} lacks, {absent[0]!r} first" if absent else "no ids"
            raise InputError(f"artists: found {actual}; wanted ids of its artists")
        listed = np.zeros(version.n_artists, bool)
        listed[[at[artist_id] for artist_id in only]] = True
        mask &= listed
    return mask
