"""What the API takes and answers about versions and what became of them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from riyl.app.schemas.health import Refused
from riyl.app.schemas.index import IndexResponse, QualityCheck
from riyl.app.schemas.jobs import Author

# PostgreSQL keeps every character but this one
Why = Annotated[str, Field(max_length=1000, pattern=r"^[^\x00]*$", description="Reason, for the history.")]


class PromoteRequest(BaseModel, frozen=True, extra="forbid"):
    """Why a version is to become current."""

    why: Why
    force: Annotated[bool, Field(description="Promote against the policy's verdict; that is written down.")] = False


class RollbackRequest(BaseModel, frozen=True, extra="forbid"):
    """Why what was current before is to be so again."""

    why: Why


class PromotionResponse(BaseModel, frozen=True, from_attributes=True):
    """One act of the history."""

    number: Annotated[int, Field(description="In the order they took effect.")]
    version: Annotated[str, Field(description="What became current.")]
    act: Literal["promote", "rollback"]
    by: Author
    why: str
    at: datetime
    forced: Annotated[bool, Field(description="Whether against the promotion policy's verdict.")]
    job: Annotated[str | None, Field(description="The job that did it, if one did.")]


class VerdictResponse(BaseModel, frozen=True, from_attributes=True):
    """What the promotion policy said of a version."""

    passed: bool
    compared_to: Annotated[str | None, Field(description="The version that was current then.")]
    checks: list[QualityCheck]
    at: datetime
    job: Annotated[str | None, Field(description="The job that asked, if one did.")]


class VersionResponse(IndexResponse, frozen=True):
    """A version, and what it is to this home and this replica."""

    current: Annotated[bool, Field(description="Whether it is what every replica should serve.")]
    serving: Annotated[bool, Field(description="Whether the replica that answers this serves it.")]
    verdict: Annotated[VerdictResponse | None, Field(description="What the promotion policy said of it last.")]


class VersionsResponse(BaseModel, frozen=True):
    """Every version of the home, the newest first, and how they came and went."""

    versions: list[VersionResponse]
    damaged: Annotated[list[Refused], Field(description="Those that cannot be read, and why.")]
    promotions: Annotated[list[PromotionResponse], Field(description="The last hundred, the newest first.")]
