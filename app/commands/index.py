"""riyl index build | list | promote | rollback | verify | prune."""

from __future__ import annotations

import getpass
import os
from dataclasses import asdict
from typing import Annotated, Any

import typer

from app.commands.session import Session, session
from app.commands.train import open_model
from app.evaluating import gate_ndcg
from app.promoting import promote_checked
from core.db.promotions import Promotion
from core.errors import FormatError, GateError
from core.model import snapshot_for
from index import versions
from index.artifact import Version
from index.build import build_version
from index.policy import Limits
from index.report import Report

app = typer.Typer(no_args_is_help=True, help="Versions of the index: what the service answers from.")

Why = Annotated[str, typer.Option(help="Reason, for the history.")]


@app.command()
def build(
    context: typer.Context,
    promote: Annotated[bool, typer.Option("--promote", help="Make it current if it passes its gate.")] = False,
    model: Annotated[str | None, typer.Option(help="Model [the newest].", show_default=False)] = None,
    snapshot: Annotated[
        str | None, typer.Option(help="Snapshot [the newest that fits the model].", show_default=False)
    ] = None,
    why: Why = "",
) -> None:
    """Embed a snapshot's artists with a model, and make a version of it; the same two give the same version."""
    run = session(context)
    version = build_newest(run, model, snapshot)
    if promote:
        promote_judged(run, version.id, why or "built", force=False)
    run.show(version.manifest)
    counts, gate = version.manifest["counts"], version.manifest["gate"]
    run.say(
        f"version {version.id}: {counts['embedded']:,} of {counts['artists']:,} artists embedded by "
        f"{version.manifest['model_name']}; {'current' if promote else _state(gate)}"
    )
    for reason, count in counts["left_out"].items():
        run.say(f"  left out {count:,}: {reason}")
    for check in gate["checks"]:
        run.say(f"  {'ok    ' if check['passed'] else 'FAILED'} {check['name']}: {_figure(check)} ({check['wanted']})")
    if "cells" in version.manifest:
        cells = version.manifest["cells"]
        run.say(
            f"  {cells['searched']:,} of {cells['cells']:,} cells are searched: recall {cells['recall']:.4f} on "
            f"{cells['artists']:,} artists"
        )
    if not gate["passed"]:
        failures = Report.of(gate).failures
        raise GateError(f"version {version.id} failed its gate; it is kept, and cannot be promoted: {failures}")


def build_newest(run: Session, model: str | None, snapshot: str | None) -> Version:
    """Build a version; of the newest model, and of the newest snapshot that has its basis, where none is named."""
    chosen = open_model(run.home.models, model)
    opened = snapshot_for(chosen, run.home.snapshots, snapshot)
    with run.progress() as progress:
        threads, recall = run.settings.threads or os.cpu_count() or 1, run.settings.gate_min_recall
        return build_version(chosen, opened, run.home.versions, recall=recall, threads=threads, progress=progress)


@app.command("list")
def list_(context: typer.Context) -> None:
    """List the versions, the newest last; the current one is marked."""
    run = session(context)
    found, current = versions.versions(run.home.versions), versions.current(run.home.versions)
    run.show([{**manifest, "current": manifest["id"] == current} for manifest in found])
    rows = [
        [
            manifest["id"],
            f"{manifest['model_name']} {manifest['model']}",
            manifest["snapshot"],
            f"{manifest['counts']['embedded']:,} of {manifest['counts']['artists']:,}",
            "current" if manifest["id"] == current else _state(manifest["gate"]),
        ]
        for manifest in found
    ]
    run.table("versions", ["id", "model", "snapshot", "artists embedded", "state"], rows)


@app.command()
def promote(
    context: typer.Context,
    version: Annotated[str, typer.Argument(help="Version, or how its id begins.")],
    why: Why = "",
    force: Annotated[bool, typer.Option("--force", help="Against the gate; that is written down.")] = False,
) -> None:
    """Hold a version against the current one, and make it current; a running service takes it up."""
    run = session(context)
    _show(run, promote_judged(run, version, why, force=force))


@app.command()
def rollback(context: typer.Context, why: Why = "") -> None:
    """Make current what was current before the last promotion."""
    run = session(context)
    _show(run, versions.rollback(run.home.versions, run.database, by=who(), why=why))


@app.command()
def verify(
    context: typer.Context,
    version: Annotated[str | None, typer.Argument(help="Version [all].", show_default=False)] = None,
) -> None:
    """Compare every file of the versions with its sha256."""
    run = session(context)
    found = versions.verify(run.home.versions, version)
    run.show(found)
    for identity, problem in found.items():
        run.say(f"version {identity}: {problem or 'whole'}")
    if damaged := [identity for identity, problem in found.items() if problem]:
        raise FormatError(f"found {len(damaged)} of {len(found)} versions damaged: {', '.join(damaged)}")


@app.command()
def prune(
    context: typer.Context,
    keep: Annotated[int, typer.Option(min=0, help="Newest versions to keep.")] = 3,
) -> None:
    """Remove old versions; never the current one, nor the one that a rollback goes to."""
    run = session(context)
    gone = versions.prune(run.home.versions, run.database, keep=keep)
    run.show(gone)
    run.say(f"removed {len(gone)} versions{': ' if gone else ''}{', '.join(gone)}")


def who() -> str:
    """The user who runs this, for the history."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container's user may have no name
        return str(os.getuid())


def promote_judged(run: Session, version: str, why: str, *, force: bool) -> Promotion:
    """Make a version current if the gate lets it through, or by force.

    Raises:
        GateError: the gate refuses it.
    """
    return promote_checked(
        run.home.versions,
        run.database,
        version,
        Limits.of(run.settings),
        by=who(),
        why=why,
        force=force,
        ndcg=gate_ndcg(run.settings),
    )


def _show(run: Session, entry: Promotion) -> None:
    run.show({**asdict(entry), "at": entry.at.isoformat()})
    run.say(f"current is {entry.version}")


def _state(gate: dict[str, Any]) -> str:
    return "ready" if gate["passed"] else "failed its gate"


def _figure(check: dict[str, Any]) -> str:
    return f"{check['found']:,}" if isinstance(check["found"], int) else f"{check['found']:.6g}"
