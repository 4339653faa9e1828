"""What happens around every request: its id, its log line, its metrics, the headers that every answer has."""

from __future__ import annotations

import logging
import re
import secrets
from http import HTTPStatus
from itertools import count
from time import perf_counter

from fastapi.routing import APIRoute
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    Info,
    PlatformCollector,
    ProcessCollector,
)
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import Act, internal_error, problem, refusal
from app.logs import RequestLog
from core.errors import RiylError

log = logging.getLogger(__name__)

LONGEST_TARGET_BYTES = 16 * 1024
"""Of path and query together, as they came; a name of 10 kB passes, escaped or not it is asked for in vain."""

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
"""Of whatever a browser may show. The JSON that a version answers is no page, and there are many of these answers."""

REFUSED = "refused"
"""The path by which requests are counted that came to no route: without a key, too many, too slow."""

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Metrics:
    """The figures of one app, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._seconds = Histogram(
            "riyl_http_request_seconds",
            "Requests and how long they took, by route template and status.",
            ("method", "path", "status"),
            buckets=BUCKETS_S,
            registry=self.registry,
        )
        self._children: dict[tuple[str, str, int], Histogram] = {}
        self._version = Info("riyl_version", "The index version that serves.", registry=self.registry)
        self._artists = Gauge("riyl_artists", "Artists who are there.", registry=self.registry)
        self._change = Gauge("riyl_last_change", "The last change that answers show.", registry=self.registry)
        self._live = Gauge("riyl_live_artists", "Artists changed since the version was made.", registry=self.registry)
        self._taken = Counter("riyl_versions_taken", "Versions taken up since start.", registry=self.registry)
        self._refused = Counter("riyl_versions_refused", "Versions refused since start.", registry=self.registry)
        self._believed = Gauge(
            "riyl_database_believed",
            "1 where the database has what this home has seen of it, or was not reached yet; 0 where it lacks some.",
            registry=self.registry,
        )
        self._believed.set(1)
        self._shed = Counter(
            "riyl_shed", "Requests turned away by overload, by what was full.", ("gate",), registry=self.registry
        )
        self._limited = Counter(
            "riyl_limited",
            "Requests turned away by rate limits, by whom they count for.",
            ("by",),
            registry=self.registry,
        )
        self._worker: tuple[Gauge, Counter] | None = None
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)

    def request(self, method: str, path: str, status: int, seconds: float) -> None:
        """Count a request; `path` is the route's template."""
        key = (method, path, status)
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = self._seconds.labels(method, path, status)
        child.observe(seconds)

    def version_taken(self, version: str, model: str, snapshot: str, artists: int) -> None:
        """Say which version serves from now on."""
        self._version.info({"version": version, "model": model, "snapshot": snapshot})
        self._artists.set(artists)
        self._taken.inc()

    def changes_taken(self, last: int, live: int, artists: int) -> None:
        """Say up to which change answers show them, how many artists changed, and how many there are."""
        self._change.set(last)
        self._live.set(live)
        self._artists.set(artists)

    def version_refused(self) -> None:
        """Count a version that is not served."""
        self._refused.inc()

    def worker(self, *, running: bool, failed: bool) -> None:
        """Say whether the service's own worker runs, and count one that has ended; there only where it has one."""
        if self._worker is None:
            self._worker = (
                Gauge("riyl_worker_running", "Whether the service's own worker runs.", registry=self.registry),
                Counter("riyl_worker_failures", "Times that it ended by itself.", registry=self.registry),
            )
        state, failures = self._worker
        state.set(running)
        failures.inc(failed)

    def database_believed(self, believed: bool) -> None:
        """Say whether the database is believed."""
        self._believed.set(int(believed))

    def shed(self, gate: str) -> None:
        """Count a request that found no room."""
        self._shed.labels(gate).inc()

    def limited(self, by: str) -> None:
        """Count a request of a key or an address that had none left."""
        self._limited.labels(by).inc()


class Observed:
    """ASGI middleware; pure, because wrapping each request in tasks and streams costs more than answering it.

    Gives the request its id (the client's X-Request-ID where it is sane), logs and counts it, adds the headers that
    every answer has, answers HEAD as GET without the body, and turns errors that nobody caught into answers.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, requests: RequestLog) -> None:
        self._app = app
        self._metrics = metrics
        self._requests = requests
        self._prefix = secrets.token_hex(3)
        self._numbers = count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = perf_counter()
        act = Act(self._request_id(scope))
        method = scope["method"]
        status = 0

        async def observed_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = message["headers"] = [*message["headers"], (b"x-request-id", act.request_id.encode())]
                if act.version is None:
                    own = {name for name, _ in headers}  # a stored report has a policy of its own
                    headers += [header for header in PAGE_HEADERS if header[0] not in own]
                else:
                    headers += ((b"riyl-version", act.version.encode()), NOSNIFF)
            elif method == "HEAD":
                if message.get("more_body"):
                    return
                message = {"type": "http.response.body"}
            await send(message)

        # a scope of our own, so that the server still sees HEAD and sends no body
        inner = scope if method != "HEAD" else {**scope, "method": "GET"}
        inner["riyl"] = act
        try:
            if len(scope["raw_path"]) + len(scope["query_string"]) > LONGEST_TARGET_BYTES:
                await _too_long(act)(inner, receive, observed_send)
            else:
                await self._app(inner, receive, observed_send)
        except Exception as error:
            if isinstance(error, RiylError) and not status:
                inner.setdefault("route", REFUSED)
                await refusal(act, error)(inner, receive, observed_send)
            else:
                log.error("request_failed", extra={"request_id": act.request_id}, exc_info=error)
                # where an answer had begun, the server sees that it did not end, and closes the connection
                if not status:
                    await internal_error(act)(inner, receive, observed_send)
        finally:
            seconds = perf_counter() - start
            path = _template(inner)
            self._metrics.request(method if method in METHODS else "other", path, status, seconds)
            self._requests.add(act.request_id, method, path, status, seconds, act.version)

    def _request_id(self, scope: Scope) -> str:
        for name, value in scope["headers"]:
            if name == b"x-request-id" and SANE_REQUEST_ID.fullmatch(value):
                return str(value, "ascii")
        return f"{self._prefix}-{next(self._numbers):x}"


def _too_long(act: Act) -> ASGIApp:
    detail = f"found more than {LONGEST_TARGET_BYTES} bytes of path and query; wanted at most that"
    return problem(act, HTTPStatus.REQUEST_URI_TOO_LONG, "address too long", detail)


def _template(scope: Scope) -> str:
    """The path by which a request is counted: as few different ones as there are routes, whatever is asked."""
    route = scope.get("route")
    if isinstance(route, APIRoute):
        return route.path_format
    if isinstance(route, str):
        return route
    return "/web" if scope["path"].startswith("/web/") else "unmatched"
