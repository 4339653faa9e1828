"""Protocols of other services that routes speak: where a request carries its key, and how an error is answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from starlette.responses import Response
from starlette.types import Scope


@dataclass(frozen=True)
class ProblemDetails:
    """An error as responses describe it (RFC 9457).

    Attributes:
        extras: further members of the body.
        headers: of the response.
    """

    status: HTTPStatus
    title: str
    detail: str
    extras: Mapping[str, object] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Dialect:
    """The protocol of another service, spoken by routes that declare it among their facts.

    Access control, limits, metrics and the log treat such a route like every other one. Its path has no parameters, and
    the OpenAPI document, which describes RIYL's own API, omits it.

    Attributes:
        respond: answers an error, in place of problem+json; the scope is that of the request.
        token_of: returns the token of a request that has no bearer token, from its scope and its body; None where it
            has none. It is called first with an empty body, and again with the real one if there is one.
    """

    respond: Callable[[ProblemDetails, Scope], Response]
    token_of: Callable[[Scope, bytes], str | None]
