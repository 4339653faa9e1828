"""Errors over HTTP: the one place that knows which error has which status, and the one body they all have."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Scope

from app.schemas import Summary
from core.errors import InputError, NotFoundError, NothingKnownError, RiylError

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
LONGEST_FOUND = 100


class UnknownArtistError(NotFoundError):
    """There is no such artist in this version."""

    def __init__(self, message: str, near: list[Summary]) -> None:
        super().__init__(message)
        self.near = near


class AmbiguousNameError(RiylError):
    """Several artists have this name."""

    def __init__(self, message: str, candidates: list[Summary]) -> None:
        super().__init__(message)
        self.candidates = candidates


class NotReadyError(RiylError):
    """No version is served yet."""


STATUS: Mapping[type[RiylError], tuple[HTTPStatus, str]] = {
    UnknownArtistError: (HTTPStatus.NOT_FOUND, "unknown artist"),
    AmbiguousNameError: (HTTPStatus.CONFLICT, "several artists have this name"),
    NothingKnownError: (HTTPStatus.CONFLICT, "nothing known yet"),
    NotReadyError: (HTTPStatus.SERVICE_UNAVAILABLE, "not ready"),
    NotFoundError: (HTTPStatus.NOT_FOUND, "not found"),
    InputError: (HTTPStatus.UNPROCESSABLE_ENTITY, "invalid request"),
}
"""Status and title by error; a subclass has its parent's unless it is named. All others are a 500."""


@dataclass
class Act:
    """What is known of a request while it runs; in its scope under "riyl".

    Attributes:
        version: the version that answers, once one was taken.
    """

    request_id: str
    version: str | None = None


def act_of(scope: Scope) -> Act:
    """The request's Act, which `app.observe.Observed` put there."""
    found = scope["riyl"]
    if not isinstance(found, Act):
        raise TypeError(f"scope['riyl'] is {type(found).__name__}; wanted Act")
    return found


def problem(
    act: Act,
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
        "request_id": act.request_id,
        "version": act.version,
        **(extras or {}),
    }
    content = orjson.dumps({name: value for name, value in body.items() if value is not None})
    return Response(content, status, {"cache-control": "no-store", **(headers or {})}, MEDIA_TYPE)


def internal_error(act: Act) -> Response:
    """The answer to a fault of ours; the log, not the answer, says what it was."""
    detail = f"something went wrong here; the log of the service has it under request_id {act.request_id}"
    return problem(act, HTTPStatus.INTERNAL_SERVER_ERROR, "internal error", detail)


def add_error_handlers(app: FastAPI) -> None:
    """Answer every error with the one body."""
    app.add_exception_handler(RiylError, _riyl_error)
    app.add_exception_handler(RequestValidationError, _invalid_request)
    app.add_exception_handler(HTTPException, _http_exception)
    app.add_exception_handler(Exception, _fault)


async def _riyl_error(request: Request, error: Exception) -> Response:
    act = act_of(request.scope)
    known = next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), None)
    if known is None:
        log.error("request_failed", extra={"request_id": act.request_id}, exc_info=error)
        return internal_error(act)
    extras: dict[str, object] = {}
    match error:
        case UnknownArtistError(near=near):
            extras["near"] = [summary.model_dump() for summary in near]
        case AmbiguousNameError(candidates=candidates):
            extras["candidates"] = [summary.model_dump() for summary in candidates]
    return problem(act, *known, str(error), extras=extras)


async def _fault(request: Request, error: Exception) -> Response:
    return internal_error(act_of(request.scope))


async def _invalid_request(request: Request, error: Exception) -> Response:
    found = error.errors() if isinstance(error, RequestValidationError) else []
    errors = [
        {
            "where": ".".join(str(part) for part in entry["loc"]),
            "found": "nothing" if entry["type"] == "missing" else _shown(entry["input"]),
            "wanted": entry["msg"],
        }
        for entry in found
    ]
    detail = "; ".join(f"{e['where']}: found {e['found']}; wanted: {e['wanted']}" for e in errors)
    return problem(
        act_of(request.scope), HTTPStatus.UNPROCESSABLE_ENTITY, "invalid request", detail, extras={"errors": errors}
    )


async def _http_exception(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    status = HTTPStatus(error.status_code)
    match status:
        case HTTPStatus.NOT_FOUND:
            detail = "there is nothing at this address; the API is described at /docs"
        case HTTPStatus.METHOD_NOT_ALLOWED:
            detail = f"{request.method} is not possible here"
        case _:
            detail = error.detail
    headers = dict(error.headers or {})
    if "Allow" in headers:
        headers["Allow"] = "GET, HEAD"
    return problem(act_of(request.scope), status, status.phrase.lower(), detail, headers=headers)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST_FOUND else text[: LONGEST_FOUND - 3] + "..."
