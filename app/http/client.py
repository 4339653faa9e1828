"""The client of a request as limits count it: its key, else the network of its address."""

from __future__ import annotations

from starlette.types import Scope

from riyl.app.http.rate_limit import network_of
from riyl.app.http.request_scope import request_context_of


def token_of(scope: Scope) -> str | None:
    """Return the bearer token of a request, else the token that its dialect found; None where it has none."""
    for name, value in scope["headers"]:
        if name == b"authorization":
            scheme, _, token = value.partition(b" ")
            if scheme.lower() == b"bearer":
                return str(token, "latin-1")
    return request_context_of(scope).token


def client_of(scope: Scope) -> str:
    """Return the name of a request's client: its key, where one was found, else its address."""
    key = request_context_of(scope).key
    if key is not None:
        return f"key/{key.id}"
    client = scope.get("client")
    return f"address/{'' if client is None else network_of(client[0])}"
