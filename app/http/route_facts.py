"""Facts of a route that access, limits and the OpenAPI document depend on: declared beside the route, once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from fastapi.routing import RouteContext, iter_route_contexts
from starlette.routing import BaseRoute, Mount

from riyl.app.http.dialect import Dialect
from riyl.core.db.keys import Role

MAX_BODY_BYTES = 64 << 10
"""Maximum request body of a route that declares no other size, in bytes."""


class Concurrency(StrEnum):
    """Classes of requests with places of their own: requests that wait for one resource do not block the others.

    `questions` are answered from the serving version; `batches` are thousands of questions, which take seconds;
    `database` is everything that may wait for the database; `uploads` are arriving files; `streams` are responses that
    do not end by themselves, and hold their place to the end; `exports` are responses with the whole catalog, which
    hold theirs as long; `upstream` wait for another service; `heavy` are questions and batches that need much memory
    to explain, which take that place besides their own once they are read.
    """

    QUESTIONS = "questions"
    BATCHES = "batches"
    DATABASE = "database"
    UPLOADS = "uploads"
    STREAMS = "streams"
    EXPORTS = "exports"
    UPSTREAM = "upstream"
    HEAVY = "heavy"


Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


@dataclass(frozen=True)
class RouteFacts:
    """Facts of a route; a decorator of its endpoint, below the decorator of the path.

    Attributes:
        role: role of the key that a request needs; None where it needs no key, see `is_open`.
        concurrency: class whose places a request takes.
        max_body_bytes: maximum request body, in bytes.
        streams_body: the route reads the body itself, as it arrives; else the body is read before the route runs.
        is_open: answered at once, without key, place or rate limit, under all settings: pages, health and metrics.
        dialect: protocol of another service that the route speaks; None for RIYL's own API.
    """

    role: Role | None = None
    concurrency: Concurrency = Concurrency.DATABASE
    max_body_bytes: int = MAX_BODY_BYTES
    streams_body: bool = False
    is_open: bool = False
    dialect: Dialect | None = None

    def __call__(self, endpoint: Endpoint) -> Endpoint:
        """Declare the facts of an endpoint."""
        _FACTS[endpoint] = self
        return endpoint


NO_FACTS = RouteFacts()
"""Facts of an endpoint that declares none, and of a path without a route."""

OPEN = RouteFacts(is_open=True)

_FACTS: dict[Callable[..., Any], RouteFacts] = {}


def facts_of(endpoint: Callable[..., Any] | None) -> RouteFacts:
    """Return the facts that an endpoint declares, else `NO_FACTS`."""
    return NO_FACTS if endpoint is None else _FACTS.get(endpoint, NO_FACTS)


@dataclass(frozen=True)
class OpenPaths:
    """Paths that are answered under all settings; every other path is closed, also one without a route.

    Attributes:
        paths: paths of open routes.
        prefixes: prefixes of mounted folders of files.
    """

    paths: frozenset[str]
    prefixes: tuple[str, ...]

    @staticmethod
    def of(routes: Iterable[BaseRoute]) -> OpenPaths:
        """Collect the open paths of the routes of an application."""
        contexts = list(iter_route_contexts(list[BaseRoute | RouteContext](routes)))
        mounted = [each for each in contexts if isinstance(each.original_route, Mount)]
        paths = (each.path_format for each in contexts if facts_of(each.endpoint).is_open)
        return OpenPaths(
            frozenset(path for path in paths if path is not None), tuple(f"{each.path}/" for each in mounted)
        )

    def __contains__(self, path: str) -> bool:
        return path in self.paths or path.startswith(self.prefixes)


def facts_of_dialects(routes: Iterable[BaseRoute]) -> Mapping[str, RouteFacts]:
    """Return the facts of the routes that speak the protocol of another service, by path.

    Raises:
        ValueError: the path of such a route has parameters.
    """
    contexts = iter_route_contexts(list[BaseRoute | RouteContext](routes))
    facts_by_path = {str(each.path_format): facts_of(each.endpoint) for each in contexts}
    dialects = {path: facts for path, facts in facts_by_path.items() if facts.dialect is not None}
    if with_parameters := [path for path in dialects if "{" in path]:
        raise ValueError(f"found a dialect at {with_parameters}; wanted paths without parameters")
    return dialects
