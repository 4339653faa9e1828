"""What the API takes and answers about editorial rules."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.schemas_versions import Why
from app.served import Served
from core.db.rules import WrittenRule
from core.rules import LONGEST_ID, RuleKind
from index.rules import RuleState

# PostgreSQL keeps every character but this one
RuleId = Annotated[
    str,
    Field(
        min_length=1,
        max_length=LONGEST_ID,
        pattern=r"^[^\x00]*$",
        description="The catalog's own id of an artist, also of one that the version that serves has not, or not yet.",
    ),
]
RuleWhy = Annotated[Why, Field(description="Reason, for the list.")]


class Asked(BaseModel):
    """A rule as it is asked for."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class BlockAsked(Asked):
    """Let an artist be as if it were not there."""

    kind: Literal["block"]
    artist: RuleId
    why: RuleWhy = ""


class NeverAsked(Asked):
    """Show neither of two artists for the other."""

    kind: Literal["never"]
    artist: RuleId
    other: RuleId
    why: RuleWhy = ""


class PinAsked(Asked):
    """Let `other` stand at the head of the list of `artist`."""

    kind: Literal["pin"]
    artist: RuleId
    other: RuleId
    why: RuleWhy = ""


RuleAsked = Annotated[BlockAsked | NeverAsked | PinAsked, Field(discriminator="kind")]


class RuleAnswer(BaseModel):
    """A rule, and what has become of it in the version that serves."""

    model_config = ConfigDict(frozen=True)
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

    @staticmethod
    def of(written: WrittenRule, served: Served | None) -> RuleAnswer:
        """The rule as it stands in what is served."""
        state = None if served is None else served.rules.state(written.rule, served.searcher)
        return RuleAnswer(
            number=written.rule.number,
            kind=written.rule.kind,
            artist=written.rule.artist,
            other=written.rule.other,
            why=written.why,
            by=written.by,
            at=written.at,
            known=None if state is None else state is not RuleState.UNKNOWN,
            state=state,
        )


class RulesAnswer(BaseModel):
    """Rules, the newest first."""

    model_config = ConfigDict(frozen=True)
    rules: list[RuleAnswer]
