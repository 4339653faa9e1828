"""Keys of the API: made once, kept as a hash, checked in constant time."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
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
    """What a key may do; each may what those before it may."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"

    def may(self, needed: Role) -> bool:
        """Whether this role is enough where `needed` is asked for."""
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
    """A new key and its token, which is nowhere else and never shown again.

    Raises:
        InputError: the name is empty.
    """
    if not name.strip():
        raise InputError("name of the key: found none; wanted who will use it")
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
    """Every key, the oldest first, the revoked ones too."""
    with database.read() as connection:
        rows = connection.execute(select(keys).order_by(keys.c.created, keys.c.id)).all()
    return [Key(row.id, row.name, Role(row.role), row.created, row.revoked) for row in rows]


def revoke_key(database: Database, identity: str) -> None:
    """Let a key open nothing any more; it stays in the list.

    Raises:
        NotFoundError: there is none with this id, or it is revoked already.
    """
    with database.write() as connection:
        done = connection.execute(
            update(keys).where(keys.c.id == identity, keys.c.revoked.is_(None)).values(revoked=datetime.now(UTC))
        )
    if not done.rowcount:
        raise NotFoundError(f"there is no key {identity!r} that is in force; see riyl keys list")


def key_of(database: Database, token: str) -> Key | None:
    """The key that a token is of; None where there is none, or it is revoked. Takes as long for a wrong secret."""
    match = TOKEN.fullmatch(token)
    identity, secret = match.groups() if match else ("", "")
    with database.read() as connection:
        row = connection.execute(select(keys).where(keys.c.id == identity, keys.c.revoked.is_(None))).one_or_none()
    same = hmac.compare_digest(_digest(secret), _NOBODY if row is None else row.digest)
    return Key(row.id, row.name, Role(row.role), row.created, None) if row is not None and same else None


def _digest(secret: str) -> bytes:
    # a slow hash is for what people choose; nobody guesses 256 random bits
    return hashlib.sha256(secret.encode()).digest()
