"""Errors over HTTP: the one place that knows which error has which status, and the one body they all have."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.responses import Response

from riyl.app.http.request_scope import RequestContext, request_context_of
from riyl.app.http.validation import invalid
from riyl.app.schemas.artists import Summary
from riyl.app.schemas.problem import Problem
from riyl.core.errors import (
    DatabaseDownError,
    InputError,
    JobEndedError,
    MismatchError,
    NotFoundError,
    NothingKnownError,
    OutdatedError,
    QualityCheckError,
    RiylError,
    SchemaError,
    StaleDatabaseError,
)

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"

RETRY_AFTER_S = 5
"""When a database that is down is worth asking again."""


class UnknownArtistError(NotFoundError):
    """There is no such artist in this version."""

    def __init__(self, message: str, near: list[Summary]) -> None:
        super().__init__(message)
        self.near = near


class AmbiguousArtistError(RiylError):
    """Several artists are meant by what was asked for."""

    def __init__(self, message: str, candidates: list[Summary]) -> None:
        super().__init__(message)
        self.candidates = candidates


class AmbiguousNameError(AmbiguousArtistError):
    """Several artists have this name."""


class AmbiguousMbidError(AmbiguousArtistError):
    """Several artists have this mbid."""


class NotReadyError(RiylError):
    """No version is served yet."""


class DamagedVersionError(RiylError):
    """The version is damaged, and cannot become current."""


class DamagedEvaluationError(RiylError):
    """A file of the stored evaluation is damaged."""


class DamagedTruthError(RiylError):
    """The truth is damaged."""


class BodyTooLargeError(RiylError):
    """The body of the request is too large."""

    def __init__(self, most_bytes: int) -> None:
        super().__init__(f"found a body of more than {most_bytes} bytes; wanted at most that")


class BodyTooSlowError(RiylError):
    """The body of the request did not come in time."""


class TooManyRequestsError(RiylError):
    """There were too many requests."""

    def __init__(self, message: str, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class OverloadedError(RiylError):
    """There is more to do than the service takes on; ask again in a moment."""

    retry_after_s = 1


class MediaTypeError(RiylError):
    """The body of the request is of another kind."""


class NoKeyError(RiylError):
    """This needs the header Authorization: Bearer riyl_..., with a key made by: riyl keys create NAME --role admin"""


class NoEncoderError(RiylError):
    """What encodes artists who are not in the catalog is not in this home."""


class RoleError(RiylError):
    """The key may not do this."""


STATUS: Mapping[type[RiylError], tuple[HTTPStatus, str]] = {
    UnknownArtistError: (HTTPStatus.NOT_FOUND, "unknown artist"),
    AmbiguousNameError: (HTTPStatus.CONFLICT, "several artists have this name"),
    AmbiguousMbidError: (HTTPStatus.CONFLICT, "several artists have this mbid"),
    NothingKnownError: (HTTPStatus.CONFLICT, "nothing known yet"),
    NotReadyError: (HTTPStatus.SERVICE_UNAVAILABLE, "not ready"),
    NoKeyError: (HTTPStatus.UNAUTHORIZED, "key needed"),
    RoleError: (HTTPStatus.FORBIDDEN, "not allowed"),
    QualityCheckError: (HTTPStatus.CONFLICT, "failed quality checks"),
    DamagedVersionError: (HTTPStatus.CONFLICT, "damaged version"),
    DamagedEvaluationError: (HTTPStatus.CONFLICT, "damaged evaluation"),
    MismatchError: (HTTPStatus.CONFLICT, "not comparable"),
    NoEncoderError: (HTTPStatus.CONFLICT, "no encoder"),
    OutdatedError: (HTTPStatus.CONFLICT, "version of an older format"),
    DamagedTruthError: (HTTPStatus.CONFLICT, "damaged truth"),
    BodyTooLargeError: (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "body too large"),
    BodyTooSlowError: (HTTPStatus.REQUEST_TIMEOUT, "body too slow"),
    TooManyRequestsError: (HTTPStatus.TOO_MANY_REQUESTS, "too many requests"),
    OverloadedError: (HTTPStatus.SERVICE_UNAVAILABLE, "overloaded"),
    MediaTypeError: (HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported media type"),
    JobEndedError: (HTTPStatus.CONFLICT, "job has ended"),
    DatabaseDownError: (HTTPStatus.SERVICE_UNAVAILABLE, "database down"),
    StaleDatabaseError: (HTTPStatus.SERVICE_UNAVAILABLE, "database not believed"),
    SchemaError: (HTTPStatus.SERVICE_UNAVAILABLE, "database of another release"),
    NotFoundError: (HTTPStatus.NOT_FOUND, "not found"),
    InputError: (HTTPStatus.UNPROCESSABLE_ENTITY, "invalid request"),
}
"""Status and title by error; a subclass has its parent's unless it is named. All others are a 500."""


