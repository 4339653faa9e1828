"""What routes are given: the searcher, taken once a request, and how its answers are sent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from fastapi import Depends, Request
from pydantic import BaseModel
from starlette.responses import Response

from app.errors import NotReadyError, UnknownArtistError, act_of
from app.observe import Metrics
from app.schemas import Summary
from app.watch import Serving
from index.search import Artist, Searcher

NEAR = 5
"""Artists with near names that an unknown one is answered with."""

NO_VERSION = "there is no promoted version in this home; make one with: riyl index build --promote"


async def _serving(request: Request) -> Serving:
    found = request.app.state.serving
    if not isinstance(found, Serving):
        raise TypeError(f"app.state.serving is {type(found).__name__}; wanted Serving")
    return found


async def _metrics(request: Request) -> Metrics:
    found = request.app.state.metrics
    if not isinstance(found, Metrics):
        raise TypeError(f"app.state.metrics is {type(found).__name__}; wanted Metrics")
    return found


TheServing = Annotated[Serving, Depends(_serving)]
TheMetrics = Annotated[Metrics, Depends(_metrics)]


async def _searcher(request: Request, serving: TheServing) -> Searcher:
    searcher = serving.searcher
    if searcher is None:
        refused = serving.refused
        raise NotReadyError(NO_VERSION if refused is None else f"the promoted version is refused: {refused.reason}")
    act_of(request.scope).version = searcher.version_id
    return searcher


TheSearcher = Annotated[Searcher, Depends(_searcher)]


def etag(version: str) -> str:
    """The entity tag of everything that a version answers; the rest of what an answer depends on is in its address."""
    return f'"{version}"'


def not_modified(if_none_match: str, version: str) -> bool:
    """Whether a client that sends this If-None-Match has the version's answer."""
    tags = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return "*" in tags or etag(version) in tags


def versioned(request: Request, searcher: Searcher, model: BaseModel) -> Response:
    """The model as JSON under its version's entity tag, or 304 for a client that has it."""
    headers = {"etag": etag(searcher.version_id), "cache-control": "no-cache"}
    if not_modified(request.headers.get("if-none-match", ""), searcher.version_id):
        return Response(status_code=304, headers=headers)
    return Response(model.model_dump_json(), headers=headers, media_type="application/json")


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


def known_row(searcher: Searcher, artist: str) -> int:
    """The row of an artist by id or mbid.

    Raises:
        UnknownArtistError: there is none; names those with near names.
    """
    row = searcher.row_of(artist)
    if row is None:
        raise unknown_artist(searcher, artist)
    return row


def unknown_artist(searcher: Searcher, asked: str) -> UnknownArtistError:
    """The error that says so, with the artists whose names are near."""
    shown = asked if len(asked) <= 100 else asked[:97] + "..."
    near = summaries(searcher, searcher.search_names(asked, NEAR))
    return UnknownArtistError(f"there is no artist {shown!r} in version {searcher.version_id}", near)
