from __future__ import annotations

from pathlib import Path

import pytest

from riyl.core.db.keys import Role, key_of
from riyl.core.db.session import Database
from riyl.core.errors import InputError, NotFoundError
from riyl.core.settings import Settings
from tests.app.conftest import as_json, riyl


def test_a_key_is_shown_once_and_listed_without_its_secret(tmp_path: Path) -> None:
    printed = riyl(tmp_path, "keys", "create", "nightly job", "--role", "admin").stdout
    token, message = printed.splitlines()
    key = key_of(Database.of(Settings(home=tmp_path)), token)
    assert key is not None
    assert (key.name, key.role) == ("nightly job", Role.ADMIN)
    assert message == f"key {key.id} of nightly job, role admin; it cannot be shown again"
    table = riyl(tmp_path, "keys", "list").stdout
    assert key.id in table
    assert "in force" in table
    assert token not in table


def test_keys_are_made_listed_and_revoked_for_programs(tmp_path: Path) -> None:
    key = as_json(tmp_path, "keys", "create", "reader", "--role", "read")
    assert key.pop("token").startswith(f"riyl_{key['id']}_")
    assert {name: key[name] for name in ("name", "role", "revoked")} == {
        "name": "reader",
        "role": "read",
        "revoked": None,
    }
    assert as_json(tmp_path, "keys", "list") == [key]
    assert as_json(tmp_path, "keys", "revoke", key["id"]) == {"revoked": key["id"]}
    (listed,) = as_json(tmp_path, "keys", "list")
    assert listed["revoked"] >= key["created"]
    assert "revoked 20" in riyl(tmp_path, "keys", "list").stdout
    with pytest.raises(NotFoundError, match="there is no key '[0-9a-f]{8}' that is in force"):
        riyl(tmp_path, "keys", "revoke", key["id"])


def test_a_key_needs_a_name_and_a_role_that_there_is(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="name of the key: found none"):
        riyl(tmp_path, "keys", "create", " ", "--role", "read")
    assert riyl(tmp_path, "keys", "create", "x").exit_code == 2
    assert riyl(tmp_path, "keys", "create", "x", "--role", "owner").exit_code == 2
