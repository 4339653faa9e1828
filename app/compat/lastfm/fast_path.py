"""Fast path of artist.getSimilar."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi.routing import RouteContext
from starlette.types import ASGIApp, Receive, Scope, Send

from riyl.app.compat.lastfm.dialect import FRESH, base_of
from riyl.app.compat.lastfm.errors import LastfmError
from riyl.app.compat.lastfm.methods import SIMILAR, find_artist, similar_limit
from riyl.app.compat.lastfm.parameters import format_of, method_of, read_parameters
from riyl.app.compat.lastfm.similar_form import FORMS, SimilarForm, SimilarWriter
from riyl.app.http.request_scope import request_context_of
from riyl.app.serving.reloader import VersionReloader
from riyl.core.errors import NothingKnownError
from riyl.index.search.rules import ready
from riyl.index.search.searcher import Searcher

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
        state, parameters = self._reloader.state, read_parameters(scope)
        form = FORMS.get(format_of(parameters))
        if state is None or form is None or method_of(parameters) != SIMILAR:
            return None
        try:
            row, k = find_artist(state, parameters), similar_limit(parameters)
            neighbours = ready(state.searcher, state.rules, row, k)
        except (LastfmError, NothingKnownError):
            return None
        if neighbours is None:
            return None
        request_context_of(scope).version = state.searcher.version_id
        writer = self._writer(form, state.searcher)
        return writer.write(row, neighbours, base_of(scope)), form.media_type

    def _writer(self, form: SimilarForm, searcher: Searcher) -> SimilarWriter:
        writer = self._writers.get(form.media_type)
        if writer is None or writer.searcher is not searcher:
            writer = self._writers[form.media_type] = SimilarWriter(form, searcher, writer)
        return writer
