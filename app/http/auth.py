"""Who may change things: every route that does takes `TheAdmin`, or `TheWriter` where it changes artists."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from riyl.app.http.dependencies import TheDatabase
from riyl.app.http.errors import NoKeyError, RoleError
from riyl.core.db.keys import Key, Role, key_of

PROBLEMS = {
    401: "There is no key in the header Authorization, or it is unknown or revoked.",
    403: "The key has a lesser role than admin.",
}
"""What a route that takes `TheAdmin` says of it."""

WRITER_PROBLEMS = PROBLEMS | {403: "The key has a lesser role than write."}
"""What a route that takes `TheWriter` says of it."""

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


def _with(role: Role) -> Callable[[Bearer, TheDatabase], Key]:
    # not async: it runs in a thread, and the event loop goes on answering while the database is asked
    def find(bearer: Bearer, database: TheDatabase) -> Key:
        if bearer is None:
            raise NoKeyError
        key = key_of(database, bearer.credentials)
        if key is None:
            raise NoKeyError("the key is unknown or revoked; wanted one that riyl keys list shows as in force")
        if not key.role.may(role):
            raise RoleError(f"found the key {key.name!r} with the role {key.role}; wanted one with the role {role}")
        return key

    return find


TheAdmin = Annotated[Key, Depends(_with(Role.ADMIN))]
"""The key that the request came with: 401 without one, 403 where its role is too small."""

TheWriter = Annotated[Key, Depends(_with(Role.WRITE))]
"""The same where a writer's will do."""


def author(key: Key) -> str:
    """Who did it, for histories."""
    return f"key:{key.name}"
