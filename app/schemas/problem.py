"""The body of every error (RFC 9457)."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from riyl.app.schemas.artists import Summary
from riyl.app.schemas.index import QualityCheck


class InvalidInput(BaseModel):
    """One thing that is wrong with a request."""

    where: Annotated[str, Field(description="Place in the request, such as query.k.")]
    found: Annotated[str, Field(description="What it was, cut to 100 characters.")]
    wanted: Annotated[str, Field(description="What it should be.")]


class Problem(BaseModel, frozen=True):
    """The body of every error (RFC 9457)."""

    type: Annotated[str, Field(description="Stable name of the kind of problem.")]
    title: Annotated[str, Field(description="The kind of problem, for people.")]
    status: Annotated[int, Field(description="The HTTP status.")]
    detail: Annotated[str, Field(description="What happened this time.")]
    request_id: Annotated[str, Field(description="Finds the request in the log; also in X-Request-ID.")]
    version: Annotated[str | None, Field(description="The version asked, where one was.")] = None
    near: Annotated[list[Summary] | None, Field(description="Artists with names near the one asked for.")] = None
    candidates: Annotated[list[Summary] | None, Field(description="The artists that share the name or mbid.")] = None
    checks: Annotated[list[QualityCheck] | None, Field(description="What was checked, where that refused.")] = None
    errors: Annotated[list[InvalidInput] | None, Field(description="Everything wrong with the request.")] = None
