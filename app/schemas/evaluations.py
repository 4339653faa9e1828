"""Responses of the routes of evaluations."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field

from riyl.app.evaluations.queries import Query
from riyl.app.jobs.types import JobState
from riyl.app.schemas.jobs import Author, JobResponse
from riyl.core.types import ArtistId

Condition = Annotated[str, Field(description="Set of artists that are queries and candidates.")]
System = Annotated[str, Field(description="Model, baseline or index version that was measured.")]
Figure = Annotated[float | None, Field(description="Null if undefined.")]
Named = Annotated[str | None, Field(description="Name in the version that serves; null if it lacks the artist.")]
EvaluationId = Annotated[str, Field(description="Id of the evaluation's job, or of its run on the command line.")]


class ConditionSummary(BaseModel, frozen=True):
    """Figures of the reference, the first system, in one condition."""

    condition: Condition
    system: System
    queries: int | None
    ndcg: Figure
    ndcg_low: Figure
    ndcg_high: Figure
    gini: Figure
    coverage: Figure


class OutlineResponse(BaseModel, frozen=True, from_attributes=True):
    """Stored evaluation in a list. Fields that an earlier release did not store are null."""

    id: EvaluationId
    at: Annotated[datetime, Field(description="Time when the figures were stored.")]
    by: Author | None
    truth: Annotated[str | None, Field(description="Id of the ground truth.")]
    truth_name: str | None
    snapshot: Annotated[str | None, Field(description="Id of the snapshot whose artists were used.")]
    version: Annotated[str | None, Field(description="Id of the index version that was measured, if any.")]
    model: Annotated[str | None, Field(description="Id of the reference's model, if the reference is a model.")]
    k: Annotated[int | None, Field(description="Length of a list.")]
    summary: Annotated[list[ConditionSummary], Field(description="Figures of the reference by condition.")]


class EvaluationsResponse(BaseModel, frozen=True):
    """Stored evaluations, the newest first, and evaluation jobs without stored figures."""

    evaluations: list[OutlineResponse]
    jobs: Annotated[
        list[JobResponse],
        Field(description="Waiting, running and failed jobs among the last 50 evaluations; the newest first."),
    ]


class EvaluationResponse(BaseModel, frozen=True):
    """Evaluation with its figures, or the state of its job."""

    id: EvaluationId
    state: JobState
    request: Annotated[dict[str, Any], Field(description="Parameters of the evaluation.")]
    error: Annotated[str | None, Field(description="Reason why it failed.")] = None
    at: Annotated[datetime | None, Field(description="Time when the figures were stored.")] = None
    by: Author | None = None
    files: Annotated[bool, Field(description="Whether this home has the report and the result of each query.")] = False
    figures: Annotated[
        dict[str, Any] | None,
        Field(
            description="Figures as riyl --json evaluate prints them; null until done. `results` has those of the "
            "whole lists, `depths` those of the first 10 and 50 ranks of lists that are longer; evaluations of "
            "earlier releases lack it."
        ),
    ] = None


class ExpectedResponse(BaseModel):
    """Artist that should have been found."""

    id: str
    name: Named
    found: Annotated[int | None, Field(description="Rank in the first 10 of the list; null if it is not among them.")]


class RetrievedResponse(BaseModel):
    """Artist that was found."""

    id: str
    name: Named
    right: Annotated[
        bool | None,
        Field(
            description="Whether the artist is relevant. Null if unknown: the ground truth is not in this home, and "
            "more artists are relevant than `expected` lists."
        ),
    ]


class MeasuredQuery(BaseModel, frozen=True):
    """Query with its expected and retrieved artists."""

    id: str
    name: Named
    ndcg: float
    relevant: Annotated[int, Field(description="Number of relevant artists in the condition.")]
    expected: Annotated[list[ExpectedResponse], Field(description="At most 10 relevant artists, most played first.")]
    retrieved: Annotated[
        list[RetrievedResponse],
        Field(description="First 10 of the list, best first; empty if the system cannot embed the query's artist."),
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
    """Queries of a stored evaluation, sorted by nDCG."""

    id: EvaluationId
    condition: Condition
    system: System
    total: Annotated[int, Field(description="Number of queries in the condition.")]
    artists: list[MeasuredQuery]
