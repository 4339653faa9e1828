"""Routes that refuse what their operation does not declare: query parameters, content types, encoded path suffixes."""

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
"""Unknown query parameters that an error names."""

MAX_SHOWN_LENGTH = 200


class StrictRoute(LimitedRoute):
    """A route that takes only the query parameters and content types that its operation declares.

    Both come from the declaration itself: parameters from the signature, content types from the body of the signature
    (JSON) and from `openapi_extra`. A body without a Content-Type is read as JSON where the operation takes JSON.

    A path's own part behind an id (`/similar`, `:merge`) counts only where it is written literally: percent-encoded,
    as in `x%2Fsimilar`, it belongs to the id. A path with a line break has no route, because a pattern's `$` would
    ignore it and the id would be another artist's.
    """

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether the route takes this request, as Starlette asks it."""
        match, child_scope = super().matches(scope)
        if match is Match.NONE or "\n" in scope["path"]:
            return Match.NONE, {}
        suffix = self.path_format.rpartition("}")[2]
        if suffix and ":path}" in self.path and not scope["raw_path"].endswith(suffix.encode()):
            return Match.NONE, {}
        return match, child_scope

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, behind the checks."""
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
        """Content types that the operation takes, JSON first; empty where it takes no body."""
        declared: dict[str, Any] = (self.openapi_extra or {}).get("requestBody", {}).get("content", {})
        return list(dict.fromkeys([*([JSON] if self.body_field is not None else []), *sorted(declared)]))


def query_parameters(dependant: Dependant) -> list[str]:
    """Names of the query parameters of an operation and of its dependencies, in the order of their declaration."""
    aliases = [field.alias for field in dependant.query_params]
    return list(dict.fromkeys(aliases + [name for each in dependant.dependencies for name in query_parameters(each)]))


def check_query(request: Request, accepted: Collection[str]) -> None:
    """See that the query has only known parameters, each once: none of this API is a list.

    Raises:
        RequestValidationError: it has not; names those parameters and the known ones.
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
    """The media type of a request's body, in lower case and without parameters; empty where none is named."""
    return request.headers.get("content-type", "").split(";")[0].strip().lower()


def check_content_type(request: Request, accepted: Collection[str]) -> None:
    """See that a body is of an accepted content type, or of none where JSON is one of them.

    Raises:
        MediaTypeError: it is not; names the accepted ones.
    """
    content_type = content_type_of(request)
    if content_type in accepted or (not content_type and JSON in accepted):
        return
    shown = f"Content-Type {content_type[:MAX_SHOWN_LENGTH]!r}" if content_type else "no Content-Type"
    raise MediaTypeError(f"found {shown}; wanted {' or '.join(accepted)}")