def status_of(error: Exception) -> tuple[HTTPStatus, str] | None:
    """Status and title of an error; None for a fault of ours."""
    return next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), None)


def problem_response(
    context: RequestContext,
    status: HTTPStatus,
    title: str,
    detail: str,
    *,
    extras: Mapping[str, object] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """An error as an answer; `extras` that are None are left out."""
    body = {
        "type": "urn:riyl:problem:" + title.replace(" ", "-"),
        "title": title,
        "status": int(status),
        "detail": detail,
        "request_id": context.request_id,
        "version": context.version,
        **(extras or {}),
    }
    content = orjson.dumps({name: value for name, value in body.items() if value is not None})
    return Response(content, status, {"cache-control": "no-store", **(headers or {})}, MEDIA_TYPE)


def internal_error(context: RequestContext) -> Response:
    """The answer to a fault of ours; the log, not the answer, says what it was."""
    detail = f"something went wrong here; the log of the service has it under request_id {context.request_id}"
    return problem_response(context, HTTPStatus.INTERNAL_SERVER_ERROR, "internal error", detail)


def error_response(context: RequestContext, error: Exception) -> Response:
    """The answer to an error; one that was not raised on purpose is a fault of ours, and logged."""
    status_and_title = status_of(error)
    if status_and_title is None:
        log.error("request_failed", extra={"request_id": context.request_id}, exc_info=error)
        return internal_error(context)
    detail, extras, headers = str(error), dict[str, object](), dict[str, str]()
    match error:
        case BodyTooLargeError() | BodyTooSlowError():
            # what is left of it is not waited for
            headers["Connection"] = "close"
        case UnknownArtistError(near=near):
            extras["near"] = [summary.model_dump() for summary in near]
        case AmbiguousArtistError(candidates=candidates):
            extras["candidates"] = [summary.model_dump() for summary in candidates]
        case QualityCheckError(checks=checks):
            extras["checks"] = checks
        case NoKeyError():
            headers["WWW-Authenticate"] = "Bearer"
        case TooManyRequestsError(retry_after_s=seconds) | OverloadedError(retry_after_s=seconds):
            headers["Retry-After"] = str(seconds)
        case DatabaseDownError():
            # where it is and who connects to it is for the log alone
            log.warning("database_down", extra={"request_id": context.request_id, "reason": detail})
            detail = f"the database cannot be reached; ask again in {RETRY_AFTER_S} seconds"
            headers["Retry-After"] = str(RETRY_AFTER_S)
    return problem_response(context, *status_and_title, detail, extras=extras, headers=headers)


def problems(texts: Mapping[int, str]) -> dict[int | str, dict[str, Any]]:
    """What a route says of its errors: by status, what it means there."""
    return {status: {"model": Problem, "description": text} for status, text in sorted(texts.items())}


def add_error_handlers(app: FastAPI) -> None:
    """Answer every error with the one body."""
    app.add_exception_handler(RiylError, _riyl_error)
    app.add_exception_handler(RequestValidationError, _invalid_request)
    app.add_exception_handler(HTTPException, _http_exception)
    app.add_exception_handler(Exception, _fault)


async def _riyl_error(request: Request, error: Exception) -> Response:
    return error_response(request_context_of(request.scope), error)


async def _fault(request: Request, error: Exception) -> Response:
    return internal_error(request_context_of(request.scope))


async def _invalid_request(request: Request, error: Exception) -> Response:
    errors, detail = invalid(error.errors() if isinstance(error, RequestValidationError) else [])
    return problem_response(
        request_context_of(request.scope),
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "invalid request",
        detail,
        extras={"errors": errors},
    )


async def _http_exception(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    status = HTTPStatus(error.status_code)
    headers = dict(error.headers or {})
    match status:
        case HTTPStatus.NOT_FOUND:
            detail = "there is nothing at this address; the API is described at /docs"
        case HTTPStatus.BAD_REQUEST:
            detail = "the body cannot be read; wanted JSON in UTF-8"
        case HTTPStatus.METHOD_NOT_ALLOWED:
            detail = f"{request.method} is not possible here"
            headers["Allow"] = _allowed(request)
        case _:
            detail = error.detail
    return problem_response(request_context_of(request.scope), status, status.phrase.lower(), detail, headers=headers)


def _allowed(request: Request) -> str:
    """The methods of the path asked for; what the document does not name can only be read."""
    route = request.scope.get("route")
    operations = request.app.openapi()["paths"].get(route.path_format if isinstance(route, APIRoute) else None)
    methods = {method.upper() for method in operations or ("get",)}
    return ", ".join(sorted(methods | {"HEAD"} if "GET" in methods else methods))
