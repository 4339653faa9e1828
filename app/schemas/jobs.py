"""What the API takes and answers about jobs."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from riyl.app.jobs.types import EvaluateParams, ImportParams, Job, JobKind, JobState, ReindexParams, TrainParams


class Asked(BaseModel):
    """A job as it is asked for."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ReindexRequest(Asked):
    """Ask for a re-index."""

    kind: Literal["reindex"]
    params: ReindexParams = ReindexParams()


class TrainRequest(Asked):
    """Ask for a training and the re-index that follows it."""

    kind: Literal["train"]
    params: TrainParams = TrainParams()


class EvaluateRequest(Asked):
    """Ask for an evaluation."""

    kind: Literal["evaluate"]
    params: EvaluateParams = EvaluateParams()


class ImportRequest(Asked):
    """Ask for tables to be brought in."""

    kind: Literal["import"]
    params: ImportParams


JobRequest = Annotated[ReindexRequest | TrainRequest | EvaluateRequest | ImportRequest, Field(discriminator="kind")]


class ProgressResponse(BaseModel, from_attributes=True):
    """How far a job is."""

    step: Annotated[str, Field(description="What runs.")]
    number: Annotated[int, Field(description="Of the step, from 1.")]
    steps: Annotated[int, Field(description="How many steps there are.")]
    what: Annotated[str, Field(description="What is counted in the step.")]
    done: Annotated[int, Field(ge=0, description="How many of these are done.")]
    total: Annotated[int, Field(ge=0, description="How many there are; 0 where it is not known.")]
    seconds_left: Annotated[float | None, Field(description="Until all are done; null where it cannot be told.")]
    at: Annotated[datetime, Field(description="When this was so.")]


class JobResponse(BaseModel, frozen=True, from_attributes=True):
    """A job."""

    id: str
    kind: JobKind
    state: Annotated[JobState, Field(description="The last three are for good.")]
    params: Annotated[dict[str, Any], Field(description="What it was asked for with.")]
    by: Annotated[str, Field(description="Who asked.")]
    created: datetime
    started: datetime | None
    ended: datetime | None
    worker: Annotated[str | None, Field(description="Who runs or ran it; null while it waits.")]
    progress: Annotated[ProgressResponse | None, Field(description="How far it is; null before its first step.")]
    result: Annotated[dict[str, Any] | None, Field(description="What came of it, once it is done.")]
    error: Annotated[str | None, Field(description="Why it failed.")]


class JobTaken(JobResponse, frozen=True):
    """The job that was asked for."""

    joined: Annotated[bool, Field(description="Whether it was waiting already, asked for with the same params.")]

    @classmethod
    def of(cls, job: Job, *, joined: bool) -> JobTaken:
        return cls(**JobResponse.model_validate(job).model_dump(), joined=joined)


class JobsResponse(BaseModel, frozen=True):
    """Jobs, the newest first."""

    jobs: list[JobResponse]
