"""Requests and responses of the routes of versions and promotions."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from riyl.app.schemas.health import Refused
from riyl.app.schemas.index import IndexResponse, QualityCheck
from riyl.app.schemas.jobs import Author

# PostgreSQL stores every character but NUL
Why = Annotated[
    str, Field(max_length=1000, pattern=r"^[^\x00]*$", description="Reason, for the history of promotions.")
]


class PromoteRequest(BaseModel, frozen=True, extra="forbid"):
    """Request to make a version current."""

    why: Why
    force: Annotated[bool, Field(description="Promote even if the promotion policy refuses; this is recorded.")] = False


class RollbackRequest(BaseModel, frozen=True, extra="forbid"):
    """Request to return to the version that was current before."""

    why: Why


class PromotionResponse(BaseModel, frozen=True, from_attributes=True):
    """Entry of the history of promotions."""

    number: Annotated[int, Field(description="Number, in the order of taking effect.")]
    version: Annotated[str, Field(description="Id of the version that became current.")]
    act: Literal["promote", "rollback"]
    by: Author
    why: str
    at: datetime
    forced: Annotated[bool, Field(description="Whether the promotion policy was overridden.")]
    job: Annotated[str | None, Field(description="Id of the job that promoted the version, if any.")]


class VerdictResponse(BaseModel, frozen=True, from_attributes=True):
    """Verdict of the promotion policy on a version."""

    passed: bool
    compared_to: Annotated[str | None, Field(description="Id of the version that was current then.")]
    checks: list[QualityCheck]
    at: datetime
    job: Annotated[str | None, Field(description="Id of the job that asked for the verdict, if any.")]


class VersionResponse(IndexResponse, frozen=True):
    """Version, and its role in this home and this replica."""

    current: Annotated[bool, Field(description="Whether every replica should serve it.")]
    serving: Annotated[bool, Field(description="Whether the replica that sends this response serves it.")]
    verdict: Annotated[VerdictResponse | None, Field(description="Last verdict of the promotion policy on it.")]


class VersionsResponse(BaseModel, frozen=True):
    """All versions of the home, the newest first, and the history of promotions."""

    versions: list[VersionResponse]
    damaged: Annotated[list[Refused], Field(description="Versions that cannot be read.")]
    promotions: Annotated[list[PromotionResponse], Field(description="Last 100 promotions, the newest first.")]
