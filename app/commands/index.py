"""Commands `riyl index build`, `list`, `promote`, `rollback`, `verify` and `prune`."""

from __future__ import annotations

import getpass
import os
from dataclasses import asdict
from typing import Annotated, Any

import typer

from riyl.app.commands.options import SnapshotOfModel, TrainedModel
from riyl.app.commands.session import Session, session
from riyl.app.commands.train import open_model
from riyl.app.evaluations.run import quality_ndcg
from riyl.core.db.promotions import Promotion
from riyl.core.errors import FormatError, QualityCheckError
from riyl.index.artifact.version import Version
from riyl.index.build.build import build_version
from riyl.index.versions import lifecycle
from riyl.index.versions.line import snapshot_of_line_for
from riyl.index.versions.promotion import promote_checked
from riyl.index.versions.promotion_policy import Limits
from riyl.index.versions.report import Report

app = typer.Typer(
    no_args_is_help=True, help="Versions of the index that the service answers from. One is the current version."
)

Why = Annotated[str, typer.Option(help="Reason, for the history of promotions.")]


@app.command()
def build(
    context: typer.Context,
    promote: Annotated[bool, typer.Option("--promote", help="Make it the current version if its checks pass.")] = False,
    model: TrainedModel = None,
    snapshot: SnapshotOfModel = None,
    why: Why = "",
) -> None:
    """Build a version of the index.

    A model embeds the artists of a snapshot. The same model and snapshot give the same version.
    """
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
        run.say(f"  without embedding {count:,}: {reason}")
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
            f"version {version.id} failed its quality checks; it is kept but cannot be promoted: {failures}"
        )


def build_newest(run: Session, model: str | None, snapshot: str | None) -> Version:
    """Build a version; the defaults are the newest model, and the newest snapshot that has the model's featurizer.

    Newest is of the current version's catalog; see `riyl.index.versions.line`.
    """
    chosen = open_model(run, model)
    opened = snapshot_of_line_for(run.home, chosen, snapshot, run.tell)
    with run.progress() as progress:
        threads, recall = run.threads, run.settings.quality_min_recall
        return build_version(chosen, opened, run.home.versions, recall=recall, threads=threads, progress=progress)


@app.command("list")
def list_(context: typer.Context) -> None:
    """List the versions, the newest last, and mark the current one."""
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
    version: Annotated[str, typer.Argument(help="Version, by id or a prefix of it.")],
    why: Why = "",
    force: Annotated[bool, typer.Option("--force", help="Promote even if checks refuse; this is recorded.")] = False,
) -> None:
    """Make a version the current one.

    The version is first compared to the current one, and refused if it does not meet the promotion policy: it must
    keep most artists, for example, and its lists must not differ too much. A running service switches to it.
    """
    run = session(context)
    _show(run, promote_judged(run, version, why, force=force))


@app.command()
def rollback(context: typer.Context, why: Why = "") -> None:
    """Return to the version before the last promotion."""
    run = session(context)
    _show(run, lifecycle.rollback(run.home.versions, run.database, by=who(), why=why))


@app.command()
def verify(
    context: typer.Context,
    version: Annotated[str | None, typer.Argument(help="Version, by id [all].")] = None,
) -> None:
    """Check the files of versions for damage.

    Every file is compared to its SHA-256 checksum.
    """
    run = session(context)
    problems = lifecycle.verify(run.home.versions, version)
    run.show(problems)
    for identity, problem in problems.items():
        run.say(f"version {identity}: {problem or 'intact'}")
    if damaged := [identity for identity, problem in problems.items() if problem]:
        raise FormatError(f"found {len(damaged)} of {len(problems)} versions damaged: {', '.join(damaged)}")


@app.command()
def prune(
    context: typer.Context,
    keep: Annotated[int, typer.Option(min=0, help="Number of newest versions to keep.")] = 3,
) -> None:
    """Delete old versions.

    The current version, and the one that a rollback returns to, are always kept.
    """
    run = session(context)
    removed = lifecycle.prune(run.home.versions, run.database, keep=keep)
    run.show(removed)
    run.say(f"removed {len(removed)} versions{': ' if removed else ''}{', '.join(removed)}")


def who() -> str:
    """Return the user who runs the command, for the history."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container's user may have no name
        return str(os.getuid())


def promote_judged(run: Session, version: str, why: str, *, force: bool) -> Promotion:
    """Make a version current if the promotion policy accepts it, or by force.

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
