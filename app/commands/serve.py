"""riyl serve."""

from __future__ import annotations

from typing import Annotated

import typer

from app.commands.session import session


def serve(
    context: typer.Context,
    host: Annotated[str, typer.Option(envvar="RIYL_HOST", help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(envvar="RIYL_PORT", min=0, max=65535, help="Port to listen at.")] = 8000,
) -> None:
    """Answer over HTTP from the promoted version, and take up new promotions while running.

    Logs JSON on stderr, one line a request. RIYL_LOG_LEVEL=WARNING leaves the requests out.
    """
    # the server is imported where it is used: the other commands start faster
    from app.logs import configure
    from app.main import create_app
    from app.serving import run as serve_until_signalled

    run = session(context)
    configure(run.settings.log_level if "log_level" in run.settings.model_fields_set else "INFO")
    serve_until_signalled(create_app(run.settings), host, port)
