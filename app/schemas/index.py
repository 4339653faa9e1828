"""What the version that serves is made of."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from riyl.app.schemas.artists import Version


class QualityCheck(BaseModel):
    """One thing that had to hold before the version could be promoted."""

    name: str
    found: float
    wanted: str
    passed: bool


class QualityChecks(BaseModel):
    """What the quality checks found."""

    passed: bool
    checks: list[QualityCheck]


class Pattern(BaseModel):
    """A set of modalities, and how many artists have exactly these."""

    modalities: list[str]
    artists: Annotated[int, Field(ge=0)]


class IndexResponse(BaseModel, frozen=True):
    """What the version that serves is made of."""

    version: Version
    format: Annotated[int, Field(description="Number of the format of its files.")]
    model: Annotated[str, Field(description="Id of the model that embedded the artists.")]
    model_name: Annotated[str, Field(description="What the model is called.")]
    snapshot: Annotated[str, Field(description="Id of the snapshot that the artists come from.")]
    last_change: Annotated[int, Field(ge=0, description="Number of the last change folded in; 0 is none.")]
    artists: Annotated[int, Field(ge=0, description="All artists.")]
    embedded: Annotated[int, Field(ge=0, description="Those that can be asked for and be neighbours.")]
    not_embedded: Annotated[dict[str, int], Field(description="The others, by the reason.")]
    modalities: Annotated[dict[str, int], Field(description="By modality, the artists that have it.")]
    patterns: Annotated[list[Pattern], Field(description="By set of modalities, the artists that have exactly it.")]
    quality_checks: QualityChecks
