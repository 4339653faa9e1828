"""Authorisation: the key of a request, and whether its role suffices for the route."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.types import Scope

from riyl.app.http.client import token_of
from riyl.app.http.dependencies import TheDatabase, held
from riyl.app.http.key_cache import KeyCache
from riyl.app.http.request_errors import NoKeyError, RoleError
from riyl.app.http.route_facts import facts_of
from riyl.app.jobs.disclosure import shown_author
from riyl.app.jobs.import_root import FROM_HTTP
from riyl.core.db.keys import Key, Role, key_of

UNKNOWN_KEY = "the key is unknown or revoked; wanted a key that `riyl keys list` shows as in force"

Bearer = Annotated[
    HTTPAuthorizationCredentials | None,
    Security(
        HTTPBearer(
            scheme_name="key",
            bearerFormat="riyl_<id>_<secret>",
            description="A key with the role admin, or write to change artists, or read where reading needs a key: "
            "`riyl keys create NAME --role admin`",
            auto_error=False,
        )
    ),
]


# not async, so that it runs in a thread: the event loop answers other requests during the database query
def authorised_key(request: Request, bearer: Bearer, database: TheDatabase) -> Key:
    """Return the key of a request.

    Raises:
        NoKeyError: the request has no valid key.
        RoleError: the role of the key does not suffice for the route.
        TypeError: the route declares no role.
    """
    role = facts_of(request.scope["endpoint"]).role
    if role is None:
        raise TypeError(f"{request.scope['endpoint']} takes a key; wanted its role among its facts")
    return _with_role(None if bearer is None else key_of(database, bearer.credentials), bearer is not None, role)


async def check_key(scope: Scope, key_cache: KeyCache, role: Role) -> None:
    """Check that a request has a key of a role, before its body is read.

    A key that was revoked less than `riyl.app.http.key_cache.KEPT_S` ago passes here; `authorised_key` refuses it.

    Raises:
        NoKeyError, RoleError: as `authorised_key`.
        DatabaseDownError, OverloadedError: as `KeyCache.find`.
    """
    _with_role(await key_cache.find_of(scope), token_of(scope) is not None, role)


def _with_role(key: Key | None, has_token: bool, role: Role) -> Key:
    if key is None:
        raise NoKeyError(UNKNOWN_KEY) if has_token else NoKeyError
    if not key.role.may(role):
        raise RoleError(f"found the key {key.name!r} with the role {key.role}; wanted one with the role {role}")
    return key


KEY_OF_ROLE = Depends(authorised_key)
"""Dependency that `riyl.app.http.limited_route.LimitedRoute` adds to every route that declares a role."""

TheKey = Annotated[Key, KEY_OF_ROLE]
"""Key of the request, for a route that declares a role."""


async def author(key: TheKey) -> str:
    """Return the author that histories record for a change made with a key."""
    return f"{FROM_HTTP}{key.name}"


TheAuthor = Annotated[str, Depends(author)]


Authors = Callable[[str], str]
"""Function that formats an author for the client of a request."""


async def authors(request: Request) -> Authors:
    """Return the function that formats authors for the client: their names for an admin's key, else only their kind."""
    key = await held(request.app, "key_cache", KeyCache).find_of(request.scope)
    return str if key is not None and key.role.may(Role.ADMIN) else shown_author


TheAuthors = Annotated[Authors, Depends(authors)]
