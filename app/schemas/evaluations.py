"""What the API answers about evaluations."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field

from riyl.app.evaluations.queries import Query
from riyl.app.jobs.types import JobState
from riyl.app.schemas.jobs import Author, JobResponse
from riyl.core.types import ArtistId

Condition = Annotated[str, Field(description="Which artists asked and could be found.")]
System = Annotated[str, Field(description="What was measured.")]
Figure = Annotated[float | None, Field(description="Null where it is undefined.")]
Named = Annotated[str | None, Field(description="Its name in the version that serves; null where that has it not.")]
EvaluationId = Annotated[str, Field(description="Id of its job, or of the run of the command line that stored it.")]


class ConditionSummary(BaseModel, frozen=True):
    """The reference, the first system, in one condition."""

    condition: Condition
    system: System
    queries: int | None
    ndcg: Figure
    ndcg_low: Figure
    ndcg_high: Figure
    gini: Figure
    coverage: Figure


class OutlineResponse(BaseModel, frozen=True, from_attributes=True):
    """A stored evaluation in a list. What rows of earlier releases do not say is null."""

    id: EvaluationId
    at: Annotated[datetime, Field(description="When its figures were stored.")]
    by: Author | None
    truth: Annotated[str | None, Field(description="Id of the truth.")]
    truth_name: str | None
    snapshot: Annotated[str | None, Field(description="Whose artists.")]
    version: Annotated[str | None, Field(description="The version of the index that was measured, if one was.")]
    model: Annotated[str | None, Field(description="The reference's model, where it is one.")]
    k: Annotated[int | None, Field(description="Length of a list.")]
    summary: Annotated[list[ConditionSummary], Field(description="By condition, the reference's figures.")]


class EvaluationsResponse(BaseModel, frozen=True):
    """Stored evaluations, the newest first, and the jobs that have not stored theirs."""

    evaluations: list[OutlineResponse]
    jobs: Annotated[
        list[JobResponse],
        Field(description="Of the last 50 evaluations asked for, those that wait, run or failed; the newest first."),
    ]


class EvaluationResponse(BaseModel, frozen=True):
    """An evaluation."""

    id: EvaluationId
    state: JobState
    request: Annotated[dict[str, Any], Field(description="What it was asked for with.")]
    error: Annotated[str | None, Field(description="Why it failed.")] = None
    at: Annotated[datetime | None, Field(description="When its figures were stored.")] = None
    by: Author | None = None
    files: Annotated[bool, Field(description="Whether its report and what came of its queries are in this home.")] = (
        False
    )
    figures: Annotated[
        dict[str, Any] | None, Field(description="What riyl --json evaluate prints; null until it is done.")
    ] = None


class ExpectedResponse(BaseModel):
    """An artist that should have been found."""

    id: str
    name: Named
    found: Annotated[int | None, Field(description="Its rank in the first 10 of the list; null where it is not there.")]


class RetrievedResponse(BaseModel):
    """An artist that was found."""

    id: str
    name: Named
    right: Annotated[
        bool | None,
        Field(
            description="Whether it is relevant; null where that cannot be told: the truth is not in this home, and "
            "more artists are relevant than `expected` has."
        ),
    ]


class MeasuredQuery(BaseModel, frozen=True):
    """A query and what came of it."""

    id: str
    name: Named
    ndcg: float
    relevant: Annotated[int, Field(description="How many artists of the condition are relevant.")]
    expected: Annotated[list[ExpectedResponse], Field(description="10 of these at most, the most played first.")]
    retrieved: Annotated[
        list[RetrievedResponse],
        Field(description="The first 10 of the list, best first; none where the system cannot embed the artist."),
    ]

    @classmethod
    def of(cls, query: Query, names: dict[ArtistId, str]) -> MeasuredQuery:
        return cls(
            id=query.artist_id,
            name=names.get(query.artist_id),
            ndcg=query.ndcg,
            relevant=query.n_relevant,
            expected=[ExpectedResponse(id=id, name=names.get(id), found=rank) for id, rank in query.expected],
            retrieved=[RetrievedResponse(id=id, name=names.get(id), right=right) for id, right in query.retrieved],
        )


class QueriesResponse(BaseModel, frozen=True):
    """Queries of a stored evaluation by their nDCG."""

    id: EvaluationId
    condition: Condition
    system: System
    total: Annotated[int, Field(description="Queries of the condition.")]
    artists: list[MeasuredQuery]
