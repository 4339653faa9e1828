"""What the API takes and answers about versions and what became of them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.schemas import GateCheck, IndexAnswer, Refused

# PostgreSQL keeps every character but this one
Why = Annotated[str, Field(max_length=1000, pattern=r"^[^\x00]*$", description="Reason, for the history.")]


class PromoteAsked(BaseModel):
    """Why a version is to become current."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    why: Why
    force: Annotated[bool, Field(description="Promote against the gate's verdict; that is written down.")] = False


class RollbackAsked(BaseModel):
    """Why what was current before is to be so again."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    why: Why


class PromotionAnswer(BaseModel):
    """One act of the history."""

    model_config = ConfigDict(frozen=True, from_attributes=True)
    number: Annotated[int, Field(description="In the order they took effect.")]
    version: Annotated[str, Field(description="What became current.")]
    act: Literal["promote", "rollback"]
    by: Annotated[str, Field(description="Who did it.")]
    why: str
    at: datetime
    forced: Annotated[bool, Field(description="Whether against the gate's verdict.")]
    job: Annotated[str | None, Field(description="The job that did it, if one did.")]


class VerdictAnswer(BaseModel):
    """What the gate's policy said of a version."""

    model_config = ConfigDict(frozen=True, from_attributes=True)
    passed: bool
    against: Annotated[str | None, Field(description="The version that was current then.")]
    checks: list[GateCheck]
    at: datetime
    job: Annotated[str | None, Field(description="The job that asked, if one did.")]


class VersionAnswer(IndexAnswer):
    """A version, and what it is to this home and this replica."""

    model_config = ConfigDict(frozen=True)
    current: Annotated[bool, Field(description="Whether it is what every replica should serve.")]
    serving: Annotated[bool, Field(description="Whether the replica that answers this serves it.")]
    verdict: Annotated[VerdictAnswer | None, Field(description="What the gate's policy said of it last.")]


class VersionsAnswer(BaseModel):
    """Every version of the home, the newest first, and how they came and went."""

    model_config = ConfigDict(frozen=True)
    versions: list[VersionAnswer]
    damaged: Annotated[list[Refused], Field(description="Those that cannot be read, and why.")]
    promotions: Annotated[list[PromotionAnswer], Field(description="The last hundred, the newest first.")]
