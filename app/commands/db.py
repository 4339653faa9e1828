"""riyl db upgrade | check | accept."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from app.commands.index import who
from app.commands.session import Session, session
from app.settling import settle
from core.changes import Standing
from core.db.accepting import Differences, acceptances_of, differences
from core.db.session import Database, database_url, make_engine
from core.db.upgrade import HEAD
from core.errors import StaleDatabaseError
from core.rules import Rule

app = typer.Typer(no_args_is_help=True, help="The database: promotions, jobs, keys, evaluations, rules, changes.")

BELIEVED = "the database has everything that this home has seen of it"


@app.command()
def upgrade(context: typer.Context) -> None:
    """Bring the database's tables to what this release needs; what is in them stays."""
    from app.jobs.store import upgrade_jobs

    run = session(context)
    database = Database(make_engine(database_url(run.settings)))
    database.upgrade()
    upgrade_jobs(run.settings, database)
    run.show({"schema": HEAD})
    run.say(f"the database is at schema {HEAD}")


@app.command()
def check(context: typer.Context) -> None:
    """Say whether the database has what this home has seen of it, and what it lacks; exit 1 where it lacks some."""
    run = session(context)
    found = differences(run.database, run.home)
    with run.database.read() as connection:
        before = acceptances_of(connection)
    told = [{**asdict(each), "at": each.at.isoformat()} for each in before]
    run.show({"believed": found is None, **_as_json(found), "accepted": told})
    for each in before:
        run.say(f"accepted by {each.by}, {each.at:%Y-%m-%d %H:%M} UTC: {each.why}")
    if found is None:
        run.say(BELIEVED)
        return
    _tell(run, found)
    raise StaleDatabaseError(found.reason)


@app.command()
def accept(
    context: typer.Context,
    why: Annotated[str, typer.Option(help="Reason, kept in the database.")],
    by: Annotated[str | None, typer.Option(help="Who accepts it [the user].", show_default=False)] = None,
    as_it_is: Annotated[
        bool,
        typer.Option("--as-it-is", help="Bring nothing in: what the database does not hide is shown again."),
    ] = False,
) -> None:
    """Settle a database that is not believed, as one is that was restored from an older backup.

    The rules, deletions and merges that this home has seen and the database lacks are brought into it, and the home's
    current version is promoted in it. Services and workers go by the database from then on, those of other homes too.
    """
    run = session(context)
    found = settle(run.home, run.database, by=by or who(), why=why, as_it_is=as_it_is)
    run.show({"accepted": found is not None, "as_it_is": as_it_is, **_as_json(found)})
    if found is None:
        run.say(f"nothing to accept: {BELIEVED}")
        return
    _tell(run, found)
    run.say("accepted as it is" if as_it_is else "accepted: what it lacked was brought in")
    run.say("Keys, jobs, evaluations and other changes made since the backup are not in it; see riyl keys list")


def _as_json(found: Differences | None) -> dict[str, Any]:
    """The differences as JSON; of a tombstone the artist, and the one that it was merged into."""
    if found is None:
        return {}
    of_tombstones = {
        name: [{"artist": each.artist, "into": each.into} for each in tombstones]
        for name, tombstones in (("tombstones", found.tombstones), ("more_tombstones", found.more_tombstones))
    }
    return asdict(found) | of_tombstones


def _tell(run: Session, found: Differences) -> None:
    """Each thing in which the database differs, a line each."""
    run.say(found.reason)
    for rule in found.rules:
        run.say(f"  lacks   {_named(rule)}")
    for each in found.tombstones:
        run.say(f"  lacks   {_act(each)}")
    if found.current is not None:
        run.say(f"  current {found.current_there or 'none'}; this home has {found.current}")
    for rule in found.more_rules:
        run.say(f"  has     {_named(rule)}, which this home has not")
    for each in found.more_tombstones:
        run.say(f"  has     {_act(each)}, which this home has not")


def _named(rule: Rule) -> str:
    return f"{rule.kind} {rule.artist}" + (f" {rule.other}" if rule.other else "")


def _act(tombstone: Standing) -> str:
    return f"delete {tombstone.artist}" if tombstone.into is None else f"merge {tombstone.artist} into {tombstone.into}"
