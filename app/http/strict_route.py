"""Routes that refuse undeclared query parameters, content types, and encoded path suffixes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Coroutine
from typing import Any

from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Scope

from riyl.app.http.limited_route import LimitedRoute
from riyl.app.http.media_types import JSON
from riyl.app.http.request_errors import MediaTypeError

MAX_REPORTED = 10
"""Maximum number of unknown query parameters that an error names."""

MAX_SHOWN_LENGTH = 200


class StrictRoute(LimitedRoute):
    """Route that accepts only the query parameters and content types that its operation declares.

    Both come from the declaration itself: parameters from the signature, content types from the body of the signature
    (JSON) and from `openapi_extra`. A body without a Content-Type is read as JSON where the operation accepts JSON.

    The suffix of a path after an id (`/similar`, `:merge`) matches only where it is written literally: percent-encoded,
    as in `x%2Fsimilar`, it belongs to the id. A path with a line break matches no route, because `$` in a pattern would
    ignore the line break, and the id would be another artist's.
    """

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Return whether the route matches this request; called by Starlette."""
        match, child_scope = super().matches(scope)
        if match is Match.NONE or "\n" in scope["path"]:
            return Match.NONE, {}
        suffix = self.path_format.rpartition("}")[2]
        if suffix and ":path}" in self.path and not scope["raw_path"].endswith(suffix.encode()):
            return Match.NONE, {}
        return match, child_scope

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler, which checks the request first."""
        handle = super().get_route_handler()
        parameters = query_parameters(self.dependant)
        content_types = self.content_types()

        async def handler(request: Request) -> Response:
            check_query(request, parameters)
            if content_types:
                check_content_type(request, content_types)
            return await handle(request)

        return handler

    def content_types(self) -> list[str]:
        """Return the content types that the operation accepts, JSON first; empty where it takes no body."""
        declared: dict[str, Any] = (self.openapi_extra or {}).get("requestBody", {}).get("content", {})
        return list(dict.fromkeys([*([JSON] if self.body_field is not None else []), *sorted(declared)]))


def query_parameters(dependant: Dependant) -> list[str]:
    """Return the names of the query parameters of an operation and of its dependencies, in order of declaration."""
    aliases = [field.alias for field in dependant.query_params]
    return list(dict.fromkeys(aliases + [name for each in dependant.dependencies for name in query_parameters(each)]))


def check_query(request: Request, accepted: Collection[str]) -> None:
    """Check that the query has only known parameters, each once: no parameter of this API is a list.

    Raises:
        RequestValidationError: the query has unknown or repeated parameters; the error names them and the known ones.
    """
    if not request.scope["query_string"]:
        return
    values_by_name: dict[str, list[str]] = {}
    for name, value in request.query_params.multi_items():
        values_by_name.setdefault(name, []).append(value)
    wanted = f"no query parameter except {', '.join(accepted)}" if accepted else "no query parameters"
    errors = [
        {"type": "extra_forbidden", "loc": ("query", name), "input": values[0], "msg": wanted}
        for name, values in values_by_name.items()
        if name not in accepted
    ]
    errors += [
        {"type": "value_error", "loc": ("query", name), "input": values, "msg": "one value"}
        for name, values in values_by_name.items()
        if name in accepted and len(values) > 1
    ]
    if errors:
        raise RequestValidationError(errors[:MAX_REPORTED])


def content_type_of(request: Request) -> str:
    """Return the media type of a request's body, in lower case and without parameters; empty if it names none."""
    return request.headers.get("content-type", "").split(";")[0].strip().lower()


def check_content_type(request: Request, accepted: Collection[str]) -> None:
    """Check that a body has an accepted content type, or none where JSON is accepted.

    Raises:
        MediaTypeError: it has another one; the message names the accepted ones.
    """
    content_type = content_type_of(request)
    if content_type in accepted or (not content_type and JSON in accepted):
        return
    shown = f"Content-Type {content_type[:MAX_SHOWN_LENGTH]!r}" if content_type else "no Content-Type"
    raise MediaTypeError(f"found {shown}; wanted {' or '.join(accepted)}")
