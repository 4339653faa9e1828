"""The fast path of POST /v1/similar."""

from __future__ import annotations

from pydantic import ValidationError
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from riyl.app.http.request_scope import request_context_of
from riyl.app.schemas.query import SimilarRequest
from riyl.app.services.query import fits_event_loop, run_query
from riyl.app.serving.reloader import VersionReloader
from riyl.core.errors import RiylError

PATH = "/v1/similar"


class QueryFastPath:
    """ASGI middleware that answers POST similar where all is well and `riyl.app.services.query.fits_event_loop`.

    A thread takes turns with the event loop, which costs as much as such an answer, and so does a FastAPI route.
    Everything else, and with it every error, goes on to the route in `riyl.app.routes.similar`, which describes the
    operation and gives the same answer.

    Args:
        app: where the body comes in one message, see `riyl.app.http.body_limits.BodyLimitMiddleware`.
    """

    def __init__(self, app: ASGIApp, reloader: VersionReloader) -> None:
        self._app = app
        self._serving = reloader

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"] != PATH or not _is_plain(scope):
            await self._app(scope, receive, send)
            return
        message = await receive()
        body = self._answer(scope, message)
        if body is None:
            waiting = [message]

            async def replay() -> Message:
                return waiting.pop() if waiting else await receive()

            await self._app(scope, replay, send)
            return
        headers = [
            (b"cache-control", b"no-store"),
            (b"content-length", b"%d" % len(body)),
            (b"content-type", b"application/json"),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _answer(self, scope: Scope, message: Message) -> bytes | None:
        """The answer as JSON; None where that is for the route."""
        state = self._serving.state
        if state is None or message["type"] != "http.request" or message.get("more_body", False):
            return None
        try:
            request = SimilarRequest.model_validate_json(message.get("body", b""))
            if not fits_event_loop(state, request):
                return None
            body = run_query(state, request).model_dump_json().encode()
        except (ValidationError, RiylError):
            return None
        scope["route"] = PATH
        request_context_of(scope).version = state.searcher.version_id
        return body


def _is_plain(scope: Scope) -> bool:
    """Whether it comes as JSON and without a query: anything else the route checks."""
    return not scope["query_string"] and (b"content-type", b"application/json") in scope["headers"]
