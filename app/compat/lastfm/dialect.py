"""Last.fm's protocol beside its methods: the place of the key, the form of errors, and the addresses in responses."""

from __future__ import annotations

from http import HTTPStatus

from starlette.responses import Response
from starlette.types import Scope

from riyl.app.compat.lastfm import errors, json_form, xml_form
from riyl.app.compat.lastfm.answers import Answer, Failure
from riyl.app.compat.lastfm.parameters import Parameters, format_of, kept_parameters, read_parameters
from riyl.app.http.dialect import Dialect, ProblemDetails
from riyl.app.http.errors import STATUS
from riyl.app.http.media_types import JSON, NO_STORE
from riyl.app.http.request_errors import OverloadedError

NO_KEY = "Invalid API key - wanted a key made by: riyl keys create NAME --role read"

CODES = {
    HTTPStatus.UNAUTHORIZED: (HTTPStatus.FORBIDDEN, errors.INVALID_KEY),
    HTTPStatus.CONFLICT: (HTTPStatus.OK, errors.FAILED),
    HTTPStatus.TOO_MANY_REQUESTS: (HTTPStatus.TOO_MANY_REQUESTS, errors.RATE_LIMITED),
    HTTPStatus.INTERNAL_SERVER_ERROR: (HTTPStatus.INTERNAL_SERVER_ERROR, errors.FAILED),
    HTTPStatus.SERVICE_UNAVAILABLE: (HTTPStatus.SERVICE_UNAVAILABLE, errors.OFFLINE),
    HTTPStatus.INSUFFICIENT_STORAGE: (HTTPStatus.SERVICE_UNAVAILABLE, errors.OFFLINE),
}
"""Status and code by the status of our own API; any other status is kept, with the code for invalid parameters."""


def answer_response(answer: Answer, parameters: Parameters, status: int = 200) -> Response:
    """Write an answer in the form that the request wants."""
    if format_of(parameters) == "json":
        return Response(json_form.write_json(answer), status, NO_STORE, JSON)
    return Response(xml_form.write_xml(answer), status, NO_STORE, xml_form.MEDIA_TYPE)


def respond(problem: ProblemDetails, scope: Scope) -> Response:
    """Answer an error of access, limits or the service."""
    status, code = CODES.get(problem.status, (problem.status, errors.INVALID_PARAMETERS))
    if (problem.status, problem.title) == STATUS[OverloadedError]:  # some clients read no body of a 503
        status, code = HTTPStatus.TOO_MANY_REQUESTS, errors.TEMPORARY
    message = NO_KEY if code == errors.INVALID_KEY else problem.detail
    response = answer_response(Failure(code, message), kept_parameters(scope), status)
    response.headers.update(problem.headers)
    return response


def token_of(scope: Scope, body: bytes) -> str | None:
    """Return the parameter `api_key`."""
    return read_parameters(scope, body).get("api_key")


LASTFM = Dialect(respond, token_of)
