"""Requests and responses of the routes of jobs."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from riyl.app.jobs.disclosure import shown_values
from riyl.app.jobs.types import EvaluateParams, ImportParams, Job, JobKind, JobState, ReindexParams, TrainParams


class Asked(BaseModel):
    """Base of the requests for jobs."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ReindexRequest(Asked):
    """Request for a re-index."""

    kind: Literal["reindex"]
    params: ReindexParams = ReindexParams()


class TrainRequest(Asked):
    """Request for a training, and the re-index that follows it."""

    kind: Literal["train"]
    params: TrainParams = TrainParams()


class EvaluateRequest(Asked):
    """Request for an evaluation."""

    kind: Literal["evaluate"]
    params: EvaluateParams = EvaluateParams()


class ImportRequest(Asked):
    """Request for an import of tables."""

    kind: Literal["import"]
    params: ImportParams


JobRequest = Annotated[ReindexRequest | TrainRequest | EvaluateRequest | ImportRequest, Field(discriminator="kind")]


Author = Annotated[
    str, Field(description="Author: its name if the reader's key has the role admin, else key, schedule or command.")
]


class ProgressResponse(BaseModel, from_attributes=True):
    """Progress of a job."""

    step: Annotated[str, Field(description="Step that runs.")]
    number: Annotated[int, Field(description="Number of the step, from 1.")]
    steps: Annotated[int, Field(description="Number of steps.")]
    what: Annotated[str, Field(description="Kind of items that the step counts.")]
    done: Annotated[int, Field(ge=0, description="Number of items that are done.")]
    total: Annotated[int, Field(ge=0, description="Number of items; 0 if unknown.")]
    seconds_left: Annotated[float | None, Field(description="Estimated seconds until all are done; null if unknown.")]
    at: Annotated[datetime, Field(description="Time of this report.")]


class JobResponse(BaseModel, frozen=True):
    """Job, without file and folder names of the server; see `riyl.app.jobs.disclosure`."""

    id: str
    kind: JobKind
    state: Annotated[JobState, Field(description="State; done, failed and cancelled are final.")]
    params: Annotated[dict[str, Any], Field(description="Parameters of the job.")]
    by: Author
    created: datetime
    started: datetime | None
    ended: datetime | None
    worker: Annotated[str | None, Field(description="Worker that runs or ran it; null while it waits.")]
    progress: Annotated[ProgressResponse | None, Field(description="Progress; null before the first step.")]
    result: Annotated[dict[str, Any] | None, Field(description="Result, once the job is done.")]
    error: Annotated[
        str | None,
        Field(description="Reason why it failed; for a table the file and row, and the value wanted there."),
    ]

    @staticmethod
    def fields(job: Job, by: str) -> dict[str, Any]:
        """Return the fields of a job's response."""
        return {
            **vars(job),
            "by": by,
            "params": shown_values(job.params),
            "progress": None if job.progress is None else ProgressResponse.model_validate(job.progress),
            "result": None if job.result is None else shown_values(job.result),
            "error": job.shown_error,
        }

    @classmethod
    def of(cls, job: Job, by: str) -> JobResponse:
        """Convert a job to its response; `by` is its author, as the client may see it."""
        return cls(**cls.fields(job, by))


class JobTaken(JobResponse, frozen=True):
    """Job that was submitted."""

    joined: Annotated[bool, Field(description="Whether an equal job was waiting already, which is returned.")]

    @classmethod
    def taken(cls, job: Job, by: str, *, joined: bool) -> JobTaken:
        """Convert a job that was just submitted to its response."""
        return cls(**cls.fields(job, by), joined=joined)


class JobsResponse(BaseModel, frozen=True):
    """Jobs, the newest first."""

    jobs: list[JobResponse]
