"""Dialect of the JSON services whose clients are served here: one member `error`, and a key in the address."""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import parse_qs

import orjson
from starlette.responses import Response
from starlette.types import Scope

from riyl.app.http.dialect import Dialect, ProblemDetails
from riyl.app.http.media_types import JSON, NO_STORE


def json_response(value: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return a value as JSON that must not be cached."""
    return Response(orjson.dumps(value), status, {**NO_STORE, **(headers or {})}, JSON)


def _respond(problem: ProblemDetails, _: Scope) -> Response:
    """Answer an error as ListenBrainz labs and AudioMuse-AI do; both answer an invalid request with 400, not 422."""
    is_invalid = problem.status is HTTPStatus.UNPROCESSABLE_ENTITY
    status = HTTPStatus.BAD_REQUEST if is_invalid else problem.status
    return json_response({"error": problem.detail}, status, dict(problem.headers))


def _token_of(scope: Scope, _: bytes) -> str | None:
    """Return the token of `Authorization: Token ...`, as ListenBrainz takes it, else the parameter `key`."""
    for name, value in scope["headers"]:
        if name == b"authorization":
            scheme, _, token = value.partition(b" ")
            if scheme.lower() == b"token":
                return str(token, "latin-1")
    keys = parse_qs(scope["query_string"].decode("latin-1")).get("key")
    return keys[0] if keys else None


JSON_DIALECT = Dialect(_respond, _token_of)
