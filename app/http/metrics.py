"""The service's metrics, in the form that Prometheus collects."""

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
"""Requests that are counted at once at the latest."""

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
        self._requests: list[tuple[tuple[str, str, int], float]] = []
        self._version = Info("riyl_version", "The index version that serves.", registry=self.registry)
        self._artists = Gauge("riyl_artists", "Artists who are there.", registry=self.registry)
        self._change = Gauge("riyl_last_change", "The last change that answers show.", registry=self.registry)
        self._overlay = Gauge(
            "riyl_live_artists", "Artists changed since the version was made.", registry=self.registry
        )
        self._set_aside = Gauge(
            "riyl_changes_set_aside", "Artists whose changes are not shown, for a fault.", registry=self.registry
        )
        self._taken = Counter("riyl_versions_taken", "Versions taken up since start.", registry=self.registry)
        self._refused = Counter("riyl_versions_refused", "Versions refused since start.", registry=self.registry)
        self._believed = Gauge(
            "riyl_database_believed",
            "1 where the database has what this home has seen of it, or was not reached yet; 0 where it lacks some.",
            registry=self.registry,
        )
        self._believed.set(1)
        self._storage_faults = Gauge(
            "riyl_storage_faults",
            "Files of databases that were damaged, full or read-only when they were used last, within a minute.",
            registry=self.registry,
        )
        self._shed = Counter(
            "riyl_shed", "Requests turned away by overload, by what was full.", ("limiter",), registry=self.registry
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
        """Note a request; `path` is the route's template. It is counted with others, which is cheaper."""
        self._requests.append(((method, path, status), seconds))
        if len(self._requests) >= MAX_NOTED:
            self._count()

    def render(self) -> bytes:
        """All figures as Prometheus collects them."""
        self._count()
        return generate_latest(self.registry)

    def _count(self) -> None:
        noted, self._requests = self._requests, []
        children = {labels: self._seconds.labels(*labels) for labels in {labels for labels, _ in noted}}
        for labels, seconds in noted:
            children[labels].observe(seconds)

    def version_taken(self, version: str, model: str, snapshot: str, artists: int) -> None:
        """Say which version serves from now on."""
        self._version.info({"version": version, "model": model, "snapshot": snapshot})
        self._artists.set(artists)
        self._taken.inc()

    def changes_taken(self, last: int, overlay: int, artists: int) -> None:
        """Say up to which change answers show them, how many artists changed, and how many there are."""
        self._change.set(last)
        self._overlay.set(overlay)
        self._artists.set(artists)

    def changes_set_aside(self, artists: int) -> None:
        """Say of how many artists changes are not shown, for a fault."""
        self._set_aside.set(artists)

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

    def watch_storage(self, faults: Callable[[], Sequence[str]]) -> None:
        """Count the faults of the storage of databases, whenever the figures are collected."""
        self._storage_faults.set_function(lambda: len(faults()))

    def shed(self, limiter: str) -> None:
        """Count a request that found no room."""
        self._shed.labels(limiter).inc()

    def limited(self, by: str) -> None:
        """Count a request of a key or an address that had none left."""
        self._limited.labels(by).inc()
