"""API keys: created once, stored as a hash, compared in constant time."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from sqlalchemy import insert, select, update

from riyl.core.db.session import Database
from riyl.core.db.tables import keys
from riyl.core.errors import InputError, NotFoundError

TOKEN = re.compile(r"riyl_([0-9a-f]{8})_([A-Za-z0-9_-]{43})")
_NOBODY = bytes(32)


class Role(StrEnum):
    """Permissions of a key; each role includes the permissions of those before it."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"

    def may(self, needed: Role) -> bool:
        """Check whether this role includes the permissions of `needed`."""
        order = list(Role)
        return order.index(self) >= order.index(needed)


@dataclass(frozen=True)
class Key:
    """A key, without its secret."""

    id: str
    name: str
    role: Role
    created: datetime
    revoked: datetime | None


def create_key(database: Database, name: str, role: Role) -> tuple[Key, str]:
    """Create a key; returns it and its token, which is not stored and cannot be shown again.

    Raises:
        InputError: the name is empty.
    """
    if not name.strip():
        raise InputError("name of the key: found none; wanted the name of its user")
    key = Key(secrets.token_hex(4), name.strip(), role, datetime.now(UTC), None)
    secret = secrets.token_urlsafe(32)
    with database.write() as connection:
        connection.execute(
            insert(keys).values(
                id=key.id, name=key.name, role=role.value, digest=_digest(secret), created=key.created, revoked=None
            )
        )
    return key, f"riyl_{key.id}_{secret}"


def all_keys(database: Database) -> list[Key]:
    """Return every key, including revoked ones, the oldest first."""
    with database.read() as connection:
        rows = connection.execute(select(keys).order_by(keys.c.created, keys.c.id)).all()
    return [Key(row.id, row.name, Role(row.role), row.created, row.revoked) for row in rows]


def revoke_key(database: Database, identity: str) -> None:
    """Revoke a key; it stays in the list.

    Raises:
        NotFoundError: there is no key with this id, or it is already revoked.
    """
    with database.write() as connection:
        done = connection.execute(
            update(keys).where(keys.c.id == identity, keys.c.revoked.is_(None)).values(revoked=datetime.now(UTC))
        )
    if not done.rowcount:
        raise NotFoundError(f"there is no key {identity!r} that is in force; see riyl keys list")


@dataclass(frozen=True)
class KeysInForce:
    """The keys in force at one time, to look up tokens without the database.

    Args:
        by_id: each key, and the digest of its secret.
    """

    by_id: Mapping[str, tuple[Key, bytes]]

    def key_of(self, token: str) -> Key | None:
        """Return the key of a token, None if there is none; a wrong secret takes the same time as a right one."""
        match = TOKEN.fullmatch(token)
        identity, secret = match.groups() if match else ("", "")
        key, digest = self.by_id.get(identity, (None, _NOBODY))
        return key if hmac.compare_digest(_digest(secret), digest) else None


def keys_in_force(database: Database, identity: str | None = None) -> KeysInForce:
    """Read the keys in force; only the key with this id if one is given."""
    query = select(keys).where(keys.c.revoked.is_(None))
    if identity is not None:
        query = query.where(keys.c.id == identity)
    with database.read() as connection:
        rows = connection.execute(query).all()
    return KeysInForce({row.id: (Key(row.id, row.name, Role(row.role), row.created, None), row.digest) for row in rows})


def key_of(database: Database, token: str) -> Key | None:
    """Read the key of a token from the database; None if there is none, or it is revoked."""
    match = TOKEN.fullmatch(token)
    return None if match is None else keys_in_force(database, match[1]).key_of(token)


def _digest(secret: str) -> bytes:
    # a slow hash protects secrets that people choose; 256 random bits cannot be guessed
    return hashlib.sha256(secret.encode()).digest()
