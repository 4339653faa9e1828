"""What is said of an artist and has no place in a version's model and basis: kept, and of no use until these change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from core.changes import Said
from core.errors import InputError, MismatchError
from core.tables import MODALITY_OF
from core.terms import term_keys
from index.cold import TAGS, ColdEncoder
from training.features.audio import VectorProjector
from training.features.cf import CfProjector
from training.features.tags import TagProjector


@dataclass(frozen=True)
class Unplaced:
    """What has no place.

    Attributes:
        tags: that the basis does not know, as they were said.
        plays: how many listeners it does not know.
        fields: tables that it does not have, or has in another form.
    """

    tags: tuple[str, ...] = ()
    plays: int = 0
    fields: tuple[str, ...] = ()


def unplaced(encoder: ColdEncoder, said: Said) -> Unplaced:
    """What has no place of what is said; what is null takes something away, and needs none.

    Raises:
        InputError: vectors of a table that the basis has are of another width, or say nothing that a part comes of.
    """
    fields: list[str] = []
    tags: tuple[str, ...] = ()
    plays = 0
    if words := _given(said.get(TAGS)):
        projector = _projector(encoder, TAGS)
        if isinstance(projector, TagProjector):
            found = projector.columns_of(term_keys(TAGS, words))
            tags = tuple(word for word, column in zip(words, found.tolist(), strict=True) if column < 0)
        else:
            fields.append(TAGS)
    if users := _given(said.get("plays")):
        projector = _projector(encoder, MODALITY_OF["plays"])
        if isinstance(projector, CfProjector):
            plays = int(np.count_nonzero(projector.columns_of(users) < 0))
        else:
            fields.append("plays")
    for table, vectors in (said.get("vectors") or {}).items():
        if not vectors:
            continue
        if not isinstance(_projector(encoder, table), VectorProjector):
            fields.append(table)
        elif table in encoder.inputs:
            try:
                encoder.from_raw(table, np.mean(np.asarray(vectors, np.float64), axis=0))
            except InputError as error:
                raise InputError(f"vectors.{error}, as the catalog has them") from error
    return Unplaced(tags, plays, tuple(fields))


def _given(terms: Mapping[str, float | None] | None) -> list[str]:
    return [term for term, weight in (terms or {}).items() if weight is not None]


def _projector(encoder: ColdEncoder, modality: str) -> TagProjector | CfProjector | VectorProjector | None:
    try:
        return encoder.projector(modality)
    except MismatchError:
        return None
