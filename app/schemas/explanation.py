"""Why an artist is answered, as the API says it."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from riyl.app.schemas.artists import Similar, Summary, Version


class PairShare(BaseModel):
    """What one modality of what was asked with and one of the artist add to the score."""

    asked: str
    found: str
    share: float


class SeedShare(BaseModel):
    """What one thing that was asked with adds; those to be avoided stand last."""

    id: Annotated[str | None, Field(description="Of the artist; null for what tags and vectors describe.")]
    share: float


class CommonTerm(BaseModel):
    """A tag that both have."""

    term: str
    asked: Annotated[float, Field(description="Its weight in what was asked with: the mean, by weights.")]
    found: Annotated[float, Field(description="Its weight in the catalog.")]


class Why(BaseModel, frozen=True):
    """Why an artist is answered: `pairs`, `hubness`, `calibration` and `popularity` add up to the score."""

    pairs: Annotated[list[PairShare], Field(description="By two modalities, the largest first.")]
    hubness: Annotated[float, Field(description="Taken off for being near everybody.")]
    calibration: Annotated[float, Field(description="Evens out what is known of either.")]
    popularity: Annotated[float, Field(description="For the popularity that was asked for.")]
    seeds: Annotated[list[SeedShare], Field(description="Add up to the sum of the pairs.")]
    common: Annotated[dict[str, list[CommonTerm]], Field(description="Tags that both have, the weightiest first.")]
    evidence: Annotated[
        dict[str, int], Field(description="By modality, what is known of the artist: tags, listeners, tracks.")
    ]


class Explained(Similar, frozen=True):
    """An artist that is similar, and why."""

    why: Why


class ExplainedResponse(BaseModel):
    """The artists most similar to one, best first, and why; `evidence` of the one asked for."""

    version: Version
    artist: Summary
    evidence: dict[str, int]
    similar: list[Explained]
