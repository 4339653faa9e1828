"""What the API takes and answers about jobs."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from riyl.app.jobs.disclosure import shown_values
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


Author = Annotated[
    str, Field(description="Author: its name to a key of the role admin, else key, schedule or command.")
]


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


class JobResponse(BaseModel, frozen=True):
    """A job, without values of files and folders of the server: see `riyl.app.jobs.disclosure`."""

    id: str
    kind: JobKind
    state: Annotated[JobState, Field(description="The last three are for good.")]
    params: Annotated[dict[str, Any], Field(description="What it was asked for with.")]
    by: Author
    created: datetime
    started: datetime | None
    ended: datetime | None
    worker: Annotated[str | None, Field(description="Who runs or ran it; null while it waits.")]
    progress: Annotated[ProgressResponse | None, Field(description="How far it is; null before its first step.")]
    result: Annotated[dict[str, Any] | None, Field(description="What came of it, once it is done.")]
    error: Annotated[
        str | None,
        Field(description="Why it failed; of a table, which file and row, and what was wanted there."),
    ]

    @staticmethod
    def fields(job: Job, by: str) -> dict[str, Any]:
        """The fields of a job's answer."""
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
        """A job as it is answered.

        Args:
            by: its author, as the client may see it.
        """
        return cls(**cls.fields(job, by))


class JobTaken(JobResponse, frozen=True):
    """The job that was asked for."""

    joined: Annotated[bool, Field(description="Whether it was waiting already, asked for with the same params.")]

    @classmethod
    def taken(cls, job: Job, by: str, *, joined: bool) -> JobTaken:
        """A job that was asked for just now, as it is answered."""
        return cls(**cls.fields(job, by), joined=joined)


class JobsResponse(BaseModel, frozen=True):
    """Jobs, the newest first."""

    jobs: list[JobResponse]
