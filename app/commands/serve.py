"""Command `riyl serve`."""

from __future__ import annotations

import errno
import logging
import os
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from riyl.app.commands.session import session, warn_of_variables
from riyl.core.errors import RiylError
from riyl.core.setting_checks import SERVICE_LINK
from riyl.core.settings import Settings

log = logging.getLogger(__name__)


def serve(
    context: typer.Context,
    host: Annotated[str | None, typer.Option(help="Address to listen on [RIYL_HOST, else 127.0.0.1].")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port to listen on [RIYL_PORT, else 8000].")
    ] = None,
    worker: Annotated[
        bool | None, typer.Option("--worker/--no-worker", help="Also start a worker, which runs jobs [with SQLite].")
    ] = None,
) -> None:
    """Run the service, which answers over HTTP.

    It answers from the current version of the index, switches to another version when one is promoted, and runs jobs in
    a worker process of its own. It logs JSON to standard error, one line per request; RIYL_LOG_LEVEL=WARNING omits the
    requests.
    """
    # imported here, so that the other commands start faster
    from riyl.app.http.dependencies import held
    from riyl.app.http.hosts import is_loopback
    from riyl.app.http.logging import configure
    from riyl.app.http.server import run as serve_until_signalled
    from riyl.app.jobs.child import OwnWorker, WorkerMonitor
    from riyl.app.main import create_app

    run = session(context)
    configure(run.settings.log_level if "log_level" in run.settings.model_fields_set else "INFO")
    warn_of_variables()
    host, port = host or run.settings.host, port_of(run.settings) if port is None else port
    if not (run.settings.require_key or is_loopback(host)):
        log.warning("open_to_all", extra={"host": host, "hint": "RIYL_REQUIRE_KEY=true requires a key"})
    if run.database.is_sqlite:
        _check_writable(run.home.root)
    service = create_app(run.settings.model_copy(update={"host": host}))
    with ExitStack() as stack:

        def start_worker() -> None:
            stack.enter_context(OwnWorker(run.settings, held(service, "own_worker", WorkerMonitor)))

        with_worker = run.database.is_sqlite if worker is None else worker
        # the worker starts after the server, whose first answer it would delay
        serve_until_signalled(service, host, port, when_started=start_worker if with_worker else None)


def _check_writable(home: Path) -> None:
    """Refuse a home that is not writable: whether SQLite works there depends on what other processes have open.

    Raises:
        RiylError: the home is not writable.
    """
    if not os.access(home, os.W_OK):
        reason = os.strerror(errno.EROFS if os.statvfs(home).f_flag & os.ST_RDONLY else errno.EACCES)
        raise RiylError(
            f"{home}: {reason}; a service keeps rules, keys, changes and jobs there: make it writable, or give "
            "PostgreSQL's address in RIYL_DATABASE_URL"
        )


def port_of(settings: Settings) -> int:
    """Return the configured port; warn if RIYL_PORT holds an orchestrator's service address instead of a port."""
    value = os.environ.get("RIYL_PORT", "")
    if SERVICE_LINK.fullmatch(value):
        hint = "orchestrators set it for a service named riyl; name the port with --port, or switch service links off"
        log.warning("port_is_a_service_link", extra={"RIYL_PORT": value, "port": settings.port, "hint": hint})
    return settings.port
