"""Quality checks that a version must pass to be promoted, run on its files before they are published."""

from __future__ import annotations

from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray

from riyl.core.threads import limit_threads
from riyl.core.types import Lists, Matrix, Progress, Rows, silent
from riyl.index.artifact.arrays import LIST_LENGTH
from riyl.index.artifact.ivf import BEYOND, filled
from riyl.index.artifact.version import FAISS
from riyl.index.build.ivf_probing import CLOSE, Probing
from riyl.index.build.ivf_probing import SAMPLE as CHOSEN_ON
from riyl.index.build.neighbour_lists import Catalog
from riyl.index.versions.report import Check, Report

RECALL_AT = 10
RECALL = 0.99
"""Minimum recall of ready lists, and of an index without IVF lists: both are exact."""

SAMPLE = 1000
"""Artists whose neighbours are searched by brute force."""

NORM = 1e-4
"""Maximum distance from 1 of the length of an embedding, in float32."""

EXACT = (
    "all artists are compared, so the index file is at fault: remove the version's folder, and build it again; "
    "RIYL_QUALITY_MIN_RECALL has no part in it"
)
"""Advice for an index without IVF lists whose recall is too low."""

_AT_ONCE = 16


def samples(rows: Rows, *, seed: int = 0) -> tuple[Rows, Rows]:
    """Draw the artists that an index is checked on, and those that nprobe is chosen on, both ascending.

    The two samples are disjoint, so that the check uses artists unseen by the choice; but where at most `SAMPLE`
    artists have an embedding, both samples are all of them.

    Args:
        rows: the artists with an embedding.
        seed: seed of the draw.
    """
    mixed = np.random.default_rng(seed).permutation(rows)
    checked, others = mixed[:SAMPLE], mixed[SAMPLE : SAMPLE + CHOSEN_ON]
    return np.sort(checked), np.sort(others if len(others) else checked)


def inspect(
    folder: Path,
    catalog: Catalog,
    lists: Lists,
    not_embedded: int,
    *,
    probing: Probing | None = None,
    seed: int = 0,
    threads: int = 0,
    progress: Progress = silent,
) -> Report:
    """Check a version's files against brute-force search.

    Args:
        folder: folder of the Faiss file.
        catalog: the artists.
        lists: (n, 256) the ready lists.
        not_embedded: number of artists listed as not embedded, with a reason.
        probing: number of IVF lists searched; None where the index has none.
        seed: seed of the sample of artists whose neighbours are searched by numpy; see `samples`.
        threads: threads of that search; 0 takes every core.
        progress: told how many artists are checked.
    """
    rows = np.flatnonzero(catalog.has_embedding).astype(np.int32)
    n, m = len(catalog.ids), len(rows)
    norms = np.linalg.norm(catalog.vectors, axis=1)
    furthest = float(np.abs(norms - catalog.has_embedding).max(initial=0))
    index = faiss.read_index(str(folder / FAISS))
    full = min(LIST_LENGTH, max(m - 1, 0))
    short = int(np.count_nonzero((lists[rows] >= 0).sum(axis=1) != full))
    with limit_threads(threads):
        by_faiss, by_list = _recalls(catalog, index, lists, rows, seed, progress)
    least = RECALL if probing is None else probing.wanted
    return Report(
        (
            Check("artists embedded", m, "at least 1", m >= 1),
            Check(
                "artists neither embedded nor listed with a reason", n - m - not_embedded, "0", n == m + not_embedded
            ),
            Check("largest distance of a length from 1", _plain(furthest), f"at most {NORM}", furthest <= NORM),
            Check("vectors in the Faiss index", index.ntotal, str(m), index.ntotal == m),
            Check(f"ready lists without {full} artists", short, "0", short == 0),
            Check(
                f"recall@{RECALL_AT} of the Faiss index",
                _plain(by_faiss),
                f"at least {least}" if probing is None else f"at least {least} (RIYL_QUALITY_MIN_RECALL)",
                by_faiss >= least,
                "" if by_faiss >= least else EXACT if probing is None else probing.advice,
            ),
            Check(f"recall@{RECALL_AT} of the ready lists", _plain(by_list), f"at least {RECALL}", by_list >= RECALL),
        )
    )


def _recalls(
    catalog: Catalog, index: faiss.Index, lists: Lists, rows: Rows, seed: int, progress: Progress
) -> tuple[float, float]:
    """Return recall@10 of the Faiss index and of the ready lists: the share of their first ten in the true ten.

    An artist that scores the same as the true tenth counts as a hit. An index with IVF lists is asked for more than
    ten, as in every search, which scores them again. 1 where no artist has a neighbour.
    """
    sample, _ = samples(rows, seed=seed)
    k = min(RECALL_AT, len(rows) - 1)
    if k < 1:
        return 1.0, 1.0
    queries, candidates = catalog.scoring.factors(catalog.vectors, catalog.patterns)
    position = np.full(len(catalog.ids), -1, np.int64)
    position[rows] = np.arange(len(rows))
    width = k + 1 + (BEYOND if isinstance(index, faiss.IndexIVF) else 0)
    hits = np.zeros(2)
    for start in range(0, len(sample), _AT_ONCE):
        chunk = sample[start : start + _AT_ONCE]
        scores = queries[chunk] @ candidates[rows].T  # (a, m)
        self_positions = position[chunk]
        scores[np.arange(len(chunk)), self_positions] = -np.inf
        tenth = -np.partition(-scores, k - 1, axis=1)[:, k - 1 : k]  # (a, 1)
        query_vectors = catalog.scoring.queries(catalog.vectors[chunk], catalog.scoring.c[catalog.patterns[chunk]])
        _, neighbours = index.search(filled(query_vectors, index.d), width)  # (a, width)
        hits += (
            _good(scores, tenth, neighbours, self_positions, k),
            _good(scores, tenth, position[lists[chunk, :k]], self_positions, k),
        )
        progress("quality checks", min(start + _AT_ONCE, len(sample)), len(sample))
    by_faiss, by_list = hits / (len(sample) * k)
    return float(by_faiss), float(by_list)


def _good(
    scores: Matrix, tenth: Matrix, neighbours: NDArray[np.int64], self_positions: NDArray[np.int64], k: int
) -> int:
    """Count the neighbours, without the artist itself and at most k, that score at least as the k-th best does."""
    other = (neighbours != self_positions[:, None]) & (neighbours >= 0)
    good = other & (np.take_along_axis(scores, neighbours, axis=1) >= tenth - CLOSE)
    return int(np.minimum(good.sum(axis=1), k).sum())


def _plain(value: float) -> float:
    """Return a number that JSON can hold: a value that is not finite becomes -1, which passes no check."""
    return value if np.isfinite(value) else -1.0
