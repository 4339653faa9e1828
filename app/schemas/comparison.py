"""Responses of the route that compares two evaluations."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field

from riyl.app.evaluations.comparison import Change, Compared, Side
from riyl.app.schemas.evaluations import Condition, EvaluationId, Figure, Named, System
from riyl.core.types import ArtistId


class SideResponse(BaseModel):
    """System of an evaluation, as one side of a comparison."""

    id: EvaluationId
    at: datetime
    system: System
    snapshot: str | None
    version: str | None

    @classmethod
    def of(cls, side: Side) -> SideResponse:
        outline = side.run.outline
        return cls(id=outline.id, at=outline.at, system=side.system, snapshot=outline.snapshot, version=outline.version)


class QueryDifference(BaseModel, frozen=True):
    """nDCG of one query in both evaluations."""

    id: str
    name: Named
    a: float
    b: float
    difference: Annotated[float, Field(description="a - b.")]

    @classmethod
    def of(cls, change: Change, names: dict[ArtistId, str]) -> QueryDifference:
        name = names.get(change.artist_id)
        return cls(id=change.artist_id, name=name, a=change.a, b=change.b, difference=change.difference)


class ComparedResponse(BaseModel, frozen=True):
    """Comparison in one condition. Means and difference are over the common queries; null if there are none."""

    condition: Condition
    common: Annotated[int, Field(description="Number of queries in both.")]
    only_a: Annotated[int, Field(description="Number of queries only in a.")]
    only_b: Annotated[int, Field(description="Number of queries only in b.")]
    ndcg_a: Figure
    ndcg_b: Figure
    difference: Annotated[float | None, Field(description="Mean of a - b.")]
    low: Annotated[float | None, Field(description="Lower end of the 95 % interval of the difference.")]
    high: Annotated[float | None, Field(description="Upper end of that interval.")]
    p: Annotated[float | None, Field(description="Two-sided p-value of the paired bootstrap with 1,000 rounds.")]
    gini_a: Annotated[float | None, Field(description="Gini over all lists of a.")]
    gini_b: Annotated[float | None, Field(description="Gini over all lists of b.")]
    gained: Annotated[list[QueryDifference], Field(description="The 10 queries on which a is most above b.")]
    lost: Annotated[list[QueryDifference], Field(description="The 10 queries on which a is most below b.")]

    @classmethod
    def of(cls, compared: Compared, names: dict[ArtistId, str]) -> ComparedResponse:
        gained = [QueryDifference.of(change, names) for change in compared.gained]
        lost = [QueryDifference.of(change, names) for change in compared.lost]
        return cls.model_validate({**vars(compared), "gained": gained, "lost": lost})


class ComparisonResponse(BaseModel, frozen=True):
    """Comparison of two stored evaluations, a and b."""

    truth: str | None
    truth_name: str | None
    k: int | None
    a: SideResponse
    b: SideResponse
    conditions: list[ComparedResponse]
