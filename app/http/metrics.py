"""Metrics of the service, in the format of Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    Info,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

MAX_NOTED = 1000
"""Maximum number of requests that wait to be counted."""

BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Metrics:
    """Metrics of one app, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._seconds = Histogram(
            "riyl_http_request_seconds",
            "Duration of requests, in seconds, by route template and status.",
            ("method", "path", "status"),
            buckets=BUCKETS_S,
            registry=self.registry,
        )
        self._requests: list[tuple[tuple[str, str, int], float]] = []
        self._version = Info("riyl_version", "The serving index version.", registry=self.registry)
        self._artists = Gauge("riyl_artists", "Artists that can be found.", registry=self.registry)
        self._change = Gauge("riyl_last_change", "The last change that responses show.", registry=self.registry)
        self._overlay = Gauge(
            "riyl_live_artists", "Artists changed since the version was made.", registry=self.registry
        )
        self._set_aside = Gauge(
            "riyl_changes_set_aside", "Artists whose changes are not shown because of a fault.", registry=self.registry
        )
        self._taken = Counter("riyl_versions_taken", "Versions loaded since start.", registry=self.registry)
        self._refused = Counter("riyl_versions_refused", "Versions refused since start.", registry=self.registry)
        self._believed = Gauge(
            "riyl_database_believed",
            "1 where the database has all records this home has seen, or was not reached yet; 0 where it lacks some.",
            registry=self.registry,
        )
        self._believed.set(1)
        self._storage_faults = Gauge(
            "riyl_storage_faults",
            "Database files that were damaged, full or read-only at their last use, within the last minute.",
            registry=self.registry,
        )
        self._shed = Counter(
            "riyl_shed", "Requests refused because of overload, by limiter.", ("limiter",), registry=self.registry
        )
        self._limited = Counter(
            "riyl_limited",
            "Requests refused by rate limits, by key or address.",
            ("by",),
            registry=self.registry,
        )
        self._unmapped = Counter(
            "riyl_unmapped_artists",
            "Requests in AudioMuse-AI's format that name an artist by an id or a name without an artist.",
            registry=self.registry,
        )
        self._worker: tuple[Gauge, Counter] | None = None
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)

    def request(self, method: str, path: str, status: int, seconds: float) -> None:
        """Add a request; `path` is the route's template. Requests are counted in groups, which is cheaper."""
        self._requests.append(((method, path, status), seconds))
        if len(self._requests) >= MAX_NOTED:
            self._count()

    def render(self) -> bytes:
        """Return all metrics in the format of Prometheus."""
        self._count()
        return generate_latest(self.registry)

    def _count(self) -> None:
        noted, self._requests = self._requests, []
        children = {labels: self._seconds.labels(*labels) for labels in {labels for labels, _ in noted}}
        for labels, seconds in noted:
            children[labels].observe(seconds)

    def version_taken(self, version: str, model: str, snapshot: str, artists: int) -> None:
        """Record the version that serves from now on."""
        self._version.info({"version": version, "model": model, "snapshot": snapshot})
        self._artists.set(artists)
        self._taken.inc()

    def changes_taken(self, last: int, overlay: int, artists: int) -> None:
        """Record the last change that responses show, the number of changed artists, and the number of all artists."""
        self._change.set(last)
        self._overlay.set(overlay)
        self._artists.set(artists)

    def changes_set_aside(self, artists: int) -> None:
        """Record the number of artists whose changes are not shown because of a fault."""
        self._set_aside.set(artists)

    def artist_unmapped(self) -> None:
        """Count a request that names an artist by an id or a name without an artist."""
        self._unmapped.inc()

    def version_refused(self) -> None:
        """Count a refused version."""
        self._refused.inc()

    def worker(self, *, running: bool, failed: bool) -> None:
        """Record whether the service's own worker runs, and count a failure.

        Its metrics exist only in a service that has a worker of its own.
        """
        if self._worker is None:
            self._worker = (
                Gauge("riyl_worker_running", "Whether the service's own worker runs.", registry=self.registry),
                Counter("riyl_worker_failures", "Times that the worker ended by itself.", registry=self.registry),
            )
        state, failures = self._worker
        state.set(running)
        failures.inc(failed)

    def database_believed(self, believed: bool) -> None:
        """Record whether the database is believed."""
        self._believed.set(int(believed))

    def watch_storage(self, faults: Callable[[], Sequence[str]]) -> None:
        """Count the storage faults of databases whenever metrics are collected."""
        self._storage_faults.set_function(lambda: len(faults()))

    def shed(self, limiter: str) -> None:
        """Count a request that a limiter refused."""
        self._shed.labels(limiter).inc()

    def limited(self, by: str) -> None:
        """Count a request of a key or an address that had reached its rate limit."""
        self._limited.labels(by).inc()
