"""A service of a home on a real port, in a thread, for clients that are no Python."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from riyl.app.http.dependencies import Streams, held
from riyl.app.http.server import server
from riyl.app.main import create_app
from riyl.core.settings import Home, Settings


@contextmanager
def serving(home: Home, settings: Settings | None = None) -> Iterator[str]:
    """Run a service of the home, and return its address."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        app = create_app(settings or Settings(home=home.root), poll_s=0.02, events_s=0.02)
        service = server(app, "127.0.0.1", port, held(app, "streams", Streams).ending)
        thread = threading.Thread(target=service.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            service.should_exit = True
            thread.join()
