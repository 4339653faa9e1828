"""Body of every error response (RFC 9457)."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from riyl.app.schemas.artists import Summary
from riyl.app.schemas.index import QualityCheck


class InvalidInput(BaseModel):
    """Error in a request."""

    where: Annotated[str, Field(description="Place in the request, such as query.k.")]
    found: Annotated[str, Field(description="Value found, cut to 100 characters.")]
    wanted: Annotated[str, Field(description="Value wanted.")]


class Problem(BaseModel, frozen=True):
    """Body of every error response (RFC 9457)."""

    type: Annotated[str, Field(description="Stable identifier of the kind of problem.")]
    title: Annotated[str, Field(description="Kind of problem, for people.")]
    status: Annotated[int, Field(description="HTTP status.")]
    detail: Annotated[str, Field(description="Details of this occurrence.")]
    request_id: Annotated[str, Field(description="Id of the request in the log; also in X-Request-ID.")]
    version: Annotated[str | None, Field(description="Version of the index that was queried, if any.")] = None
    near: Annotated[list[Summary] | None, Field(description="Artists with similar names.")] = None
    candidates: Annotated[list[Summary] | None, Field(description="Artists that share the name or mbid.")] = None
    checks: Annotated[list[QualityCheck] | None, Field(description="Checks, if one of them refused.")] = None
    errors: Annotated[list[InvalidInput] | None, Field(description="All errors in the request.")] = None
