"""riyl index build | list | promote | rollback | verify | prune."""

from __future__ import annotations

import getpass
import os
from dataclasses import asdict
from typing import Annotated, Any

import typer

from riyl.app.commands.session import Session, session
from riyl.app.commands.train import open_model
from riyl.app.evaluations.run import quality_ndcg
from riyl.core.db.promotions import Promotion
from riyl.core.errors import FormatError, QualityCheckError
from riyl.core.storage.model import snapshot_for
from riyl.index.artifact.version import Version
from riyl.index.build.build import build_version
from riyl.index.versions import lifecycle
from riyl.index.versions.promotion import promote_checked
from riyl.index.versions.promotion_policy import Limits
from riyl.index.versions.report import Report

app = typer.Typer(no_args_is_help=True, help="Versions of the index: what the service answers from.")

Why = Annotated[str, typer.Option(help="Reason, for the history.")]


@app.command()
def build(
    context: typer.Context,
    promote: Annotated[bool, typer.Option("--promote", help="Make it current if its quality checks pass.")] = False,
    model: Annotated[str | None, typer.Option(help="Model [the newest].")] = None,
    snapshot: Annotated[str | None, typer.Option(help="Snapshot [the newest that fits the model].")] = None,
    why: Why = "",
) -> None:
    """Embed a snapshot's artists with a model, and make a version of it; the same two give the same version."""
    run = session(context)
    version = build_newest(run, model, snapshot)
    if promote:
        promote_judged(run, version.id, why or "built", force=False)
    run.show(version.manifest)
    counts, quality_checks = version.manifest["counts"], version.manifest["quality_checks"]
    run.say(
        f"version {version.id}: {counts['embedded']:,} of {counts['artists']:,} artists embedded by "
        f"{version.manifest['model_name']}; {'current' if promote else _state(quality_checks)}"
    )
    for reason, count in counts["not_embedded"].items():
        run.say(f"  left out {count:,}: {reason}")
    for check in quality_checks["checks"]:
        run.say(f"  {'ok    ' if check['passed'] else 'FAILED'} {check['name']}: {_figure(check)} ({check['wanted']})")
    if "ivf" in version.manifest:
        probing = version.manifest["ivf"]
        run.say(
            f"  {probing['nprobe']:,} of {probing['nlist']:,} IVF lists are searched: "
            f"recall {probing['recall']:.4f} on {probing['artists']:,} artists"
        )
    if not quality_checks["passed"]:
        failures = Report.of(quality_checks).failures
        raise QualityCheckError(
            f"version {version.id} failed its quality checks; it is kept, and cannot be promoted: {failures}"
        )


def build_newest(run: Session, model: str | None, snapshot: str | None) -> Version:
    """Build a version; of the newest model, and of the newest snapshot that has its featurizer, where none is named."""
    chosen = open_model(run.home.models, model)
    opened = snapshot_for(chosen, run.home.snapshots, snapshot)
    with run.progress() as progress:
        threads, recall = run.threads, run.settings.quality_min_recall
        return build_version(chosen, opened, run.home.versions, recall=recall, threads=threads, progress=progress)


@app.command("list")
def list_(context: typer.Context) -> None:
    """List the versions, the newest last; the current one is marked."""
    run = session(context)
    states, current = lifecycle.states(run.home.versions), lifecycle.current(run.home.versions)
    manifests = [state for state in states.values() if not isinstance(state, FormatError)]
    unreadable = {id: str(state) for id, state in states.items() if isinstance(state, FormatError)}
    listed = [{**manifest, "current": manifest["id"] == current} for manifest in manifests]
    run.show([*listed, *({"id": id, "unreadable": reason} for id, reason in unreadable.items())])
    rows = [
        [
            manifest["id"],
            f"{manifest['model_name']} {manifest['model']}",
            manifest["snapshot"],
            f"{manifest['counts']['embedded']:,} of {manifest['counts']['artists']:,}",
            "current" if manifest["id"] == current else _state(manifest["quality_checks"]),
        ]
        for manifest in manifests
    ]
    rows += [[id, "", "", "", "unreadable"] for id in unreadable]
    run.table("versions", ["id", "model", "snapshot", "artists embedded", "state"], rows)
    for reason in unreadable.values():
        run.say(reason)


@app.command()
def promote(
    context: typer.Context,
    version: Annotated[str, typer.Argument(help="Version, or how its id begins.")],
    why: Why = "",
    force: Annotated[bool, typer.Option("--force", help="Against the promotion policy; that is written down.")] = False,
) -> None:
    """Hold a version against the current one, and make it current; a running service takes it up."""
    run = session(context)
    _show(run, promote_judged(run, version, why, force=force))


@app.command()
def rollback(context: typer.Context, why: Why = "") -> None:
    """Make current what was current before the last promotion."""
    run = session(context)
    _show(run, lifecycle.rollback(run.home.versions, run.database, by=who(), why=why))


@app.command()
def verify(
    context: typer.Context,
    version: Annotated[str | None, typer.Argument(help="Version [all].")] = None,
) -> None:
    """Compare every file of the versions with its sha256."""
    run = session(context)
    problems = lifecycle.verify(run.home.versions, version)
    run.show(problems)
    for identity, problem in problems.items():
        run.say(f"version {identity}: {problem or 'whole'}")
    if damaged := [identity for identity, problem in problems.items() if problem]:
        raise FormatError(f"found {len(damaged)} of {len(problems)} versions damaged: {', '.join(damaged)}")


@app.command()
def prune(
    context: typer.Context,
    keep: Annotated[int, typer.Option(min=0, help="Newest versions to keep.")] = 3,
) -> None:
    """Remove old versions; never the current one, nor the one that a rollback goes to."""
    run = session(context)
    removed = lifecycle.prune(run.home.versions, run.database, keep=keep)
    run.show(removed)
    run.say(f"removed {len(removed)} versions{': ' if removed else ''}{', '.join(removed)}")


def who() -> str:
    """The user who runs this, for the history."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container's user may have no name
        return str(os.getuid())


def promote_judged(run: Session, version: str, why: str, *, force: bool) -> Promotion:
    """Make a version current if the promotion policy lets it through, or by force.

    Raises:
        QualityCheckError: the promotion policy refuses it.
    """
    return promote_checked(
        run.home.versions,
        run.database,
        version,
        Limits.of(run.settings),
        by=who(),
        why=why,
        force=force,
        ndcg=quality_ndcg(run.settings),
    )


def _show(run: Session, entry: Promotion) -> None:
    run.show({**asdict(entry), "at": entry.at.isoformat()})
    run.say(f"current is {entry.version}")


def _state(quality_checks: dict[str, Any]) -> str:
    return "ready" if quality_checks["passed"] else "failed its quality checks"


def _figure(check: dict[str, Any]) -> str:
    return f"{check['found']:,}" if isinstance(check["found"], int) else f"{check['found']:.6g}"
