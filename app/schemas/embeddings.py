"""Responses of the routes of embeddings."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from riyl.core.files import Manifest


class EmbeddingsResponse(BaseModel, frozen=True):
    """Stored embeddings of artists that another program computed."""

    id: str
    name: str
    source: Annotated[str, Field(description="File that they were read from, or the modalities of its parts.")]
    artists: Annotated[int, Field(ge=0, description="Number of artists, each with a row in every matrix.")]
    dim: Annotated[int, Field(ge=0, description="Width of every matrix.")]
    parts: Annotated[list[str], Field(description="Modalities that have a matrix; none of a single matrix.")]

    @classmethod
    def of(cls, manifest: Manifest) -> EmbeddingsResponse:
        facts = {name: manifest[name] for name in ("id", "name", "source")}
        return cls(**facts, **manifest["counts"], parts=manifest["modalities"])


class DamagedEmbeddings(BaseModel, frozen=True):
    """Embeddings that cannot be read."""

    embeddings: Annotated[str, Field(description="Id of the embeddings.")]
    reason: Annotated[str, Field(description="Reason why they cannot be read.")]


class EmbeddingsListResponse(BaseModel, frozen=True):
    """All embeddings of the home, the newest first."""

    embeddings: list[EmbeddingsResponse]
    damaged: Annotated[list[DamagedEmbeddings], Field(description="Embeddings that cannot be read.")]
