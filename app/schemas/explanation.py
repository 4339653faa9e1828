"""Responses that explain why an artist is similar."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from riyl.app.schemas.artists import Similar, Summary, Version


class PairShare(BaseModel):
    """Share of the score that one modality of the query and one modality of the artist add.

    `name` stands beside the modalities if the version's model takes the artist's name.
    """

    asked: str
    found: str
    share: float


class SeedShare(BaseModel):
    """Share of the score that one part of the query adds; artists to avoid come last."""

    id: Annotated[str | None, Field(description="Id of the artist; null for the query's tags and vectors.")]
    share: float


class CommonTerm(BaseModel):
    """Tag that the query and the artist have in common."""

    term: str
    asked: Annotated[float, Field(description="Weight in the query: the weighted mean over its artists and tags.")]
    found: Annotated[float, Field(description="Weight in the catalog.")]


class Why(BaseModel, frozen=True):
    """Reasons for an artist: `pairs`, `hubness`, `calibration` and `popularity` add up to the score."""

    pairs: Annotated[list[PairShare], Field(description="Shares by pair of modalities, the largest first.")]
    hubness: Annotated[float, Field(description="Correction for an artist that is near to everything.")]
    calibration: Annotated[float, Field(description="Correction for the modalities that query and artist have.")]
    popularity: Annotated[float, Field(description="Share of the query's preference in popularity.")]
    seeds: Annotated[list[SeedShare], Field(description="Shares by part of the query; their sum is that of the pairs.")]
    common: Annotated[dict[str, list[CommonTerm]], Field(description="Common tags, those with most weight first.")]
    evidence: Annotated[
        dict[str, int], Field(description="Amount of data on the artist by modality: tags, listeners, tracks.")
    ]


class Explained(Similar, frozen=True):
    """Similar artist with its reasons."""

    why: Why


class ExplainedResponse(BaseModel):
    """Artists most similar to one, best first, with reasons; `evidence` is that of the queried artist."""

    version: Version
    artist: Summary
    evidence: dict[str, int]
    similar: list[Explained]
