from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from riyl.core.db.keys import Role, all_keys, create_key, key_of, revoke_key
from riyl.core.db.session import Database
from riyl.core.db.tables import keys
from riyl.core.errors import InputError, NotFoundError


def test_a_token_opens_what_its_key_may(database: Database) -> None:
    key, token = create_key(database, " nightly ", Role.ADMIN)
    assert re.fullmatch(r"riyl_[0-9a-f]{8}_[A-Za-z0-9_-]{43}", token)
    assert token.split("_")[1] == key.id
    assert (key.name, key.role, key.revoked) == ("nightly", Role.ADMIN, None)
    assert key_of(database, token) == key


def test_the_secret_is_not_in_the_database(database: Database) -> None:
    key, token = create_key(database, "nightly", Role.ADMIN)
    secret = token.removeprefix(f"riyl_{key.id}_")
    with database.read() as connection:
        row = connection.execute(select(keys)).one()
    assert len(row.digest) == 32
    assert not any(secret in str(value) for value in row)
    assert secret.encode() not in row.digest


def test_another_secret_another_id_and_what_is_no_token_open_nothing(database: Database) -> None:
    first, token = create_key(database, "first", Role.READ)
    second, _ = create_key(database, "second", Role.ADMIN)
    secret = token.removeprefix(f"riyl_{first.id}_")
    changed = secret[:-1] + ("A" if secret[-1] != "A" else "B")
    for wrong in (
        f"riyl_{first.id}_{changed}",
        f"riyl_{second.id}_{secret}",
        f"riyl_00000000_{secret}",
        token.upper(),
        token + "\n",
        token + "x",
        token[:-1],
        secret,
        "riyl__",
        "",
        "é\x00",
    ):
        assert key_of(database, wrong) is None, wrong


def test_a_revoked_key_opens_nothing_and_stays_in_the_list(database: Database) -> None:
    before = datetime.now(UTC)
    first, token = create_key(database, "first", Role.ADMIN)
    second, other = create_key(database, "second", Role.READ)
    revoke_key(database, first.id)
    assert key_of(database, token) is None
    assert key_of(database, other) == second
    listed = all_keys(database)
    assert [(key.id, key.revoked is None) for key in listed] == [(first.id, False), (second.id, True)]
    assert listed[0].revoked is not None
    assert before <= listed[0].created <= listed[0].revoked <= datetime.now(UTC)


def test_revoking_what_is_not_in_force_says_so(database: Database) -> None:
    key, _ = create_key(database, "once", Role.READ)
    revoke_key(database, key.id)
    for identity in (key.id, "nobody"):
        with pytest.raises(NotFoundError, match=f"there is no key '{identity}' that is in force; see riyl keys list"):
            revoke_key(database, identity)


def test_a_key_is_somebodys(database: Database) -> None:
    with pytest.raises(InputError, match="name of the key: found none; wanted the name of its user"):
        create_key(database, "  ", Role.READ)
    assert all_keys(database) == []


@pytest.mark.parametrize(
    ("role", "enough_for"),
    [
        (Role.READ, {Role.READ}),
        (Role.WRITE, {Role.READ, Role.WRITE}),
        (Role.ADMIN, {Role.READ, Role.WRITE, Role.ADMIN}),
    ],
)
def test_a_role_may_what_those_before_it_may(role: Role, enough_for: set[Role]) -> None:
    assert {needed for needed in Role if role.may(needed)} == enough_for
