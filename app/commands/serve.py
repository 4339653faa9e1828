"""riyl serve."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from ipaddress import ip_address
from typing import Annotated

import typer

from app.commands.session import session

log = logging.getLogger(__name__)


def serve(
    context: typer.Context,
    host: Annotated[str, typer.Option(envvar="RIYL_HOST", help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(envvar="RIYL_PORT", min=0, max=65535, help="Port to listen at.")] = 8000,
    worker: Annotated[
        bool | None,
        typer.Option("--worker/--no-worker", help="Start a worker too [with SQLite]", show_default=False),
    ] = None,
) -> None:
    """Answer over HTTP from the promoted version, take up new promotions, and run jobs in a worker of its own.

    Logs JSON on stderr, one line a request. RIYL_LOG_LEVEL=WARNING leaves the requests out.
    """
    # the server is imported where it is used: the other commands start faster
    from app.jobs.child import OwnWorker
    from app.logs import configure
    from app.main import create_app
    from app.serving import run as serve_until_signalled

    run = session(context)
    configure(run.settings.log_level if "log_level" in run.settings.model_fields_set else "INFO")
    if not (run.settings.require_key or _is_loopback(host)):
        log.warning("open_to_all", extra={"host": host, "hint": "RIYL_REQUIRE_KEY=true lets in those with a key alone"})
    with ExitStack() as stack:

        def start_worker() -> None:
            stack.enter_context(OwnWorker(run.settings))

        own = run.database.is_sqlite if worker is None else worker
        # after the first answer, which it would slow down
        serve_until_signalled(create_app(run.settings), host, port, when_started=start_worker if own else None)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
