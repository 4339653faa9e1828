"""What is known of an artist: in a version, and after changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from riyl.core.types import ArtistId, Vector

Terms: TypeAlias = tuple[NDArray[np.int32], NDArray[np.float32]]
"""Weighted terms of an artist: places in the vocabulary, and weights, heaviest first."""


@dataclass(frozen=True)
class ArtistFacts:
    """What is known of an artist besides its embedding.

    Attributes:
        mbid: MusicBrainz id, where the catalog has one.
        attributes: the catalog's further columns; None where it says nothing.
        modalities: those that it has, names ascending; empty where nothing is known of it.
        listeners, plays: 0 where none is known.
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
    """What a version knows of an artist, whose position in it is `row`."""

    row: int


@dataclass(frozen=True)
class LiveArtist(ArtistFacts):
    """What is known of an artist after changes.

    Attributes:
        version_row: the row that the version has of it; -1 where it has none.
        vector: (d,) of unit length; zeros where it is not known.
        has_embedding: whether it has an embedding.
        parts: by modality (d,), adding up to it.
        evidence: by modality, tags, listeners or tracks behind it.
        sets: by modality that is made of terms, these.
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
    """Add a live artist to those of its mbid, which are sorted by id; `first` is the row of the first one."""
    if mbid:
        rows = [*by_mbid.get(mbid.lower(), ()), row]
        by_mbid[mbid.lower()] = sorted(rows, key=lambda other: artists[other - first].id)


def unlist_mbid(by_mbid: dict[str, Sequence[int]], mbid: str | None, row: int) -> None:
    """Remove a live artist from those of its mbid."""
    if mbid:
        by_mbid[mbid.lower()] = [other for other in by_mbid[mbid.lower()] if other != row]
