"""What the API takes and answers about versions and what became of them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from riyl.app.schemas.health import Refused
from riyl.app.schemas.index import IndexResponse, QualityCheck

# PostgreSQL keeps every character but this one
Why = Annotated[str, Field(max_length=1000, pattern=r"^[^\x00]*$", description="Reason, for the history.")]


class PromoteRequest(BaseModel):
    """Why a version is to become current."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    why: Why
    force: Annotated[bool, Field(description="Promote against the policy's verdict; that is written down.")] = False


class RollbackRequest(BaseModel):
    """Why what was current before is to be so again."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    why: Why


class PromotionResponse(BaseModel):
    """One act of the history."""

    model_config = ConfigDict(frozen=True, from_attributes=True)
    number: Annotated[int, Field(description="In the order they took effect.")]
    version: Annotated[str, Field(description="What became current.")]
    act: Literal["promote", "rollback"]
    by: Annotated[str, Field(description="Who did it.")]
    why: str
    at: datetime
    forced: Annotated[bool, Field(description="Whether against the promotion policy's verdict.")]
    job: Annotated[str | None, Field(description="The job that did it, if one did.")]


class VerdictResponse(BaseModel):
    """What the promotion policy said of a version."""

    model_config = ConfigDict(frozen=True, from_attributes=True)
    passed: bool
    compared_to: Annotated[str | None, Field(description="The version that was current then.")]
    checks: list[QualityCheck]
    at: datetime
    job: Annotated[str | None, Field(description="The job that asked, if one did.")]


class VersionResponse(IndexResponse):
    """A version, and what it is to this home and this replica."""

    model_config = ConfigDict(frozen=True)
    current: Annotated[bool, Field(description="Whether it is what every replica should serve.")]
    serving: Annotated[bool, Field(description="Whether the replica that answers this serves it.")]
    verdict: Annotated[VerdictResponse | None, Field(description="What the promotion policy said of it last.")]


class VersionsResponse(BaseModel):
    """Every version of the home, the newest first, and how they came and went."""

    model_config = ConfigDict(frozen=True)
    versions: list[VersionResponse]
    damaged: Annotated[list[Refused], Field(description="Those that cannot be read, and why.")]
    promotions: Annotated[list[PromotionResponse], Field(description="The last hundred, the newest first.")]
