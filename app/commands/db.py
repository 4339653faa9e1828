"""riyl db upgrade."""

from __future__ import annotations

import typer

from app.commands.session import session
from core.db.session import Database, database_url, make_engine
from core.db.upgrade import HEAD

app = typer.Typer(no_args_is_help=True, help="The database: promotions, jobs, keys, evaluations.")


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
