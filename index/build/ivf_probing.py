"""Choice of nprobe: the fewest IVF lists that reach the wanted recall, measured on a sample of artists."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import faiss
import numpy as np

from riyl.core.types import Matrix, Progress, Rows, Scores, silent
from riyl.index.artifact.ivf import BEYOND, faiss_threads, filled
from riyl.index.build.neighbour_lists import Catalog
from riyl.index.scoring.exact import exactly
from riyl.index.scoring.score import score_pairs

SAMPLE = 2000
"""Artists whose neighbours are searched for, to choose the number of IVF lists."""

CERTAINTY = 4.0
"""Standard errors between the recall on the sample and the minimum expected on other artists."""

CLOSE = 1e-5
"""Maximum difference between scores that count as equal."""

_STEP = 1.25
_REFINED = 1.03
_AT_ONCE = 256

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Probing:
    """Number of IVF lists that a search without filters visits, and its recall.

    Attributes:
        nlist: number of IVF lists.
        nprobe: number that a search without filters visits; searches with filters visit more, see
            `riyl.index.artifact.ivf.IvfIndex.search`.
        recall: share of the true nearest artists that such searches found for a sample of artists.
        artists: number of artists in the sample.
        wanted: minimum recall that other artists should have.
    """

    nlist: int
    nprobe: int
    recall: float
    artists: int
    wanted: float

    @property
    def advice(self) -> str:
        """Advice for an index whose recall is too low in spite of the choice."""
        recall_text = f"recall was {self.recall:.6g} on {self.artists:,} other artists"
        if self.nprobe == self.nlist:
            return (
                f"all {self.nlist:,} IVF lists are searched ({recall_text}), so the index does not hold the embeddings "
                "that it should: remove the version's folder, and build it again"
            )
        return (
            f"{self.nprobe:,} of {self.nlist:,} IVF lists are searched ({recall_text}), so the index file is at fault: "
            "remove the version's folder, and build it again; to have more or fewer lists searched, set "
            "RIYL_QUALITY_MIN_RECALL higher or lower, and build"
        )


def choose_probing(
    index: faiss.IndexIVF,
    catalog: Catalog,
    scores: Matrix,
    rows: Rows,
    *,
    k: int,
    wanted: float,
    checked: int,
    threads: int = 0,
    progress: Progress = silent,
) -> Probing:
    """Choose how many IVF lists are searched, and set it in the index.

    The number is raised from the index's own nprobe, by a quarter at a time, until the recall on the sample exceeds
    `wanted` by the margin that two samples may differ by, or all IVF lists are searched; then it is narrowed down to
    3 %.

    Args:
        index: of the artists with an embedding, by row.
        catalog: the artists.
        scores: (n, 256) of the exact lists; see `riyl.index.build.neighbour_lists.ready_lists`.
        rows: the sample, artists with an embedding.
        k: length of the lists that are compared.
        wanted: wanted recall, 0..1.
        checked: number of other artists that the index will be checked on.
        threads: threads of the searches; 0 takes every core.
        progress: told how many IVF lists are searched.
    """
    recalls: dict[int, Scores] = {}

    def is_enough(probed: int) -> bool:
        if probed not in recalls:
            progress("ivf lists", probed, index.nlist)
            recalls[probed] = _recalls(index, probed, catalog, scores, rows, k)
        return probed == index.nlist or surely(recalls[probed], k, checked) >= wanted

    low = high = index.nprobe
    with faiss_threads(threads):
        while not is_enough(high):
            low, high = high, min(index.nlist, int(np.ceil(_STEP * high)))
        while high > max(low + 1, int(_REFINED * low)):
            middle = (low + high) // 2
            low, high = (low, middle) if is_enough(middle) else (middle, high)
    progress("ivf lists", index.nlist, index.nlist)
    index.nprobe = high
    probing = Probing(index.nlist, high, float(np.mean(recalls[high])), len(rows), wanted)
    short = probing.recall < wanted
    (_log.error if short else _log.info)(
        "cells_chosen searched=%d of=%d recall=%.5f wanted=%s", probing.nprobe, probing.nlist, probing.recall, wanted
    )
    return probing


def surely(recalls: Scores, k: int, others: int) -> float:
    """Return a lower bound of the mean recall of another sample of `others` artists.

    The bound is the lower end of Wilson's interval (JASA 1927) at `CERTAINTY` standard errors, where each place of a
    list is a hit or a miss. Misses of one artist are correlated, so the number of places is reduced by the variance
    between artists over that of single places; and as both samples vary, n artists here and m there count as
    1 / (1 / n + 1 / m).

    Args:
        recalls: (n,) recall of each artist of the sample, 0..1; at least one.
        k: places of each artist's list.
        others: m.
    """
    mean = float(np.mean(recalls))
    alone = mean * (1 - mean) / k
    together = max(1.0, float(np.var(recalls)) / alone) if alone > 0 else 1.0
    places = k / together / (1 / len(recalls) + 1 / others)
    z = CERTAINTY
    slack = z * np.sqrt(mean * (1 - mean) / places + (z / (2 * places)) ** 2)
    return float((mean + z * z / (2 * places) - slack) / (1 + z * z / places))


def _recalls(index: faiss.IndexIVF, probed: int, catalog: Catalog, scores: Matrix, rows: Rows, k: int) -> Scores:
    """Return the share of the first k places of each list that a search of `probed` IVF lists finds, (m,)."""
    at = np.flatnonzero(catalog.has_embedding)  # row of each position in the index
    scoring, patterns, vectors = catalog.scoring, catalog.patterns, catalog.vectors
    settings = faiss.SearchParametersIVF(nprobe=probed)  # type: ignore[call-arg]
    recalls = np.zeros(len(rows))
    for start in range(0, len(rows), _AT_ONCE):
        chunk = rows[start : start + _AT_ONCE]
        queries = scoring.queries(vectors[chunk], scoring.c[patterns[chunk]])
        _, positions = index.search(filled(queries, index.d), k + 1 + BEYOND, params=settings)
        which, position = np.nonzero(positions >= 0)
        query_rows, other = chunk[which], at[positions[which, position]]
        values = score_pairs(
            exactly(vectors[query_rows], vectors[other]),
            scoring.c[patterns[query_rows], patterns[other]],
            scoring.h[other],
        ).astype(np.float32)
        hit = (other != query_rows) & (values >= scores[query_rows, k - 1] - CLOSE)
        recalls[start : start + len(chunk)] = np.minimum(np.bincount(which[hit], minlength=len(chunk)), k) / k
    return recalls
