"""Agreement of measures in their ranking of artists: Kendall's tau."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riyl.core.errors import InputError, MismatchError
from riyl.core.types import Scores


@dataclass(frozen=True)
class Correlations:
    """Kendall's tau-b of every pair of m measures.

    Attributes:
        names: the m measures.
        tau: (m, m) float64, symmetric, in -1..1; NaN where undefined.
        n: (m, m) int64, number of artists that have both measures.
    """

    names: tuple[str, ...]
    tau: NDArray[np.float64]
    n: NDArray[np.int64]


def kendall(measures: Mapping[str, Scores]) -> Correlations:
    """Compute tau-b between every pair of measures of the same artists.

    tau_b = (P - Q) / sqrt((P + Q + T) (P + Q + U)) with P concordant and Q discordant pairs of artists, T tied only in
    the first measure and U only in the second (Kendall 1945; `scipy.stats.kendalltau`). An artist takes part in a pair
    of measures if both are numbers (pairwise deletion), so entries may rest on different artists: see `n`.

    Returns:
        The table; an entry is NaN where fewer than two artists have both measures, or one of them is constant.

    Raises:
        MismatchError: the measures differ in length.
    """
    # imported here: it takes a part of a second, and most commands do not need it
    from scipy.stats import kendalltau

    lengths = {name: len(values) for name, values in measures.items()}
    if len(set(lengths.values())) > 1:
        raise MismatchError(f"measures: found lengths {lengths}; wanted one value per artist in each")
    names = tuple(measures)
    tau, n = np.full((len(names),) * 2, np.nan), np.zeros((len(names),) * 2, np.int64)
    for i, a in enumerate(measures.values()):
        for j, b in enumerate(list(measures.values())[: i + 1]):
            both = ~(np.isnan(a) | np.isnan(b))
            n[i, j] = n[j, i] = both.sum()
            if n[i, j] > 1:
                tau[i, j] = tau[j, i] = kendalltau(a[both], b[both]).statistic
    return Correlations(names, tau, n)


def pooled_kendall(tables: Sequence[Mapping[str, Scores]]) -> Correlations:
    """Compute tau-b between measures over systems and queries: the (q,) figures of all systems are concatenated.

    It shows whether nDCG, precision, recall and R-precision agree (footnote 7 of Ferraro et al. 2023).

    Raises:
        InputError: there are no systems, or two systems have different measures.
        MismatchError: see `kendall`.
    """
    if not tables or any(set(table) != set(tables[0]) for table in tables):
        raise InputError(f"measures: found {[list(table) for table in tables]}; wanted the same for every system")
    return kendall({name: np.concatenate([table[name] for table in tables]) for name in tables[0]})
