"""Fast path of artist.getSimilar."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from fastapi.routing import RouteContext
from starlette.types import ASGIApp, Receive, Scope, Send

from riyl.app.compat.lastfm.errors import LastfmError
from riyl.app.compat.lastfm.methods import SIMILAR, find_artist, similar_limit
from riyl.app.compat.lastfm.parameters import format_of, kept_parameters, method_of
from riyl.app.compat.lastfm.similar_form import FORMS, MAX_KEPT, SimilarForm, SimilarWriter
from riyl.app.http.media_types import NO_STORE
from riyl.app.http.proxy import address_of_service
from riyl.app.http.request_scope import request_context_of
from riyl.app.serving.reloader import VersionReloader
from riyl.app.serving.state import ServingState
from riyl.core.errors import NothingKnownError
from riyl.index.search.rules import ready
from riyl.index.search.searcher import Searcher

MAX_KEPT_BYTES = 250
"""Maximum length of a query whose reading is kept, in bytes."""

Question: TypeAlias = tuple[int, int, SimilarForm]
"""Row of the artist, length of the list, and its form."""

HEADERS = [(name.encode(), value.encode()) for name, value in NO_STORE.items()]


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
        self._questions: dict[bytes, Question] = {}

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
        state = self._reloader.state
        if state is None:
            return None
        try:
            question = self._question(state, scope)
            if question is None:
                return None
            row, k, form = question
            neighbours = ready(state.searcher, state.rules, row, k)
        except (LastfmError, NothingKnownError):
            return None
        if neighbours is None:
            return None
        request_context_of(scope).version = state.searcher.version_id
        writer = self._writer(form, state.searcher)
        return writer.write(row, neighbours, address_of_service(scope)), form.media_type

    def _question(self, state: ServingState, scope: Scope) -> Question | None:
        """Read the query, and keep what it asks while the state is the same: that takes as long as writing the list.

        Raises:
            LastfmError: see `find_artist` and `similar_limit`.
        """
        if self._state is not state or len(self._questions) >= MAX_KEPT:
            self._state, self._questions = state, {}
        query: bytes = scope["query_string"]
        if (kept := self._questions.get(query)) is not None:
            return kept
        parameters = kept_parameters(scope)
        form = FORMS.get(format_of(parameters))
        if form is None or method_of(parameters) != SIMILAR:
            return None
        question = find_artist(state, parameters), similar_limit(parameters), form
        if len(query) <= MAX_KEPT_BYTES:
            self._questions[query] = question
        return question

    def _writer(self, form: SimilarForm, searcher: Searcher) -> SimilarWriter:
        writer = self._writers.get(form.media_type)
        if writer is None or writer.searcher is not searcher:
            writer = self._writers[form.media_type] = SimilarWriter(form, searcher, writer)
        return writer
