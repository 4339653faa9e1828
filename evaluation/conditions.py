"""Conditions: the artists that ask and can be found."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.snapshot import Snapshot
from core.types import Rows
from index.artifact import Version


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
