"""Inputs of an artist that a version's model and featurizer cannot use; they are kept for when these change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from riyl.core.catalog.tables import MODALITY_OF
from riyl.core.catalog.terms import term_keys
from riyl.core.changes.effective import Payload
from riyl.core.errors import InputError, MismatchError
from riyl.index.encoding.cold_start import TAGS, ColdEncoder
from riyl.training.features.audio import VectorFeaturizer
from riyl.training.features.cf import CfFeaturizer
from riyl.training.features.tags import TagFeaturizer


@dataclass(frozen=True)
class UnusableInputs:
    """Inputs that the featurizer cannot use.

    Attributes:
        tags: tags that the featurizer does not know, as given.
        plays: number of listeners that it does not know.
        fields: tables that it does not have, or has in another form.
    """

    tags: tuple[str, ...] = ()
    plays: int = 0
    fields: tuple[str, ...] = ()


def unusable_inputs(encoder: ColdEncoder, payload: Payload) -> UnusableInputs:
    """Find the inputs of a payload that the encoder cannot use; null values, which remove something, count as usable.

    Raises:
        InputError: vectors of a table that the featurizer has are of another width, or no part can be computed of
            them.
    """
    fields: list[str] = []
    tags: tuple[str, ...] = ()
    plays = 0
    if words := _given(payload.get(TAGS)):
        modality_featurizer = _projector(encoder, TAGS)
        if isinstance(modality_featurizer, TagFeaturizer):
            columns = modality_featurizer.columns_of(term_keys(TAGS, words))
            tags = tuple(word for word, column in zip(words, columns.tolist(), strict=True) if column < 0)
        else:
            fields.append(TAGS)
    if users := _given(payload.get("plays")):
        modality_featurizer = _projector(encoder, MODALITY_OF["plays"])
        if isinstance(modality_featurizer, CfFeaturizer):
            plays = int(np.count_nonzero(modality_featurizer.columns_of(users) < 0))
        else:
            fields.append("plays")
    for table, vectors in (payload.get("vectors") or {}).items():
        if not vectors:
            continue
        if not isinstance(_projector(encoder, table), VectorFeaturizer):
            fields.append(table)
        elif table in encoder.inputs:
            try:
                encoder.from_raw(table, np.mean(np.asarray(vectors, np.float64), axis=0))
            except InputError as error:
                raise InputError(f"vectors.{error}, as the catalog has them") from error
    return UnusableInputs(tags, plays, tuple(fields))


def _given(terms: Mapping[str, float | None] | None) -> list[str]:
    return [term for term, weight in (terms or {}).items() if weight is not None]


def _projector(encoder: ColdEncoder, modality: str) -> TagFeaturizer | CfFeaturizer | VectorFeaturizer | None:
    try:
        return encoder.modality_featurizer(modality)
    except MismatchError:
        return None
