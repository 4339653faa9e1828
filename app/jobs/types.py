"""Params of jobs, and jobs as clients see them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from riyl.core.db.progress import JobProgress
from riyl.core.errors import InputError
from riyl.core.storage.relations import parse_relations


class JobKind(StrEnum):
    """Kind of a job."""

    REINDEX = "reindex"
    TRAIN = "train"
    EVALUATE = "evaluate"
    IMPORT = "import"


class JobState(StrEnum):
    """State of a job; the last three are final."""

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
        description="Folder of tables on the worker's machine; default: RIYL_TABLES, else those imported since the "
        "current version was promoted, else those behind it.",
        min_length=1,
        max_length=1000,
    ),
]


StudyCondition: TypeAlias = Literal[
    "raw",
    "fmc",
    "raw-judged",
    "fmc-judged",
    "groups",
    "groups:raw",
    "groups:fmc",
    "groups:raw-judged",
    "groups:fmc-judged",
]
"""Condition of an evaluation that a job may name: none is a file, which a command can name."""


class Params(BaseModel):
    """Params of a job."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ReindexParams(Params):
    """Embed the artists of the tables with the model in use, and make the resulting version current."""

    tables: Tables = None
    model: Annotated[
        str | None, Field(description="Model, or a prefix of its id; default: the current version's, else the newest.")
    ] = None
    promote: Annotated[bool, Field(description="Make the version current if the promotion policy allows.")] = True


def _as_list(supervision: str | list[str] | None) -> list[str]:
    return [supervision] if isinstance(supervision, str) else supervision or []


def _check_relations(supervision: str | list[str] | None) -> str | list[str] | None:
    try:
        parse_relations(_as_list(supervision))
    except InputError as error:
        raise ValueError(str(error)) from error
    return supervision


class TrainParams(Params):
    """Fit a new featurizer on the tables, train a model on it, and re-index with that model."""

    tables: Tables = None
    config: Annotated[str, Field(description="Name of the training config.", max_length=100, pattern=r"^[^/\\.]+$")] = (
        "default"
    )
    seed: Annotated[int, Field(ge=0, lt=2**31, description="Random seed of the training.")] = 0
    device: Annotated[Literal["cpu", "cuda"], Field(description="Device to train on.")] = "cpu"
    supervision: Annotated[
        str | Annotated[list[str], Field(min_length=1, max_length=20, fail_fast=True)] | None,
        AfterValidator(_check_relations),
        Field(
            description="Truths whose pairs fine-tune the model, each by name or id, or as NAME=WEIGHT (default: 1); "
            "the weight of a pair is the sum over the truths that have it. Only for closed-form configs.",
        ),
    ] = None
    promote: Annotated[bool, Field(description="Make the version current if the promotion policy allows.")] = True

    @property
    def relations(self) -> list[tuple[str, float]]:
        """Truth, by name or id, and weight of each relation of the supervision."""
        return parse_relations(_as_list(self.supervision))


class EvaluateParams(Params):
    """Evaluate models, baselines or a version of the index on a ground truth."""

    truth: Annotated[str | None, Field(description="Truth by name or id; default: the newest.")] = None
    systems: Annotated[
        list[str] | None,
        Field(
            description="Models and baselines by name or id; `all`: every model, masked and from every seed, and every "
            "baseline; default: the newest models and the baselines, or none if a version or a model is given.",
            max_length=50,
            fail_fast=True,
        ),
    ] = None
    model: Annotated[
        str | None,
        Field(description="Model by name or id, wherever it was trained, that the others are compared to."),
    ] = None
    version: Annotated[
        str | None, Field(description="Version of the index to evaluate too, or a prefix of its id.")
    ] = None
    snapshot: Annotated[
        str | None,
        Field(
            description="Snapshot of the artists, or a prefix of its id; default: the newest of the current version's "
            "catalog, or the version's own."
        ),
    ] = None
    catalogs: Annotated[
        list[Annotated[str, Field(pattern="^[A-Za-z0-9_.-]{1,100}=[0-9a-f]{1,64}$")]],
        Field(
            max_length=10,
            fail_fast=True,
            description="Other catalogs, each as NAME=SNAPSHOT by id or a prefix of it, whose systems take part as "
            "NAME/SYSTEM; artists with equal mbid are joined.",
        ),
    ] = []
    embeddings: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=100)]],
        Field(
            max_length=20,
            fail_fast=True,
            description="Stored embeddings of other programs to evaluate too, by name or id; of several with a name "
            "the newest.",
        ),
    ] = []
    bias: Annotated[
        list[Literal["own", "none", "csls", "balanced"]],
        Field(
            max_length=4,
            fail_fast=True,
            description="Corrections of scores, each of which every system is measured with; own: that of the system, "
            "as by default.",
        ),
    ] = []
    seeds: Annotated[
        int, Field(ge=1, le=20, description="Number of seeds to train models from, whose training depends on chance.")
    ] = 1
    conditions: Annotated[
        list[StudyCondition],
        Field(
            min_length=1,
            max_length=9,
            fail_fast=True,
            description="Which artists to evaluate. groups: those of fmc, dealt into groups that keep only some "
            "modalities; groups:CONDITION: those of the condition that have all modalities.",
        ),
    ] = ["raw", "fmc"]
    k: Annotated[int, Field(ge=1, le=1000, description="Length of a list.")] = 200
    rounds: Annotated[int, Field(ge=1, le=100_000, description="Bootstrap rounds.")] = 1000
    seed: Annotated[int, Field(ge=0, lt=2**31, description="Random seed of ties, noise, groups and resampling.")] = 0


class ImportParams(Params):
    """Check tables and copy them into the home, from which a re-index reads them."""

    source: Annotated[
        str,
        Field(
            description="Folder of tables on the worker's machine, or name of a dataset.", min_length=1, max_length=1000
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
        params: params that it was submitted with.
        by: author of the request.
        worker: worker that runs or ran it; None while it waits.
        progress: its progress; None before its first step.
        result: result, once it is done.
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
