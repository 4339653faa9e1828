"""What the API takes and answers about editorial rules."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from riyl.app.schemas.versions import Why
from riyl.core.rules import MAX_ID_LENGTH, RuleKind
from riyl.index.search.rules import RuleState

# PostgreSQL keeps every character but this one
RuleId = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MAX_ID_LENGTH,
        pattern=r"^[^\x00]*$",
        description="The catalog's own id of an artist, also of one that the version that serves has not, or not yet.",
    ),
]
RuleWhy = Annotated[Why, Field(description="Reason, for the list.")]


class Asked(BaseModel):
    """A rule as it is asked for."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class BlockRequest(Asked):
    """Let an artist be as if it were not there."""

    kind: Literal["block"]
    artist: RuleId
    why: RuleWhy = ""


class NeverRequest(Asked):
    """Show neither of two artists for the other."""

    kind: Literal["never"]
    artist: RuleId
    other: RuleId
    why: RuleWhy = ""


class PinRequest(Asked):
    """Let `other` stand at the head of the list of `artist`."""

    kind: Literal["pin"]
    artist: RuleId
    other: RuleId
    why: RuleWhy = ""


RuleRequest = Annotated[BlockRequest | NeverRequest | PinRequest, Field(discriminator="kind")]


class RuleResponse(BaseModel, frozen=True):
    """A rule, and what has become of it in the version that serves."""

    number: Annotated[int, Field(description="Several pins of one artist stand in the order of these.")]
    kind: RuleKind
    artist: str
    other: Annotated[str | None, Field(description="Of a pair the second; null of a block.")]
    why: str
    by: Annotated[str, Field(description="Who made it.")]
    at: datetime
    known: Annotated[
        bool | None, Field(description="Whether the version that serves has the artists; null where none serves.")
    ]
    state: Annotated[
        RuleState | None,
        Field(
            description="`unknown artist`: not in the version that serves, and obeyed as soon as one has it. "
            "`no embedding`: of a pin, cannot be shown yet. `overruled`: of a pin, by a block or a never."
        ),
    ]


class RulesResponse(BaseModel, frozen=True):
    """Rules, the newest first."""

    rules: list[RuleResponse]
