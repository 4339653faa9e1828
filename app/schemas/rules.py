"""Requests and responses of the routes of editorial rules."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from riyl.app.schemas.versions import Why
from riyl.core.rules import MAX_ID_LENGTH, RuleKind
from riyl.index.search.rules import RuleState

# PostgreSQL stores every character but NUL
RuleId = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MAX_ID_LENGTH,
        pattern=r"^[^\x00]*$",
        description="The catalog's own id of an artist, which the version that serves need not have.",
    ),
]
RuleWhy = Annotated[Why, Field(description="Reason, shown in the list of rules.")]


class Asked(BaseModel):
    """Base of the requests for rules."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class BlockRequest(Asked):
    """Hide an artist everywhere."""

    kind: Literal["block"]
    artist: RuleId
    why: RuleWhy = ""


class NeverRequest(Asked):
    """List neither of two artists as similar to the other."""

    kind: Literal["never"]
    artist: RuleId
    other: RuleId
    why: RuleWhy = ""


class PinRequest(Asked):
    """Put `other` at the head of the list of `artist`."""

    kind: Literal["pin"]
    artist: RuleId
    other: RuleId
    why: RuleWhy = ""


RuleRequest = Annotated[BlockRequest | NeverRequest | PinRequest, Field(discriminator="kind")]


class RuleResponse(BaseModel, frozen=True):
    """Rule, and its state in the version that serves."""

    number: Annotated[int, Field(description="Number of the rule; pins of one artist are ordered by it.")]
    kind: RuleKind
    artist: str
    other: Annotated[str | None, Field(description="Second artist of a pair; null for a block.")]
    why: str
    by: Annotated[str, Field(description="Author of the rule.")]
    at: datetime
    known: Annotated[
        bool | None, Field(description="Whether the version that serves has the artists; null if none serves.")
    ]
    state: Annotated[
        RuleState | None,
        Field(
            description="`unknown artist`: the version that serves lacks it, and the rule applies once a version has "
            "it. `no embedding`: the pinned artist cannot be shown yet. `overruled`: a block or a never overrides the "
            "pin."
        ),
    ]


class RulesResponse(BaseModel, frozen=True):
    """Editorial rules, the newest first."""

    rules: list[RuleResponse]
