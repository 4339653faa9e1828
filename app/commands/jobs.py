"""Commands `riyl jobs run`, `list`, `watch`, `cancel` and `adopt`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import ValidationError
from rich.text import Text

from riyl.app.commands.index import who
from riyl.app.commands.rows import say_columns, say_notes, say_rows, say_unread
from riyl.app.commands.session import Bars, Session, session
from riyl.app.commands.streams import path
from riyl.app.jobs.types import PARAMS, Job, JobKind, JobState, Params
from riyl.core.errors import InputError, RiylError

if TYPE_CHECKING:
    from riyl.app.jobs.client import Jobs

app = typer.Typer(no_args_is_help=True, help="Background jobs: re-index, train, evaluate, import. A worker runs them.")

POLL_S = 0.5

Identity = Annotated[str, typer.Argument(help="Job, by id or a prefix of it.")]


@app.command()
def run(
    context: typer.Context,
    kind: Annotated[JobKind, typer.Argument(help="Kind of job.")],
    param: Annotated[
        list[str] | None,
        typer.Option("--param", "-p", help="Parameter as NAME=VALUE; riyl jobs run KIND -p help lists the names."),
    ] = None,
    detach: Annotated[bool, typer.Option("--detach", help="Print the id of the job and exit at once.")] = False,
) -> None:
    """Start a job, and show its progress until it ends."""
    chosen = session(context)
    params = parse(kind, param or [])
    with opened(chosen) as jobs:
        job, joined = jobs.submit(kind, params, by=who())
        chosen.say(f"job {job.id}: {'already waits, joined' if joined else 'submitted'}")
        if detach:
            chosen.show(as_json(job))
            return
        if not jobs.runs(chosen.settings.worker):
            chosen.say("No worker is running: start riyl worker, or riyl serve, which starts one itself.")
        follow(chosen, jobs, job)


@app.command("list")
def list_(
    context: typer.Context,
    kind: Annotated[JobKind | None, typer.Option(help="Only jobs of this kind.")] = None,
    state: Annotated[JobState | None, typer.Option(help="Only jobs in this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of jobs.")] = 20,
) -> None:
    """List the jobs, the newest first."""
    chosen = session(context)
    with opened(chosen) as jobs:
        job_list = jobs.all(kind=kind, state=state, limit=limit)
    chosen.show([as_json(job) for job in job_list])
    rows = [[_short(job), job.kind, job.state, job.by, _when(job.created), _story(job)] for job in job_list]
    chosen.table("jobs", ["job", "kind", "state", "submitted by", "submitted at (UTC)", ""], rows, words=True)


@app.command()
def watch(context: typer.Context, job: Identity) -> None:
    """Show the progress of a job until it ends."""
    chosen = session(context)
    with opened(chosen) as jobs:
        follow(chosen, jobs, jobs.get(job))


@app.command()
def cancel(context: typer.Context, job: Identity) -> None:
    """Cancel a job that waits or runs."""
    chosen = session(context)
    with opened(chosen) as jobs:
        cancelled = jobs.cancel(job)
    chosen.show(as_json(cancelled))
    chosen.say(f"job {cancelled.id}: {cancelled.state}")


@app.command()
def adopt(
    context: typer.Context,
    worker: Annotated[str, typer.Argument(help="Name of the lost worker (its RIYL_WORKER).")],
    force: Annotated[bool, typer.Option("--force", help="Even if the worker still counts as running.")] = False,
) -> None:
    """Hand the jobs of a lost worker to the running ones.

    Use it for a worker that will not start again; PostgreSQL only.
    """
    chosen = session(context)
    with opened(chosen) as jobs:
        adopted = jobs.adopt(worker, force=force)
    chosen.show([as_json(job) for job in adopted])
    chosen.say(f"handed over {len(adopted)} jobs{': ' if adopted else ''}{', '.join(map(_short, adopted))}")


def parse(kind: JobKind, arguments: list[str]) -> Params:
    """Parse the parameters of a job from NAME=VALUE; the values of a list are separated by commas.

    Raises:
        InputError: a name is not a parameter of the job, or a value is wrong; the message lists the names.
    """
    fields = PARAMS[kind].model_fields
    listed = "".join(f"\n  {name}: {field.description}" for name, field in fields.items())
    values: dict[str, Any] = {}
    for item in arguments:
        name, equals, value = item.partition("=")
        if not equals or name not in fields:
            raise InputError(f"found {item!r}; wanted NAME=VALUE with a name of {kind}:{listed}")
        values[name] = value.split(",") if "list" in str(fields[name].annotation) else _placed(name, value)
    try:
        return PARAMS[kind].model_validate(values)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']} (found {e['input']!r})" for e in error.errors())
        raise InputError(f"{kind}: {wrong}") from error


def _placed(name: str, value: str) -> str:
    """Make the path of a folder of tables absolute, since the worker has another working directory.

    Other values are returned unchanged.
    """
    if name not in ("tables", "source"):
        return value
    folder = path(value)
    # a single word that is not a folder here is the id of tables, or a dataset
    return str(folder.absolute()) if len(folder.parts) > 1 or folder.is_dir() else value


def follow(chosen: Session, jobs: Jobs, job: Job) -> None:
    """Show the progress of a job until it has ended.

    Raises:
        RiylError: the job failed or was cancelled.
    """
    with chosen.progress() as bars:
        while not job.state.ended:
            _draw(bars, job)
            time.sleep(POLL_S)
            job = jobs.get(job.id)
    chosen.show(as_json(job))
    if job.state is not JobState.DONE:
        raise RiylError(f"job {job.id} {job.state}{': ' if job.error else ''}{job.error or ''}")
    chosen.say(f"job {job.id}: done; {_story(job)}")
    result = job.result or {}
    say_rows(chosen, result.get("rows", {}))
    say_notes(chosen, result.get("notes", {}), result.get("examples", {}))
    say_columns(chosen, result.get("columns_not_read", {}))
    say_unread(chosen, result.get("files_not_read", {}))


@contextmanager
def opened(chosen: Session) -> Iterator[Jobs]:
    """Open the jobs of the home for the duration of the block."""
    from riyl.app.jobs.client import (
        Jobs,  # imported here, because dbos takes most of a second to load, which would delay the other commands
    )

    jobs = Jobs(chosen.settings, chosen.database)
    try:
        yield jobs
    finally:
        jobs.close()


def as_json(job: Job) -> dict[str, Any]:
    """Convert a job to what JSON holds: times become ISO 8601."""
    return {name: _plain(value) for name, value in asdict(job).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return {name: _plain(each) for name, each in value.items()} if isinstance(value, dict) else value


def _draw(bars: Bars, job: Job) -> None:
    p = job.progress
    if p is None or job.state is JobState.WAITING:
        bars("waiting", 0, 0)
    else:
        bars(f"{p.number}/{p.steps} {p.step}{'' if p.what == p.step else f': {p.what}'}", p.done, p.total)


def _story(job: Job) -> str:
    """Describe the result of a job, or its progress, in a few words."""
    if job.error:
        return str(Text(job.error.split("\n", 1)[0]).plain)[:100]
    if job.result is not None:
        shown = ("version", "promoted", "model", "evaluation", "tables")
        return ", ".join(f"{name} {job.result[name]}" for name in shown if name in job.result)
    p = job.progress
    return "" if p is None else f"step {p.number} of {p.steps}, {p.step}"


def _short(job: Job) -> str:
    """Return the beginning of a job's id, with its number if another job started it."""
    head, dash, number = job.id.partition("-")
    return head[:8] + dash + number


def _when(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S")
