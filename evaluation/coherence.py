"""Coherence: how close a model brings the modalities of an artist, and how far it keeps artists apart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riyl.core.types import Scores
from riyl.evaluation.systems import Parts, check_parts

_CELLS = 1 << 21
"""Maximum number of float64 numbers in a block of rows; with its few working copies that is about 100 MB."""


@dataclass(frozen=True)
class Coherence:
    """Figures of each artist; NaN where undefined.

    Attributes:
        ecl: (n,) expected contrastive loss, in -2..2: low if an artist's outputs agree and lie apart from others.
        cd_intra: (n,) mean cosine distance of its outputs to their centroid, in 0..1.
        cd_inter: (n,) mean cosine distance of its centroid to those of all others, in 0..2.
    """

    ecl: Scores
    cd_intra: Scores
    cd_inter: Scores


def coherence(parts: Parts) -> Coherence:
    """Compute expected contrastive loss, intra- and inter-artist distance of each artist (Ferraro et al., ISMIR 2023).

    With d_ij^uv = 1 - cos(output of artist i in modality u, output of artist j in modality v):

        ECL(i)      = mean over ordered pairs u != v of (d_ii^uv - mean over j != i of d_ij^uv)
        CD_intra(i) = mean over u of 1 - cos(output of i in u, c_i)
        CD_inter(i) = mean over j != i of 1 - cos(c_i, c_j)

    c_i is the mean of the artist's outputs, each scaled to unit length first, since d depends only on directions. (The
    embedding that is searched is the mean of unscaled parts; encoders give unit parts, so for them it is c_i.)

    With M unit outputs CD_intra is the first term D of ECL in another form, almost by definition: the mean of M unit
    vectors with mean pairwise cosine 1 - D has length sqrt((1 + (M - 1)(1 - D)) / M), and CD_intra is one minus that.
    A correlation between the two is therefore no finding; the additional information of ECL is in its second term.

    No matrix of n x n is needed: the mean over j != i of <a, b_j> is (<a, S> - <a, b_i>) / (n - 1) with S the sum of
    all b. Sums are float64; memory beyond the inputs and the result is bounded.

    Args:
        parts: by modality (n, d) float32. Usually of the artists that have all modalities (fmc); if some lack one,
            u and v range over the modalities of i, and j over the artists that have v.

    Returns:
        (n,) each. ECL and CD_intra are NaN for an artist with fewer than two outputs, CD_inter for an artist without
        outputs or with opposite outputs that have no centroid; ECL and CD_inter also if there is no other artist.

    Raises:
        InputError, MismatchError: see `riyl.evaluation.systems.check_parts`.
    """
    check_parts(parts)
    d = next(iter(parts.values())).shape[1]
    sums, counts = np.zeros((len(parts), d)), np.zeros(len(parts), np.int64)
    centre_sum, n_centres = np.zeros(d), 0
    for block in _blocks(parts):
        sums += block.outputs.sum(axis=1)
        counts += block.has.sum(axis=1)
        centre_sum += block.centres.sum(axis=0)
        n_centres += int(block.has_centre.sum())
    blocks = [
        np.stack([_ecl(block, sums, counts), _intra(block), _inter(block, centre_sum, n_centres)])
        for block in _blocks(parts)
    ]
    ecl, intra, inter = np.concatenate(blocks, axis=1) if blocks else np.empty((3, 0))
    return Coherence(ecl, intra, inter)


@dataclass(frozen=True)
class _Block:
    """Some artists: (M, b, d) unit outputs, (b, d) unit centroids, and (M, b) and (b,) masks of those that exist.

    Missing ones are zeros.
    """

    outputs: NDArray[np.float64]
    has: NDArray[np.bool_]
    centres: NDArray[np.float64]
    has_centre: NDArray[np.bool_]


def _blocks(parts: Parts) -> Iterator[_Block]:
    n, d = next(iter(parts.values())).shape
    step = max(1, _CELLS // (len(parts) * max(d, 1)))
    for start in range(0, n, step):
        raw = np.stack([parts[name][start : start + step] for name in sorted(parts)]).astype(np.float64)
        outputs, has = _unit(raw)
        yield _Block(outputs, has, *_unit(outputs.sum(axis=0)))


def _unit(vectors: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Scale vectors along the last axis to unit length; return them and the mask of those that are not zero."""
    lengths = np.linalg.norm(vectors, axis=-1)
    return vectors / np.where(lengths > 0, lengths, 1)[..., None], lengths > 0


def _ecl(block: _Block, sums: NDArray[np.float64], counts: NDArray[np.int64]) -> Scores:
    """Return d_ii - mean d_ij, computed as mean cos_ij - cos_ii because the ones cancel."""
    has = block.has
    self_cosines = np.einsum("ubd,vbd->buv", block.outputs, block.outputs, optimize=True)  # (b, M, M) cos_ii^uv
    everyone = np.einsum("ubd,vd->buv", block.outputs, sums, optimize=True)  # (b, M, M) sum over j of cos_ij^uv
    others = (counts[:, None] - has).T[:, None, :]  # (b, 1, M) artists j != i that have v
    pairs = (has[:, None] & has[None]).transpose(2, 0, 1) & ~np.eye(len(has), dtype=bool)  # (b, M, M)
    loss = (everyone - self_cosines) / np.where(others > 0, others, np.nan) - self_cosines
    return _mean(np.where(pairs, loss, 0).sum(axis=(1, 2)), pairs.sum(axis=(1, 2)))


def _intra(block: _Block) -> Scores:
    cosines = np.einsum("ubd,bd->ub", block.outputs, block.centres)  # (M, b)
    n = block.has.sum(axis=0)
    return 1 - _mean(cosines.sum(axis=0), np.where(block.has_centre & (n > 1), n, 0))


def _inter(block: _Block, total: NDArray[np.float64], n: int) -> Scores:
    to_others = block.centres @ total - np.einsum("bd,bd->b", block.centres, block.centres)
    return 1 - _mean(to_others, np.where(block.has_centre, n - 1, 0))


def _mean(sums: Scores, counts: NDArray[np.int64]) -> Scores:
    return sums / np.where(counts > 0, counts, np.nan)
