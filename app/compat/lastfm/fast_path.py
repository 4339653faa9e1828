"""Fast path of artist.getSimilar."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi.routing import RouteContext
from starlette.types import ASGIApp, Receive, Scope, Send

from riyl.app.compat.lastfm.dialect import FRESH, base_of
from riyl.app.compat.lastfm.errors import LastfmError
from riyl.app.compat.lastfm.methods import SIMILAR, find_artist, similar_limit
from riyl.app.compat.lastfm.parameters import Parameters, format_of, kept_parameters, method_of
from riyl.app.compat.lastfm.similar_form import FORMS, MAX_KEPT, SimilarForm, SimilarWriter
from riyl.app.http.request_scope import request_context_of
from riyl.app.serving.reloader import VersionReloader
from riyl.app.serving.state import ServingState
from riyl.core.errors import NothingKnownError
from riyl.index.search.rules import ready
from riyl.index.search.searcher import Searcher

MAX_KEPT_LENGTH = 100
"""Maximum number of characters of an mbid and a name whose row is kept."""

HEADERS = [(name.encode(), value.encode()) for name, value in FRESH.items()]


class LastfmFastPath:
    """ASGI application that answers GET artist.getSimilar from ready lists, before the routes.

    It accepts requests for a known artist while a version serves. Everything else, including every error and everything
    that needs a search, is passed to the route, which gives the same answer.

    Args:
        app: application that answers all other requests.
        routes: the routes of `riyl.app.compat.lastfm.route`.
    """

    def __init__(self, app: ASGIApp, routes: Sequence[RouteContext], reloader: VersionReloader) -> None:
        self._app = app
        self._routes = {str(each.path_format): each.original_route for each in routes}
        self._reloader = reloader
        self._writers: dict[str, SimilarWriter] = {}
        self._state: ServingState | None = None
        self._rows: dict[tuple[str, str], int] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_get = scope["type"] == "http" and scope["method"] == "GET"
        answer = self._answer(scope) if is_get and scope["path"] in self._routes else None
        if answer is None:
            await self._app(scope, receive, send)
            return
        body, media_type = answer
        scope["route"] = self._routes[scope["path"]]
        length = b"%d" % len(body)
        headers = [*HEADERS, (b"content-type", media_type.encode()), (b"content-length", length)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _answer(self, scope: Scope) -> tuple[bytes, str] | None:
        state, parameters = self._reloader.state, kept_parameters(scope)
        form = FORMS.get(format_of(parameters))
        if state is None or form is None or method_of(parameters) != SIMILAR:
            return None
        try:
            row, k = self._row(state, parameters), similar_limit(parameters)
            neighbours = ready(state.searcher, state.rules, row, k)
        except (LastfmError, NothingKnownError):
            return None
        if neighbours is None:
            return None
        request_context_of(scope).version = state.searcher.version_id
        writer = self._writer(form, state.searcher)
        return writer.write(row, neighbours, base_of(scope)), form.media_type

    def _row(self, state: ServingState, parameters: Parameters) -> int:
        """Return `find_artist`, kept while the state is the same: a look-up by name takes as long as the list."""
        if self._state is not state or len(self._rows) >= MAX_KEPT:
            self._state, self._rows = state, {}
        named = parameters.get("mbid", ""), parameters.get("artist", "")
        row = self._rows.get(named)
        if row is None:
            row = find_artist(state, parameters)
            if sum(map(len, named)) <= MAX_KEPT_LENGTH:
                self._rows[named] = row
        return row

    def _writer(self, form: SimilarForm, searcher: Searcher) -> SimilarWriter:
        writer = self._writers.get(form.media_type)
        if writer is None or writer.searcher is not searcher:
            writer = self._writers[form.media_type] = SimilarWriter(form, searcher, writer)
        return writer
