"""Middleware around every request: its id, its log line, its metrics, and the headers that every response has."""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
from collections.abc import Mapping
from itertools import count
from time import perf_counter

from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from riyl.app.http.errors import error_response, status_of
from riyl.app.http.hosts import ALWAYS_ANSWERED, AllowedHosts
from riyl.app.http.logging import RequestLog
from riyl.app.http.metrics import Metrics
from riyl.app.http.request_errors import EndingError, HostError, TargetTooLongError
from riyl.app.http.request_scope import KEY, RequestContext
from riyl.app.http.route_facts import RouteFacts

log = logging.getLogger(__name__)

MAX_TARGET_BYTES = 16 * 1024
"""Maximum size of path and query together, in bytes as received. A name of 10 kB fits, though no artist has one."""

SANE_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,64}")

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
NOSNIFF = (b"x-content-type-options", b"nosniff")
PAGE_HEADERS = [
    NOSNIFF,
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"referrer-policy", b"no-referrer"),
]
"""Headers of everything that a browser may show. The JSON that a version answers is not a page, and it is frequent."""

REFUSED = "refused"
"""Path under which requests are counted that reached no route: without a key, too many, too slow."""

MAX_SHOWN_HOST = 100
"""Maximum number of characters of a header Host that an error shows."""

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class RequestContextMiddleware:
    """ASGI middleware; pure, because wrapping each request in tasks and streams costs more than answering it.

    It gives the request its id (the client's X-Request-ID where it is valid), logs and counts it, adds the headers that
    every response has, answers HEAD as GET without the body, and turns uncaught errors into responses.

    Args:
        hosts: hosts that the service answers for; None for all.
        dialects: facts of the paths that speak the protocol of another service.
    """

    def __init__(
        self,
        app: ASGIApp,
        metrics: Metrics,
        requests: RequestLog,
        hosts: AllowedHosts | None = None,
        dialects: Mapping[str, RouteFacts] | None = None,
    ) -> None:
        self._app = app
        self._hosts = hosts
        self._dialects = dialects or {}
        self._metrics = metrics
        self._requests = requests
        self._prefix = secrets.token_hex(3)
        self._numbers = count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = perf_counter()
        method = scope["method"]
        context = RequestContext(self._request_id(scope), is_head=method == "HEAD")
        if (facts := self._dialects.get(scope["path"])) is not None:
            context.dialect = facts.dialect
        status = 0

        async def observed_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = message["headers"] = [*message["headers"], (b"x-request-id", context.request_id.encode())]
                if context.version is None:
                    header_names = {name for name, _ in headers}  # a stored report has a policy of its own
                    headers += [header for header in PAGE_HEADERS if header[0] not in header_names]
                else:
                    headers += ((b"riyl-version", context.version.encode()), NOSNIFF)
            elif method == "HEAD":
                if message.get("more_body"):
                    return
                message = {"type": "http.response.body"}
            await send(message)

        # a copy of the scope, so that the server still sees HEAD and sends no body
        inner = scope if method != "HEAD" else {**scope, "method": "GET"}
        inner[KEY] = context
        try:
            if len(scope["raw_path"]) + len(scope["query_string"]) > MAX_TARGET_BYTES:
                raise TargetTooLongError(
                    f"found more than {MAX_TARGET_BYTES} bytes of path and query; wanted at most that"
                )
            if self._hosts is not None and scope["path"] not in ALWAYS_ANSWERED:
                _check_host(scope, self._hosts)
            await self._app(inner, receive, observed_send)
        except asyncio.CancelledError:
            # the server shuts down, and has waited for this request for as long as it may
            if status:
                raise
            inner.setdefault("route", REFUSED)
            await error_response(EndingError(), inner)(inner, receive, observed_send)
        except Exception as error:
            if status_of(error) is None:
                log.error("request_failed", extra={"request_id": context.request_id}, exc_info=error)
            # if the response had begun, the server sees that it did not end, and closes the connection
            if not status:
                inner.setdefault("route", REFUSED)
                await error_response(error, inner)(inner, receive, observed_send)
        finally:
            seconds = perf_counter() - start
            path = _template(inner)
            self._metrics.request(method if method in METHODS else "other", path, status, seconds)
            self._requests.add(context.request_id, method, path, status, seconds, context.version)

    def _request_id(self, scope: Scope) -> str:
        for name, value in scope["headers"]:
            if name == b"x-request-id" and SANE_REQUEST_ID.fullmatch(value):
                return str(value, "ascii")
        return f"{self._prefix}-{next(self._numbers):x}"


def _check_host(scope: Scope, hosts: AllowedHosts) -> None:
    """Check that a request names exactly one host, and that the service answers for it.

    Raises:
        HostError: it does not.
    """
    values = [value for name, value in scope["headers"] if name == b"host"]
    if len(values) != 1 or not hosts.allows(values[0]):
        shown = " and ".join(repr(value[:MAX_SHOWN_HOST].decode("latin-1")) for value in values[:2]) or "no host"
        raise HostError(f"Host: found {shown}; wanted a host of RIYL_ALLOWED_HOSTS, or localhost on this machine")


def _template(scope: Scope) -> str:
    """Return the path under which a request is counted; there are as few as routes, whatever clients request."""
    route = scope.get("route")
    if isinstance(route, APIRoute):
        return route.path_format
    if isinstance(route, str):
        return route
    root: str = scope["root_path"]  # of files, where they are mounted
    return root.removeprefix(scope.get("app_root_path", root)) or "unmatched"
