"""riyl jobs run | list | watch | cancel | adopt."""

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

app = typer.Typer(no_args_is_help=True, help="Jobs: re-index, train, evaluate, import; a worker runs them.")

POLL_S = 0.5

Identity = Annotated[str, typer.Argument(help="Job, or how its id begins.")]


@app.command()
def run(
    context: typer.Context,
    kind: Annotated[JobKind, typer.Argument(help="What to do.")],
    param: Annotated[
        list[str] | None, typer.Option("--param", "-p", help="NAME=VALUE; riyl jobs run KIND -p help lists them.")
    ] = None,
    detach: Annotated[bool, typer.Option("--detach", help="Print the job's id and leave it.")] = False,
) -> None:
    """Ask for a job, and watch it to its end."""
    chosen = session(context)
    params = parse(kind, param or [])
    with opened(chosen) as jobs:
        job, joined = jobs.submit(kind, params, by=who())
        chosen.say(f"job {job.id}: {'joined the one that waits' if joined else 'asked for'}")
        if detach:
            chosen.show(as_json(job))
            return
        if not jobs.runs(chosen.settings.worker):
            chosen.say("No worker runs now: start riyl worker, or riyl serve, which has one of its own.")
        follow(chosen, jobs, job)


@app.command("list")
def list_(
    context: typer.Context,
    kind: Annotated[JobKind | None, typer.Option(help="Only these.")] = None,
    state: Annotated[JobState | None, typer.Option(help="Only these.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many.")] = 20,
) -> None:
    """List the jobs, the newest first."""
    chosen = session(context)
    with opened(chosen) as jobs:
        job_list = jobs.all(kind=kind, state=state, limit=limit)
    chosen.show([as_json(job) for job in job_list])
    rows = [[_short(job), job.kind, job.state, job.by, _when(job.created), _story(job)] for job in job_list]
    chosen.table("jobs", ["job", "kind", "state", "asked by", "asked at (UTC)", ""], rows, words=True)


@app.command()
def watch(context: typer.Context, job: Identity) -> None:
    """Watch a job to its end."""
    chosen = session(context)
    with opened(chosen) as jobs:
        follow(chosen, jobs, jobs.get(job))


@app.command()
def cancel(context: typer.Context, job: Identity) -> None:
    """Cancel a job."""
    chosen = session(context)
    with opened(chosen) as jobs:
        cancelled = jobs.cancel(job)
    chosen.show(as_json(cancelled))
    chosen.say(f"job {cancelled.id}: {cancelled.state}")


@app.command()
def adopt(
    context: typer.Context,
    worker: Annotated[str, typer.Argument(help="The lost worker's name (RIYL_WORKER).")],
    force: Annotated[bool, typer.Option("--force", help="Even though it still holds its place.")] = False,
) -> None:
    """Hand the jobs of a worker that will not come back to those that live (PostgreSQL)."""
    chosen = session(context)
    with opened(chosen) as jobs:
        adopted = jobs.adopt(worker, force=force)
    chosen.show([as_json(job) for job in adopted])
    chosen.say(f"handed over {len(adopted)} jobs{': ' if adopted else ''}{', '.join(map(_short, adopted))}")


def parse(kind: JobKind, arguments: list[str]) -> Params:
    """The params of a job from NAME=VALUE; a list's values have commas between.

    Raises:
        InputError: a name that the job does not know, or a wrong value; lists the names.
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
    """A folder of tables as the worker finds it, whose working directory is another; any other value as it is."""
    if name not in ("tables", "source"):
        return value
    folder = path(value)
    # what is one word and no folder here is the id of tables, or a dataset
    return str(folder.absolute()) if len(folder.parts) > 1 or folder.is_dir() else value


def follow(chosen: Session, jobs: Jobs, job: Job) -> None:
    """Show a job's progress until it has ended.

    Raises:
        RiylError: it failed or was cancelled.
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
    """The jobs of the home, for the block."""
    from riyl.app.jobs.client import (
        Jobs,  # here, for dbos takes most of a second, which the other commands need not wait for
    )

    jobs = Jobs(chosen.settings, chosen.database)
    try:
        yield jobs
    finally:
        jobs.close()


def as_json(job: Job) -> dict[str, Any]:
    """A job as JSON knows it: times in ISO 8601."""
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
    """The end of a job, or how far it is, in a few words."""
    if job.error:
        return str(Text(job.error.split("\n", 1)[0]).plain)[:100]
    if job.result is not None:
        shown = ("version", "promoted", "model", "evaluation", "tables")
        return ", ".join(f"{name} {job.result[name]}" for name in shown if name in job.result)
    p = job.progress
    return "" if p is None else f"step {p.number} of {p.steps}, {p.step}"


def _short(job: Job) -> str:
    """The beginning of a job's id; of one that another job asked for its number too."""
    head, dash, number = job.id.partition("-")
    return head[:8] + dash + number


def _when(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S")
