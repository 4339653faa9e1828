"""Records of an artist: in a version, and after changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from riyl.core.types import ArtistId, Vector

Terms: TypeAlias = tuple[NDArray[np.int32], NDArray[np.float32]]
"""Weighted terms of an artist: positions in the vocabulary and weights, heaviest first."""


@dataclass(frozen=True)
class ArtistFacts:
    """Facts about an artist besides its embedding.

    Attributes:
        mbid: MusicBrainz id; None where the catalog has none.
        attributes: the catalog's further columns; None where the catalog has no value.
        modalities: names of the modalities that it has, ascending; empty where it has none.
        listeners, plays: 0 where none are known.
    """

    id: ArtistId
    name: str
    mbid: str | None
    aliases: tuple[str, ...]
    attributes: Mapping[str, object]
    modalities: tuple[str, ...]
    listeners: int
    plays: float


@dataclass(frozen=True)
class Artist(ArtistFacts):
    """An artist as a version holds it, at row `row`."""

    row: int


@dataclass(frozen=True)
class LiveArtist(ArtistFacts):
    """An artist after changes: added to a version, or changed since it was built.

    Attributes:
        version_row: its row in the version; -1 where the version does not have it.
        vector: (d,) embedding of unit length; zeros where it has none.
        has_embedding: whether it has an embedding.
        parts: by modality (d,), adding up to the embedding.
        evidence: by modality, the number of tags, listeners or tracks behind it.
        sets: by modality that is made of terms, its terms.
    """

    version_row: int
    vector: Vector
    has_embedding: bool
    parts: Mapping[str, Vector]
    evidence: Mapping[str, int]
    sets: Mapping[str, Terms]


def list_mbid(
    by_mbid: dict[str, Sequence[int]], mbid: str | None, row: int, artists: Sequence[LiveArtist], first: int
) -> None:
    """Add a live artist to the rows of its mbid, sorted by id; `first` is the row of the first live artist."""
    if mbid:
        rows = [*by_mbid.get(mbid.lower(), ()), row]
        by_mbid[mbid.lower()] = sorted(rows, key=lambda other: artists[other - first].id)


def unlist_mbid(by_mbid: dict[str, Sequence[int]], mbid: str | None, row: int) -> None:
    """Remove a live artist from the rows of its mbid."""
    if mbid:
        by_mbid[mbid.lower()] = [other for other in by_mbid[mbid.lower()] if other != row]
