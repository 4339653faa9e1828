"""Authorisation: the key of a request, and whether its role is enough for the route."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from riyl.app.http.dependencies import TheDatabase
from riyl.app.http.errors import NoKeyError, RoleError
from riyl.app.http.route_facts import facts_of
from riyl.core.db.keys import Key, key_of

UNKNOWN_KEY = "the key is unknown or revoked; wanted one that riyl keys list shows as in force"

Bearer = Annotated[
    HTTPAuthorizationCredentials | None,
    Security(
        HTTPBearer(
            scheme_name="key",
            bearerFormat="riyl_<id>_<secret>",
            description="A key with the role admin, or write to change artists, or read where reading needs one: "
            "`riyl keys create NAME --role admin`",
            auto_error=False,
        )
    ),
]


# not async: it runs in a thread, and the event loop goes on answering while the database is asked
def authorised_key(request: Request, bearer: Bearer, database: TheDatabase) -> Key:
    """The key that a request came with.

    Raises:
        NoKeyError: there is none in force.
        RoleError: its role is not enough for the route.
        TypeError: the route declares no role.
    """
    role = facts_of(request.scope["endpoint"]).role
    if role is None:
        raise TypeError(f"{request.scope['endpoint']} takes a key; wanted its role among its facts")
    if bearer is None:
        raise NoKeyError
    key = key_of(database, bearer.credentials)
    if key is None:
        raise NoKeyError(UNKNOWN_KEY)
    if not key.role.may(role):
        raise RoleError(f"found the key {key.name!r} with the role {key.role}; wanted one with the role {role}")
    return key


KEY_OF_ROLE = Depends(authorised_key)
"""What `riyl.app.http.limited_route.LimitedRoute` adds to every route that declares a role."""

TheKey = Annotated[Key, KEY_OF_ROLE]
"""The key that the request came with, for a route that declares a role."""


async def author(key: TheKey) -> str:
    """The author that histories name for what is done with a key."""
    return f"key:{key.name}"


TheAuthor = Annotated[str, Depends(author)]
