"""Command `riyl worker`."""

from __future__ import annotations

from typing import Annotated

import typer

from riyl.app.commands.session import session, warn_of_variables


def worker(
    context: typer.Context,
    until_closed: Annotated[
        bool, typer.Option("--until-closed", hidden=True, help="End when standard input is closed.")
    ] = False,
) -> None:
    """Run submitted jobs until stopped by SIGTERM.

    An interrupted job resumes when its worker starts again. RIYL_WORKER names the worker. RIYL_REINDEX_CRON, such as
    '0 3 * * *', makes it re-index on that schedule, in UTC. It logs JSON to standard error.
    """
    from riyl.app.http.logging import configure
    from riyl.app.jobs.worker import work

    run = session(context)
    configure(run.settings.log_level if "log_level" in run.settings.model_fields_set else "INFO")
    warn_of_variables()
    work(run.settings, until_closed=until_closed)
