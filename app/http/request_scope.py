"""Facts of a request: its id, and the version that answers it."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.types import Scope

from riyl.app.http.dialect import Dialect
from riyl.core.db.keys import Key

KEY = "riyl.request_context"
"""Key of the RequestContext in a request's ASGI scope."""


@dataclass
class RequestContext:
    """Facts of a request while it runs.

    Attributes:
        version: the version that answers, once it is chosen.
        key: the key of the request, once it was looked up and found.
        is_head: whether the client wants no body; to routes, HEAD looks like GET.
        dialect: protocol of another service that the path speaks.
        token: token that the dialect found, where there is no bearer token.
    """

    request_id: str
    version: str | None = None
    key: Key | None = None
    is_head: bool = False
    dialect: Dialect | None = None
    token: str | None = None


def request_context_of(scope: Scope) -> RequestContext:
    """Return the RequestContext of a request, put there by `riyl.app.http.request_context.RequestContextMiddleware`."""
    context = scope[KEY]
    if not isinstance(context, RequestContext):
        raise TypeError(f"scope[{KEY!r}] is {type(context).__name__}; wanted RequestContext")
    return context
