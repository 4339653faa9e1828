"""What the API answers about two evaluations held against each other."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field

from app.comparing import Change, Compared, Side
from app.schemas import EXAMPLE_VERSION, JsonObject, example
from app.schemas_evaluations import (
    EXAMPLE_RUN_ID,
    EXAMPLE_SYSTEM,
    Condition,
    EvaluationId,
    Figure,
    Named,
    System,
)
from app.schemas_jobs import EXAMPLE_JOB_ID
from core.types import ArtistId

EXAMPLE_CHANGE: JsonObject = {"id": "a017", "name": "Björk", "a": 0.3107, "b": 0.0612, "difference": 0.2495}
EXAMPLE_COMPARED: JsonObject = {
    "condition": "raw",
    "common": 1714,
    "only_a": 6,
    "only_b": 2,
    "ndcg_a": 0.2151,
    "ndcg_b": 0.2098,
    "difference": 0.0053,
    "low": 0.0021,
    "high": 0.0086,
    "p": 0.002,
    "gini_a": 0.4312,
    "gini_b": 0.4401,
    "gained": [EXAMPLE_CHANGE],
    "lost": [],
}


class SideAnswer(BaseModel):
    """A system of an evaluation that is compared."""

    id: EvaluationId
    at: datetime
    system: System
    snapshot: str | None
    version: str | None

    @classmethod
    def of(cls, side: Side) -> SideAnswer:
        outline = side.run.outline
        return cls(id=outline.id, at=outline.at, system=side.system, snapshot=outline.snapshot, version=outline.version)


class ChangeAnswer(BaseModel):
    """nDCG of one query in both."""

    model_config = example(EXAMPLE_CHANGE)
    id: str
    name: Named
    a: float
    b: float
    difference: Annotated[float, Field(description="a - b.")]

    @classmethod
    def of(cls, change: Change, names: dict[ArtistId, str]) -> ChangeAnswer:
        name = names.get(change.artist_id)
        return cls(id=change.artist_id, name=name, a=change.a, b=change.b, difference=change.difference)


class ComparedAnswer(BaseModel):
    """Both in one condition. Means and difference are over the queries of both; null where there is none."""

    model_config = example(EXAMPLE_COMPARED)
    condition: Condition
    common: Annotated[int, Field(description="Queries of both.")]
    only_a: Annotated[int, Field(description="Queries of a alone.")]
    only_b: Annotated[int, Field(description="Queries of b alone.")]
    ndcg_a: Figure
    ndcg_b: Figure
    difference: Annotated[float | None, Field(description="Mean of a - b.")]
    low: Annotated[float | None, Field(description="Where the 95 % interval of the difference begins.")]
    high: Annotated[float | None, Field(description="Where it ends.")]
    p: Annotated[float | None, Field(description="Two-sided, by the same paired bootstrap of 1,000 rounds.")]
    gini_a: Annotated[float | None, Field(description="Over all lists of a.")]
    gini_b: Annotated[float | None, Field(description="Over all lists of b.")]
    gained: Annotated[list[ChangeAnswer], Field(description="The 10 queries on which a is most above b.")]
    lost: Annotated[list[ChangeAnswer], Field(description="The 10 queries on which a is most below b.")]

    @classmethod
    def of(cls, compared: Compared, names: dict[ArtistId, str]) -> ComparedAnswer:
        gained = [ChangeAnswer.of(change, names) for change in compared.gained]
        lost = [ChangeAnswer.of(change, names) for change in compared.lost]
        return cls.model_validate({**vars(compared), "gained": gained, "lost": lost})


class ComparisonAnswer(BaseModel):
    """Two stored evaluations, a against b."""

    model_config = example(
        {
            "truth": "3c9a5e0f81b7d264",
            "truth_name": "editorial",
            "k": 200,
            "a": {
                "id": EXAMPLE_RUN_ID,
                "at": "2026-03-01T02:10:00Z",
                "system": EXAMPLE_SYSTEM,
                "snapshot": "b1946ac92492d234",
                "version": EXAMPLE_VERSION,
            },
            "b": {
                "id": EXAMPLE_JOB_ID,
                "at": "2026-02-28T02:10:00Z",
                "system": "version 1d0a5b7c93e8f246",
                "snapshot": "8f14e45fceea167a",
                "version": "1d0a5b7c93e8f246",
            },
            "conditions": [EXAMPLE_COMPARED],
        }
    )
    truth: str | None
    truth_name: str | None
    k: int | None
    a: SideAnswer
    b: SideAnswer
    conditions: list[ComparedAnswer]
