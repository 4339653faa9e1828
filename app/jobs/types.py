"""What jobs are asked for with, and what is told of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from riyl.core.db.progress import JobProgress


class JobKind(StrEnum):
    """What a job does."""

    REINDEX = "reindex"
    TRAIN = "train"
    EVALUATE = "evaluate"
    IMPORT = "import"


class JobState(StrEnum):
    """Where a job is in its life; the last three are for good."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        return self in {JobState.DONE, JobState.FAILED, JobState.CANCELLED}


Tables = Annotated[
    str | None,
    Field(
        description="Folder of tables on the worker's machine; left out: RIYL_TABLES, else those imported since the "
        "current version was promoted, else those behind it.",
        min_length=1,
        max_length=1000,
    ),
]


class Params(BaseModel):
    """What a job is asked for with."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ReindexParams(Params):
    """Place the artists of the tables with the model that is in use, and make that the current version."""

    tables: Tables = None
    model: Annotated[
        str | None, Field(description="Model, or how its id begins; left out: the current version's, else the newest.")
    ] = None
    promote: Annotated[bool, Field(description="Make the version current if the promotion policy allows.")] = True


class TrainParams(Params):
    """Fit a new featurizer on the tables, train a model on it, and re-index with that."""

    tables: Tables = None
    config: Annotated[
        str, Field(description="Config of the training, by name.", max_length=100, pattern=r"^[^/\\.]+$")
    ] = "default"
    seed: Annotated[int, Field(ge=0, lt=2**31, description="Seed of everything that chance decides.")] = 0
    device: Annotated[Literal["cpu", "cuda"], Field(description="Where to train.")] = "cpu"
    supervision: Annotated[
        str | None,
        Field(description="Truth by name or id whose pairs refine the model; the closed-form configs alone take any."),
    ] = None
    promote: Annotated[bool, Field(description="Make the version current if the promotion policy allows.")] = True


class EvaluateParams(Params):
    """Hold models, baselines or a version of the index against a ground truth."""

    truth: Annotated[str | None, Field(description="Truth by name or id; left out: the newest.")] = None
    systems: Annotated[
        list[str] | None,
        Field(
            description="Models and baselines by name or id; `all`: every model, masked and from every seed, and every "
            "baseline; left out: the newest models and the baselines, or none beside a version or a model.",
            max_length=50,
            fail_fast=True,
        ),
    ] = None
    model: Annotated[
        str | None,
        Field(description="A model by name or id, wherever it was trained, that the others are compared to."),
    ] = None
    version: Annotated[
        str | None, Field(description="A version of the index, or how its id begins, that is measured too.")
    ] = None
    snapshot: Annotated[
        str | None,
        Field(description="Whose artists, or how its id begins; left out: the newest, or the version's own."),
    ] = None
    conditions: Annotated[
        list[Literal["raw", "fmc", "raw-judged", "fmc-judged", "groups"]],
        Field(
            min_length=1,
            max_length=5,
            fail_fast=True,
            description="Which artists; groups: by the modalities that they are known by.",
        ),
    ] = ["raw", "fmc"]
    k: Annotated[int, Field(ge=1, le=1000, description="Length of a list.")] = 200
    rounds: Annotated[int, Field(ge=1, le=100_000, description="Bootstrap rounds.")] = 1000
    seed: Annotated[int, Field(ge=0, lt=2**31, description="Seed of ties, noise, groups and resampling.")] = 0


class ImportParams(Params):
    """Check tables and copy them into the home, where re-indexing takes them from."""

    source: Annotated[
        str,
        Field(
            description="Folder of tables on the worker's machine, or a dataset by name.", min_length=1, max_length=1000
        ),
    ]


PARAMS: dict[JobKind, type[Params]] = {
    JobKind.REINDEX: ReindexParams,
    JobKind.TRAIN: TrainParams,
    JobKind.EVALUATE: EvaluateParams,
    JobKind.IMPORT: ImportParams,
}


@dataclass(frozen=True)
class Job:
    """A job.

    Attributes:
        params: what it was asked for with.
        by: who asked.
        worker: who runs or ran it; None while it waits.
        progress: how far it is; None before its first step.
        result: what came of it, once it is done.
        error: why it failed.
        shown_error: the same as HTTP shows it.
    """

    id: str
    kind: JobKind
    params: dict[str, Any]
    by: str
    state: JobState
    created: datetime
    started: datetime | None
    ended: datetime | None
    worker: str | None
    progress: JobProgress | None
    result: dict[str, Any] | None
    error: str | None
    shown_error: str | None
