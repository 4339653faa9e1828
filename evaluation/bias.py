"""Systems of plain vectors with a chosen bias: the same treatment of every encoder, so that gains can be told apart."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, TypeAlias, get_args

import numpy as np

from riyl.core.errors import InputError, MismatchError
from riyl.core.storage.scoring_settings import NO_SCORING, ScoringSettings
from riyl.core.types import Mask, Matrix, Rows, Vector
from riyl.evaluation.retrieval import System
from riyl.index.scoring.candidate_bias import candidate_bias

Bias: TypeAlias = Literal["none", "csls", "balanced"]
"""Bias that is subtracted from the cosines of a candidate: nothing, the candidate's side of CSLS, or balanced lists."""

BIASES: tuple[Bias, ...] = get_args(Bias)

SETTINGS: Mapping[Bias, ScoringSettings] = MappingProxyType(
    {
        "none": NO_SCORING,
        "csls": ScoringSettings(hubness=0.5, neighbours=200),
        "balanced": ScoringSettings(balanced={200: 1.0}),
    }
)
"""Settings of each bias. `csls` is half the mean of the 200 best scores (Conneau et al., ICLR 2018), as in the config
`default`, and `balanced` evens out lists of 200, the length of the protocol; without popularity and calibration, which
a plain matrix does not have."""


def biased_system(name: str, vectors: Matrix, covered: Mask, bias: Bias, *, threads: int = 1) -> System:
    """Build the system that ranks by cosine minus a bias, fitted anew where candidates are restricted.

    The bias depends on the covered vectors alone: equal vectors give equal figures, whichever system they come from.
    There is no calibration and no popularity, and the targets of `balanced` are uniform, because an external matrix
    has neither modalities nor listeners. Links are never used.

    Args:
        name: name of the system in tables.
        vectors: (n, d) float32 unit rows; rows that are not covered are ignored.
        covered: (n,) bool.
        bias: see `Bias`.
        threads: threads of the fit; 0 takes every core.

    Raises:
        InputError: the bias is unknown.
        MismatchError: vectors and covered differ in length.
    """
    if bias not in BIASES:
        raise InputError(f"bias: found {bias!r}; wanted {', '.join(BIASES)}")
    if vectors.ndim != 2 or covered.shape != (len(vectors),):
        raise MismatchError(
            f"system {name!r}: found vectors of shape {vectors.shape} and covered of shape {covered.shape}; "
            "wanted a row of vectors for each entry of covered"
        )
    if not covered.all():
        vectors = np.where(covered[:, None], vectors, np.float32(0))
    if bias == "none":
        return System(name, vectors, vectors, covered, vectors=vectors)
    rows = np.flatnonzero(covered)
    fitted = np.zeros(len(vectors), np.float32)
    fitted[rows] = fit_bias(vectors[rows], bias, threads=threads)

    def restricted(among: Rows) -> tuple[Matrix, Matrix]:
        chosen = vectors[among]
        whole = len(among) == len(rows)
        return _columns(chosen, fitted[among] if whole else fit_bias(chosen, bias, threads=threads))

    queries, candidates = _columns(vectors, fitted)
    queries[~covered, -1] = 0
    return System(name, queries, candidates, covered, restricted, vectors)


def fit_bias(vectors: Matrix, bias: Bias, *, threads: int = 1) -> Vector:
    """Fit a bias of m artists among themselves, (m,) float32.

    Args:
        vectors: (m, d) float32 unit rows.
        bias: see `Bias`.
        threads: threads of the fit; 0 takes every core.
    """
    m = len(vectors)
    return candidate_bias(
        vectors, np.zeros(m, np.int32), np.zeros((1, 1), np.float32), SETTINGS[bias], threads=threads
    ).h


def _columns(vectors: Matrix, bias: Vector) -> tuple[Matrix, Matrix]:
    """Return queries and candidates, (m, d + 1) float32, whose inner products are cosine minus bias."""
    ones = np.ones((len(vectors), 1), np.float32)
    return np.hstack([vectors, ones]), np.hstack([vectors, -bias[:, None]])
