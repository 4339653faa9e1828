"""Answers of the methods, before they are written as XML or JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

IMAGE_SIZES = ("small", "medium", "large", "extralarge", "mega", "")
"""Sizes of the images that Last.fm lists; RIYL has none, and their addresses are empty."""


@dataclass(frozen=True)
class LastfmArtist:
    """An artist as lists name it.

    Attributes:
        mbid: MusicBrainz id; empty where the catalog has none.
        url: page of the artist.
    """

    name: str
    mbid: str
    url: str
    listeners: int


@dataclass(frozen=True)
class LastfmTag:
    """A tag.

    Attributes:
        count: weight among the tags of an artist, 100 for the largest one; 0 where it is not of an artist.
        url: page of the artists that it describes.
    """

    name: str
    url: str
    count: int = 0


@dataclass(frozen=True)
class Info:
    """Answer of artist.getInfo."""

    artist: LastfmArtist
    plays: int
    similar: Sequence[LastfmArtist]
    tags: Sequence[LastfmTag]


@dataclass(frozen=True)
class SearchResults:
    """Answer of artist.search: one page of all results."""

    text: str
    artists: Sequence[LastfmArtist]
    page: int
    per_page: int
    total: int


@dataclass(frozen=True)
class TopTags:
    """Answer of artist.getTopTags."""

    artist: str
    tags: Sequence[LastfmTag]


@dataclass(frozen=True)
class Correction:
    """Answer of artist.getCorrection; `artist` is None where there is none."""

    artist: LastfmArtist | None


@dataclass(frozen=True)
class TopArtists:
    """Answer of tag.getTopArtists: one page of all artists."""

    tag: str
    artists: Sequence[LastfmArtist]
    page: int
    per_page: int
    total: int


@dataclass(frozen=True)
class SimilarTags:
    """Answer of tag.getSimilar."""

    tag: str
    tags: Sequence[LastfmTag]


@dataclass(frozen=True)
class Failure:
    """An error, by Last.fm's code."""

    code: int
    message: str


Answer: TypeAlias = Info | SearchResults | TopTags | Correction | TopArtists | SimilarTags | Failure
