"""What routes are given: what the app holds, what is served, taken once a request; and how answers are sent."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Annotated, TypeVar

import numpy as np
from fastapi import Depends, FastAPI, Request
from pydantic import BaseModel
from starlette.responses import Response

from app.errors import AmbiguousMbidError, NotReadyError, UnknownArtistError, act_of
from app.jobs.child import WorkerWatch
from app.observe import Metrics
from app.schemas import Summary
from app.served import Served
from app.watch import Serving
from core.db.session import Database
from core.settings import Settings
from core.types import ArtistId
from index.artists import Artist
from index.search import Searcher

if TYPE_CHECKING:
    from app.jobs.client import Jobs

NEAR = 5
"""Artists with near names that an unknown one is answered with."""

MOST_CANDIDATES = 50
"""Artists that an error names who share an mbid."""

VERSIONED: dict[int | str, dict[str, str]] = {304: {"description": "The client has this answer already."}}
"""What a route says of itself that answers by `versioned`."""

NOT_SERVED = {503: "No version is served yet; `detail` says what to run."}
UNREACHABLE = {
    503: "The database cannot be reached, and Retry-After says when to ask again; or it is not believed, and `detail` "
    "says what settles that."
}
INVALID = {422: "A parameter is missing or out of range; `errors` says which."}
BODY = {400: "The body is no text in UTF-8.", 413: "The body has more than a mebibyte."}
"""What errors mean, by status."""

NO_VERSION = "there is no promoted version in this home; make one with: riyl index build --promote"


class LazyJobs:
    """The jobs of the home, opened when they are first asked for: the library below them takes a second to load."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._database = database
        self._jobs: Jobs | None = None
        self._guard = Lock()

    def open(self) -> Jobs:
        """The jobs; every method of theirs blocks.

        Raises:
            DatabaseDownError: the database cannot be reached.
        """
        with self._guard:
            if self._jobs is None:
                from app.jobs.client import Jobs

                self._jobs = Jobs(self._settings, self._database)
            return self._jobs

    def close(self) -> None:
        """Close their connections, if there are any."""
        with self._guard:
            if self._jobs is not None:
                self._jobs.close()
                self._jobs = None


@dataclass(frozen=True)
class Streams:
    """What answers that do not end by themselves go by.

    Attributes:
        poll_s: seconds between looks at what is told of.
        ending: set when the service is about to end, and they are to end too.
    """

    poll_s: float
    ending: asyncio.Event


Held = TypeVar("Held")


def held(app: FastAPI, name: str, kind: type[Held]) -> Held:
    """What `create_app` put into the app's state.

    Raises:
        TypeError: it is of another type.
    """
    found = app.state[name]
    if not isinstance(found, kind):
        raise TypeError(f"app.state.{name} is {type(found).__name__}; wanted {kind.__name__}")
    return found


def _from_state(name: str, kind: type[Held]) -> Callable[[Request], Awaitable[Held]]:
    async def find(request: Request) -> Held:
        return held(request.app, name, kind)

    return find


TheServing = Annotated[Serving, Depends(_from_state("serving", Serving))]
TheMetrics = Annotated[Metrics, Depends(_from_state("metrics", Metrics))]
TheSettings = Annotated[Settings, Depends(_from_state("settings", Settings))]
TheDatabase = Annotated[Database, Depends(_from_state("database", Database))]
TheJobs = Annotated[LazyJobs, Depends(_from_state("jobs", LazyJobs))]
TheOwnWorker = Annotated[WorkerWatch, Depends(_from_state("own_worker", WorkerWatch))]
TheStreams = Annotated[Streams, Depends(_from_state("streams", Streams))]
TheUploads = Annotated[asyncio.Lock, Depends(_from_state("uploads", asyncio.Lock))]
"""Lets one upload be read at a time: each may take a gigabyte of memory."""


async def served_by(request: Request, serving: TheServing) -> Served:
    """What answers a request.

    Raises:
        NotReadyError: no version is served.
    """
    served = serving.served
    if served is None:
        refused = serving.refused
        reason = NO_VERSION if refused is None else f"the promoted version is refused: {refused.reason}"
        raise NotReadyError(reason if serving.unbelieved is None else f"{reason}; {serving.unbelieved}")
    act_of(request.scope).version = served.searcher.version_id
    return served


TheServed = Annotated[Served, Depends(served_by)]
"""The version and the rules that answer, taken once a request: 503 where there is none."""


def versioned(request: Request, served: Served, model: BaseModel) -> Response:
    """The model as JSON under its version's and rules' entity tag, or 304 for a client that has it."""
    headers = {"etag": served.etag, "cache-control": "no-cache"}
    if served.not_modified(request.headers.get("if-none-match", "")):
        return Response(status_code=304, headers=headers)
    return Response(model.model_dump_json(), headers=headers, media_type="application/json")


def fresh(model: BaseModel, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """The model as JSON that is true now and kept by nobody."""
    return Response(
        model.model_dump_json(), status, {"cache-control": "no-store", **(headers or {})}, "application/json"
    )


def summary(artist: Artist) -> Summary:
    """An artist as lists show it."""
    return Summary(
        id=artist.id,
        name=artist.name,
        mbid=artist.mbid,
        modalities=list(artist.modalities),
        listeners=artist.listeners,
    )


def summaries(searcher: Searcher, rows: Iterable[int]) -> list[Summary]:
    """The artists of these rows, in their order."""
    return [summary(searcher.artist(row)) for row in rows]


def names_of(searcher: Searcher | None, ids: Iterable[ArtistId]) -> dict[ArtistId, str]:
    """By id, the names of those artists that the version has, if one serves."""
    if searcher is None:
        return {}
    found = [row for row in map(searcher.row_of, dict.fromkeys(ids)) if row is not None]
    rows = np.array(found, np.int32)
    return dict(zip(searcher.ids_of(rows), searcher.names_of(rows), strict=True))


def known_row(served: Served, artist: str) -> int:
    """The row of an artist by id or mbid, of one that was merged into another that one's; who is blocked is not there.

    Raises:
        UnknownArtistError: there is none; names those with near names.
        AmbiguousMbidError: several artists share the mbid; names them.
    """
    rows = served.searcher.rows_now(artist, served.rules.blocked)
    if not rows:
        raise unknown_artist(served, artist)
    if len(rows) > 1:
        raise shared_mbid(served.searcher, artist, rows)
    return rows[0]


def shared_mbid(searcher: Searcher, mbid: str, rows: Sequence[int]) -> AmbiguousMbidError:
    """The error that says that these artists share an mbid, with the first of them by id."""
    found = summaries(searcher, rows[:MOST_CANDIDATES])
    ids = ", ".join([*(artist.id for artist in found[:NEAR]), *(["..."] if len(rows) > NEAR else [])])
    message = f"{len(rows)} artists have the mbid {mbid!r}: {ids}; choose one of them by its id"
    return AmbiguousMbidError(message, found)


def unknown_artist(served: Served, asked: str) -> UnknownArtistError:
    """The error that says so, with the artists whose names are near."""
    searcher = served.searcher
    shown = asked if len(asked) <= 100 else asked[:97] + "..."
    near = summaries(searcher, searcher.search_names(asked, NEAR, served.rules.blocked))
    return UnknownArtistError(f"there is no artist {shown!r} in version {searcher.version_id}", near)
