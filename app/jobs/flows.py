"""Jobs as DBOS workflows: their steps, the order of these, and the values passed between them.

A completed step is recorded with its result and never runs again; an interrupted step runs again from its beginning.
So params and results alone decide which step comes next: code outside of steps reads no clock, no random numbers and
not the home.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any

from dbos import DBOS, StepOptions
from threadpoolctl import threadpool_limits

from riyl.app.jobs.client import Jobs
from riyl.app.jobs.report import Reporter
from riyl.app.jobs.steps import Result, Steps
from riyl.app.jobs.store import INDEX_QUEUE, WORK_QUEUE
from riyl.app.jobs.types import EvaluateParams, ImportParams, JobKind, ReindexParams, TrainParams
from riyl.core.errors import DatabaseDamagedError, DatabaseDownError, FetchError, QualityCheckError
from riyl.index.versions.report import Report

log = logging.getLogger(__name__)

ATTEMPTS = 8
"""Maximum attempts of a step that fails of something temporary: two minutes in all."""

DEATHS = 20
"""Maximum number of times that a worker may die of a job before the job is given up."""

REINDEX_STEPS = ("freeze", "model", "featurize", "embed", "build", "check", "promote", "prune")
TRAIN_STEPS = ("freeze", "fit", "train", "reindex")

StepAction = Callable[[Steps], Result]


def register(steps: Steps, jobs: Jobs) -> Callable[[datetime, Any], None]:
    """Register the jobs with DBOS, once per process and before it is launched.

    Args:
        steps: the steps that the jobs run.
        jobs: client that submits the scheduled re-index.

    Returns:
        The workflow that submits a re-index, to be run by a schedule.
    """

    def run(name: str, number: int, count: int, act: StepAction) -> Result:
        job = str(DBOS.workflow_id)

        def step() -> Result:
            progress = Reporter(steps.database, job, name, number, count, lambda: _cancelled(job))
            with threadpool_limits(limits=steps.threads):  # of libraries that get no setting
                return act(steps.for_job(job, progress))

        return DBOS.run_step(_options(name), step)

    def run_all(names: tuple[str, ...]) -> Callable[[str, StepAction], Result]:
        return lambda name, act: run(name, names.index(name) + 1, len(names), act)

    @DBOS.workflow(name=JobKind.REINDEX.value, max_recovery_attempts=DEATHS)
    def reindex(payload: dict[str, Any], by: str) -> Result:
        params, step = ReindexParams(**payload), run_all(REINDEX_STEPS)
        frozen = step("freeze", lambda s: s.freeze(params.tables, by))
        model = step("model", lambda s: s.choose_model(params.model))["model"]
        placed = step("featurize", lambda s: s.featurize(frozen, model))
        snapshot = placed["snapshot"]
        step("embed", lambda s: s.embed(model, snapshot))
        built = step("build", lambda s: s.build(model, snapshot))
        version = built["version"]
        judged = step("check", lambda s: s.judge(version))
        result = {**frozen, "model": model, **placed, **built, **judged, "promoted": False}
        if not params.promote:
            return result
        if not judged["verdict"]["passed"]:
            failures = Report.of(judged["verdict"]).failures
            raise QualityCheckError(
                f"version {version} failed its quality checks; it is kept, and not promoted: {failures}"
            )
        promoted = step("promote", lambda s: s.promote(version, judged["verdict"], by))
        result |= {"promoted": promoted["promoted"], **step("prune", lambda s: s.prune(_in_use()))}
        if promoted.get("truth") is None:
            return result
        then = EvaluateParams(truth=promoted["truth"], version=version).model_dump(mode="json")
        handle = DBOS.enqueue_workflow(WORK_QUEUE, evaluate, then, by)
        return {**result, "evaluation": handle.workflow_id}

    @DBOS.workflow(name=JobKind.TRAIN.value, max_recovery_attempts=DEATHS)
    def train(payload: dict[str, Any], by: str) -> Result:
        params, step = TrainParams(**payload), run_all(TRAIN_STEPS)
        frozen = step("freeze", lambda s: s.freeze(params.tables, by))
        snapshot = step("fit", lambda s: s.fit(frozen))["snapshot"]
        model = step("train", lambda s: s.train(params, snapshot))["model"]
        step("reindex", lambda s: {})
        then = ReindexParams(tables=frozen["tables"], model=model, promote=params.promote).model_dump(mode="json")
        handle = DBOS.enqueue_workflow(INDEX_QUEUE, reindex, then, by)
        return {"model": model, "snapshot": snapshot, "reindex": handle.workflow_id, **handle.get_result()}

    @DBOS.workflow(name=JobKind.EVALUATE.value, max_recovery_attempts=DEATHS)
    def evaluate(payload: dict[str, Any], by: str) -> Result:
        return run("evaluate", 1, 1, lambda s: s.evaluate(EvaluateParams(**payload), by))

    @DBOS.workflow(name=JobKind.IMPORT.value, max_recovery_attempts=DEATHS)
    def bring(payload: dict[str, Any], by: str) -> Result:
        return run("import", 1, 1, lambda s: s.bring(ImportParams(**payload), by))

    @DBOS.workflow(name="scheduled")
    def scheduled(at: datetime, context: Any) -> None:
        DBOS.run_step(_options("submit"), lambda: jobs.submit(JobKind.REINDEX, ReindexParams(), by="schedule")[0].id)

    return scheduled


def _options(name: str) -> StepOptions:
    return {
        "name": name,
        "retries_allowed": True,
        "max_attempts": ATTEMPTS,
        "interval_seconds": 1.0,
        "backoff_rate": 2.0,
        "should_retry": _passes,
    }


def _passes(error: BaseException) -> bool:
    """Return whether a retry may help.

    It may for a full disk or an unreachable server; it does not for bad input or a refused version.
    """
    passes = isinstance(error, OSError | DatabaseDownError | FetchError) and not isinstance(error, DatabaseDamagedError)
    if passes:
        log.warning("step_failed job=%s reason=%s", DBOS.workflow_id, error)
    return passes


def _cancelled(job: str) -> bool:
    workflows = DBOS.list_workflows(workflow_ids=[job], load_input=False, load_output=False)
    return bool(workflows) and workflows[0].status == "CANCELLED"


def _in_use() -> set[str]:
    """Return the ids of everything that the steps of running jobs have made: tables, snapshots, models."""
    running = DBOS.list_workflows(status="PENDING", load_input=False, load_output=False)
    outputs = [step["output"] for job in running for step in DBOS.list_workflow_steps(job.workflow_id)]
    return {
        value for output in outputs if isinstance(output, dict) for value in output.values() if isinstance(value, str)
    }
