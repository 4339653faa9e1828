"""Errors over HTTP: the one place that maps errors to statuses, and the body that all of them have."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Scope

from riyl.app.http.dialect import ProblemDetails
from riyl.app.http.media_types import NO_STORE
from riyl.app.http.request_errors import (
    AmbiguousArtistError,
    AmbiguousMbidError,
    AmbiguousNameError,
    BodyTooLargeError,
    BodyTooSlowError,
    DamagedEmbeddingsError,
    DamagedEvaluationError,
    DamagedTruthError,
    DamagedVersionError,
    EndingError,
    HostError,
    MediaTypeError,
    MethodNotAllowedError,
    NoEncoderError,
    NoKeyError,
    NotAcceptableError,
    NotReadyError,
    OverloadedError,
    RoleError,
    TargetTooLongError,
    TooManyRequestsError,
    UnknownArtistError,
)
from riyl.app.http.request_scope import request_context_of
from riyl.app.http.validation import invalid
from riyl.app.schemas.problem import Problem
from riyl.app.schemas.query import BatchProblem
from riyl.core.db.faults import storage_error
from riyl.core.errors import (
    DatabaseBusyError,
    DatabaseDamagedError,
    DatabaseDownError,
    FormatError,
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
    StorageError,
    StorageFullError,
    StorageReadOnlyError,
)

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"

RETRY_AFTER_S = 5
"""Time after which a client should retry while the database is down, in seconds."""


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
    DamagedEmbeddingsError: (HTTPStatus.CONFLICT, "damaged embeddings"),
    BodyTooLargeError: (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "body too large"),
    BodyTooSlowError: (HTTPStatus.REQUEST_TIMEOUT, "body too slow"),
    TargetTooLongError: (HTTPStatus.REQUEST_URI_TOO_LONG, "address too long"),
    HostError: (HTTPStatus.MISDIRECTED_REQUEST, "unknown host"),
    EndingError: (HTTPStatus.SERVICE_UNAVAILABLE, "service ends"),
    MethodNotAllowedError: (HTTPStatus.METHOD_NOT_ALLOWED, "method not allowed"),
    TooManyRequestsError: (HTTPStatus.TOO_MANY_REQUESTS, "too many requests"),
    OverloadedError: (HTTPStatus.SERVICE_UNAVAILABLE, "overloaded"),
    MediaTypeError: (HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported media type"),
    NotAcceptableError: (HTTPStatus.NOT_ACCEPTABLE, "not acceptable"),
    JobEndedError: (HTTPStatus.CONFLICT, "job has ended"),
    StorageFullError: (HTTPStatus.INSUFFICIENT_STORAGE, "insufficient storage"),
    StorageReadOnlyError: (HTTPStatus.SERVICE_UNAVAILABLE, "storage read-only"),
    DatabaseDamagedError: (HTTPStatus.SERVICE_UNAVAILABLE, "database damaged"),
    DatabaseBusyError: (HTTPStatus.SERVICE_UNAVAILABLE, "database busy"),
    DatabaseDownError: (HTTPStatus.SERVICE_UNAVAILABLE, "database down"),
    StaleDatabaseError: (HTTPStatus.SERVICE_UNAVAILABLE, "database not believed"),
    SchemaError: (HTTPStatus.SERVICE_UNAVAILABLE, "database of another release"),
    FormatError: (HTTPStatus.SERVICE_UNAVAILABLE, "damaged file"),
    NotFoundError: (HTTPStatus.NOT_FOUND, "not found"),
    InputError: (HTTPStatus.UNPROCESSABLE_ENTITY, "invalid request"),
}
"""Status and title by error class; a subclass has those of its parent unless it is listed. Other errors are a 500."""


_DETAILS = {
    HTTPStatus.NOT_FOUND: "there is nothing at this address; the API is described at /docs",
    HTTPStatus.BAD_REQUEST: "the body cannot be read; wanted JSON in UTF-8",
}
"""Details of errors that Starlette and FastAPI raise themselves, by status."""


def status_of(error: Exception) -> tuple[HTTPStatus, str] | None:
    """Return the status and title of an error; None for a fault of the service."""
    return next((STATUS[kind] for kind in type(_known(error)).__mro__ if kind in STATUS), None)


def _known(error: Exception) -> Exception:
    """Return the error of RIYL that an error of the system stands for; any other error unchanged."""
    return (storage_error(error) if isinstance(error, OSError) else None) or error


def problem_of(error: Exception) -> ProblemDetails | None:
    """Describe an error; None for a fault of the service, which only the log describes."""
    if isinstance(error, RequestValidationError):
        errors, detail = invalid(error.errors())
        return ProblemDetails(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid request", detail, {"errors": errors})
    if isinstance(error, HTTPException):
        status = HTTPStatus(error.status_code)
        detail = _DETAILS.get(status, error.detail)
        return ProblemDetails(status, status.phrase.lower(), detail, headers=dict(error.headers or {}))
    status_and_title = status_of(error)
    if status_and_title is None:
        return None
    error = _known(error)
    detail, extras, headers = str(error), dict[str, object](), dict[str, str]()
    match error:
        case BodyTooLargeError() | BodyTooSlowError():
            # the service does not wait for the rest of the body
            headers["Connection"] = "close"
        case UnknownArtistError(near=near):
            extras["near"] = [artist.model_dump() for artist in near]
        case AmbiguousArtistError(candidates=candidates):
            extras["candidates"] = [artist.model_dump() for artist in candidates]
        case QualityCheckError(checks=checks):
            extras["checks"] = checks
        case NoKeyError():
            headers["WWW-Authenticate"] = "Bearer"
        case MethodNotAllowedError(methods=methods):
            headers["Allow"] = ", ".join(sorted(methods))
        case (
            TooManyRequestsError(retry_after_s=seconds)
            | OverloadedError(retry_after_s=seconds)
            | EndingError(retry_after_s=seconds)
        ):
            headers["Retry-After"] = str(seconds)
        case StorageError(public=public) | FormatError(public=public) if not isinstance(error, OutdatedError):
            detail = public
        case DatabaseDownError():
            # the address and user of the database belong in the log alone
            state = "is locked by others" if isinstance(error, DatabaseBusyError) else "cannot be reached"
            detail = f"the database {state}; retry in {RETRY_AFTER_S} seconds"
            headers["Retry-After"] = str(RETRY_AFTER_S)
    return ProblemDetails(*status_and_title, detail, extras, headers)


def error_response(error: Exception, scope: Scope) -> Response:
    """Answer an error with the body that all errors have, or in the dialect of the path."""
    context = request_context_of(scope)
    problem = problem_of(error)
    if problem is None:
        detail = f"the service failed; its log has the error under request_id {context.request_id}"
        problem = ProblemDetails(HTTPStatus.INTERNAL_SERVER_ERROR, "internal error", detail)
    reported = _known(error)
    is_damage = isinstance(reported, StorageError | FormatError) and not isinstance(reported, OutdatedError)
    if is_damage or isinstance(reported, DatabaseDownError):
        event = problem.title.replace(" ", "_").replace("-", "_")
        log.log(
            logging.ERROR if is_damage else logging.WARNING,
            event,
            extra={"request_id": context.request_id, "reason": str(error)},
        )
    if context.dialect is not None:
        return context.dialect.respond(problem, scope)
    body = {
        "type": "urn:riyl:problem:" + problem.title.replace(" ", "-"),
        "title": problem.title,
        "status": int(problem.status),
        "detail": problem.detail,
        "request_id": context.request_id,
        "version": context.version,
        **problem.extras,
    }
    content = orjson.dumps({name: value for name, value in body.items() if value is not None})
    return Response(content, problem.status, {**NO_STORE, **problem.headers}, MEDIA_TYPE)


def batch_problem(error: RiylError) -> BatchProblem:
    """Describe the error of one entry of a batch; raise it where it is a fault of the service."""
    problem = problem_of(error)
    if problem is None:
        raise error
    return BatchProblem(title=problem.title, status=int(problem.status), detail=problem.detail)


@contextmanager
def damage_raised_as(kind: type[RiylError]) -> Iterator[None]:
    """Raise a FormatError as an error of class `kind`, whose status is 409: it conflicts with the stored files."""
    try:
        yield
    except FormatError as error:
        raise kind(str(error)) from error


def problems(texts: Mapping[int, str]) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI responses of a route's errors, from their descriptions by status."""
    return {status: {"model": Problem, "description": text} for status, text in sorted(texts.items())}


def add_error_handlers(app: FastAPI) -> None:
    """Answer every error with the same body; a fault of the service is raised again after its response, and logged."""
    for kind in (*STATUS, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(kind, _respond)
    app.add_exception_handler(OSError, _respond_of_system)
    app.add_exception_handler(HTTPStatus.METHOD_NOT_ALLOWED, _method_not_allowed)


async def _respond(request: Request, error: Exception) -> Response:
    return error_response(error, request.scope)


async def _respond_of_system(request: Request, error: Exception) -> Response:
    if status_of(error) is None:
        raise error
    return await _respond(request, error)


async def _method_not_allowed(request: Request, _: Exception) -> Response:
    """Name the methods of the requested path: those that the document lists, else those of the route."""
    route = request.scope.get("route")
    operations = request.app.openapi()["paths"].get(route.path_format if isinstance(route, APIRoute) else None)
    unlisted = (route.methods if isinstance(route, APIRoute) else None) or ("get",)
    methods = {method.upper() for method in operations or unlisted}
    if "GET" in methods:
        methods.add("HEAD")
    return await _respond(request, MethodNotAllowedError(f"{request.method} is not possible here", methods))
