"""Commands `riyl db upgrade`, `check` and `accept`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from riyl.app.commands.index import who
from riyl.app.commands.session import Session, session
from riyl.app.services.stale_database import settle
from riyl.core.changes.effective import EffectiveChanges
from riyl.core.db.accepting import Differences, acceptances_of, differences
from riyl.core.db.session import Database, database_url, make_engine
from riyl.core.db.upgrade import HEAD
from riyl.core.errors import StaleDatabaseError
from riyl.core.rules import Rule
from riyl.core.storage.earlier_homes import upgrade_home

app = typer.Typer(
    no_args_is_help=True,
    help="Upgrade, check or accept the database. It holds promotions, jobs, keys, evaluations, rules and changes.",
)

BELIEVED = "the database contains everything that this home has read from it"


@app.command()
def upgrade(context: typer.Context) -> None:
    """Upgrade the database to this release.

    Its tables, and the names of files in the home, are brought to this release; their contents are kept.
    """
    from riyl.app.jobs.store import upgrade_jobs

    run = session(context)
    database = Database(make_engine(database_url(run.settings)))
    database.upgrade()
    upgrade_jobs(run.settings, database)
    renamed = upgrade_home(run.home)
    run.show({"schema": HEAD, "renamed": renamed})
    run.say(f"the database is at schema {HEAD}")
    if renamed:
        run.say(f"{run.home.root}: {', '.join(renamed)} renamed from the names of an earlier release")


@app.command()
def check(context: typer.Context) -> None:
    """Check the database for data that it has lost.

    Lists the rules, deletions, merges and promotions that this home has seen and the database lacks, as after a restore
    from an old backup. The exit code is 1 if there are any.
    """
    run = session(context)
    diff = differences(run.database, run.home)
    with run.database.read() as connection:
        before = acceptances_of(connection)
    accepted = [{**asdict(each), "at": each.at.isoformat()} for each in before]
    run.show({"believed": diff is None, **_as_json(diff), "accepted": accepted})
    for each in before:
        run.say(f"accepted by {each.by}, {each.at:%Y-%m-%d %H:%M} UTC: {each.why}")
    if diff is None:
        run.say(BELIEVED)
        return
    _tell(run, diff)
    raise StaleDatabaseError(diff.reason)


@app.command()
def accept(
    context: typer.Context,
    why: Annotated[str, typer.Option(help="Reason, which the database keeps.")],
    by: Annotated[
        str | None, typer.Option(help="Name of the person who accepts it [the user of this command].")
    ] = None,
    as_it_is: Annotated[
        bool,
        typer.Option(
            "--as-it-is", help="Restore nothing: artists that are hidden in this home but not in the database reappear."
        ),
    ] = False,
) -> None:
    """Accept a database that has lost data.

    Use it after a restore from an older backup. The rules, deletions and merges that this home has seen and the
    database lacks are copied into the database, and the home's current version is promoted in it. From then on all
    services and workers trust the database, including those of other homes.
    """
    run = session(context)
    diff = settle(run.home, run.database, by=by or who(), why=why, as_it_is=as_it_is)
    run.show({"accepted": diff is not None, "as_it_is": as_it_is, **_as_json(diff)})
    if diff is None:
        run.say(f"nothing to accept: {BELIEVED}")
        return
    _tell(run, diff)
    run.say("accepted as it is" if as_it_is else "accepted: what it lacked was copied into it")
    run.say("Keys, jobs, evaluations and other changes made since the backup are lost; see riyl keys list")


def _as_json(diff: Differences | None) -> dict[str, Any]:
    """Return the differences as JSON; a tombstone is the artist, and the artist that it was merged into."""
    if diff is None:
        return {}
    of_tombstones = {
        name: [{"artist": each.artist, "into": each.into} for each in tombstones]
        for name, tombstones in (("tombstones", diff.tombstones), ("more_tombstones", diff.more_tombstones))
    }
    return asdict(diff) | of_tombstones


def _tell(run: Session, diff: Differences) -> None:
    """Print one line for each difference between the database and this home."""
    run.say(diff.reason)
    for rule in diff.rules:
        run.say(f"  lacks   {_named(rule)}")
    for each in diff.tombstones:
        run.say(f"  lacks   {_act(each)}")
    if diff.current is not None:
        run.say(f"  current {diff.current_there or 'none'}; this home has {diff.current}")
    for rule in diff.more_rules:
        run.say(f"  has     {_named(rule)}, which this home lacks")
    for each in diff.more_tombstones:
        run.say(f"  has     {_act(each)}, which this home lacks")


def _named(rule: Rule) -> str:
    return f"{rule.kind} {rule.artist}" + (f" {rule.other}" if rule.other else "")


def _act(tombstone: EffectiveChanges) -> str:
    return f"delete {tombstone.artist}" if tombstone.into is None else f"merge {tombstone.artist} into {tombstone.into}"
