"""Route of Last.fm 2.0: every method at one address."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from riyl.app.compat.lastfm import errors
from riyl.app.compat.lastfm.answers import Failure
from riyl.app.compat.lastfm.dialect import LASTFM, answer_response
from riyl.app.compat.lastfm.errors import LastfmError
from riyl.app.compat.lastfm.methods import METHODS, SIMILAR, find_artist, similar_artists, similar_limit
from riyl.app.compat.lastfm.parameters import Parameters, format_of, method_of, read_parameters
from riyl.app.compat.lastfm.similar_form import FORMS, SimilarWriter
from riyl.app.http.dependencies import TheState
from riyl.app.http.limited_route import LimitedRoute
from riyl.app.http.media_types import NO_STORE
from riyl.app.http.proxy import address_of_service
from riyl.app.http.route_facts import Concurrency, RouteFacts
from riyl.app.serving.state import ServingState

router = APIRouter(route_class=LimitedRoute, include_in_schema=False)

PATHS = ("/2.0/", "/2.0")
"""Addresses; clients use both, and some follow no redirect."""

NO_METHOD = "Invalid Method - No method with that name in this package"
NO_FORMAT = "Invalid format - This service doesn't exist in that format"


async def _parameters(request: Request) -> Parameters:
    return read_parameters(request.scope, await request.body())


TheParameters = Annotated[Parameters, Depends(_parameters)]
"""Parameters of a request; declared before other dependencies, whose errors have the form that the parameters want."""


@router.api_route(PATHS[0], methods=["GET", "POST"])
@router.api_route(PATHS[1], methods=["GET", "POST"])
@RouteFacts(concurrency=Concurrency.QUESTIONS, dialect=LASTFM)
async def lastfm(parameters: TheParameters, request: Request, state: TheState) -> Response:
    """Answer a method."""
    return await asyncio.to_thread(_respond, state, parameters, address_of_service(request.scope))


def _respond(state: ServingState, parameters: Parameters, base: str) -> Response:
    try:
        form = FORMS.get(format_of(parameters))
        if form is None:
            raise LastfmError(errors.INVALID_FORMAT, NO_FORMAT)
        method = method_of(parameters)
        if method == SIMILAR:
            row = find_artist(state, parameters)
            neighbours = similar_artists(state, row, similar_limit(parameters))
            body = SimilarWriter(form, state.searcher).write(row, neighbours, base)
            return Response(body, 200, NO_STORE, form.media_type)
        if method not in METHODS:
            raise LastfmError(errors.INVALID_METHOD, NO_METHOD)
        return answer_response(METHODS[method](state, parameters, base), parameters)
    except LastfmError as error:
        return answer_response(Failure(error.code, str(error)), parameters)
