"""Response of GET /v1/index: the contents of the version that serves."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from riyl.app.schemas.artists import Version


class QualityCheck(BaseModel):
    """Check that a version must pass before it can be promoted."""

    name: str
    found: float
    wanted: str
    passed: bool


class QualityChecks(BaseModel):
    """Results of the quality checks."""

    passed: bool
    checks: list[QualityCheck]


class Pattern(BaseModel):
    """Set of modalities, with the number of artists that have exactly these."""

    modalities: list[str]
    artists: Annotated[int, Field(ge=0)]


class IndexResponse(BaseModel, frozen=True):
    """Contents of the version that serves."""

    version: Version
    format: Annotated[int, Field(description="Format number of its files.")]
    model: Annotated[str, Field(description="Id of the model that embedded the artists.")]
    model_name: Annotated[str, Field(description="Name of the model.")]
    snapshot: Annotated[str, Field(description="Id of the snapshot that the artists come from.")]
    last_change: Annotated[int, Field(ge=0, description="Number of the last change folded in; 0 if none.")]
    artists: Annotated[int, Field(ge=0, description="Number of artists.")]
    embedded: Annotated[int, Field(ge=0, description="Number of artists with an embedding, which can be similar.")]
    not_embedded: Annotated[dict[str, int], Field(description="Number of other artists by reason.")]
    modalities: Annotated[dict[str, int], Field(description="Number of artists by modality.")]
    patterns: Annotated[list[Pattern], Field(description="Number of artists by exact set of modalities.")]
    quality_checks: QualityChecks
