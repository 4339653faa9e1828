"""Conditions: the artists that ask and can be found."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from riyl.core.errors import MismatchError
from riyl.core.storage.ground_truth import Relevance
from riyl.core.storage.snapshot import Snapshot
from riyl.core.types import Rows
from riyl.index.artifact.version import Version


@dataclass(frozen=True)
class Condition:
    """The artists that ask and can be found: `rows` of the snapshot, ascending."""

    name: str
    rows: Rows


def conditions_of(catalog: Snapshot | Version) -> list[Condition]:
    """raw: the artists that have any modality. fmc (full modality coverage): those that have all of the catalog's.

    A version gives the same as the snapshot that it was made of.
    """
    full = catalog.having(list(catalog.modalities))
    return [
        Condition("raw", np.flatnonzero(catalog.having()).astype(np.int32)),
        Condition("fmc", np.flatnonzero(full).astype(np.int32)),
    ]


def judged_only(condition: Condition, relevance: Relevance) -> Condition:
    """The artists of a condition that the truth judges at all: called as the condition is, with "-judged" behind it.

    An artist that the truth has no pair of cannot be right, whoever asks: in a list it counts as wrong, although
    nobody has said so. Of test artists whose links are kept secret that is even known to be false. Beside the figures
    among all candidates, those among the judged tell how much of a system's error is of this kind.

    Args:
        condition: who asks and can be found.
        relevance: the truth over the artists of the snapshot. An artist is judged where it has a pair with another
            artist of the snapshot, in either direction and also one outside of the condition.

    Raises:
        MismatchError: condition and truth are not over the same artists.
    """
    n = len(relevance.indptr) - 1
    if len(condition.rows) and condition.rows.max() >= n:
        raise MismatchError(
            f"condition {condition.name!r}: found row {condition.rows.max()}; the truth is over {n} artists"
        )
    judged = np.diff(relevance.indptr) > 0
    judged[relevance.columns] = True
    return Condition(f"{condition.name}-judged", condition.rows[judged[condition.rows]])
