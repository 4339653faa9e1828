"""Responses of the routes of aliases."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from riyl.core.db.aliases import AliasKind


class AliasCount(BaseModel):
    """Number of ids of a media server that are mapped to artists."""

    kind: AliasKind
    aliases: Annotated[int, Field(ge=0)]


class AliasesResponse(BaseModel):
    """Aliases by media server."""

    aliases: list[AliasCount]


class AliasesImported(BaseModel):
    """Result of an import, which has replaced all aliases of its kind."""

    kind: AliasKind
    aliases: Annotated[int, Field(ge=0, description="Number of ids that are mapped now.")]
    unknown: Annotated[int, Field(ge=0, description="Rows of which the version has no artist; they are skipped.")]
    examples: Annotated[list[str], Field(description="Ids of at most five such rows.")]
