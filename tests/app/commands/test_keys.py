from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from riyl.app.cli import app
from riyl.core.db.keys import Role, key_of
from riyl.core.db.session import Database
from riyl.core.errors import InputError, NotFoundError
from riyl.core.settings import Settings


def riyl(home: Path, *arguments: str) -> Result:
    done = CliRunner().invoke(app, ["--home", str(home), *arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def test_a_key_is_shown_once_and_listed_without_its_secret(tmp_path: Path) -> None:
    printed = riyl(tmp_path, "keys", "create", "nightly job", "--role", "admin").stdout
    token, message = printed.splitlines()
    key = key_of(Database.of(Settings(home=tmp_path)), token)
    assert key is not None
    assert (key.name, key.role) == ("nightly job", Role.ADMIN)
    assert message == f"key {key.id} of nightly job, role admin; it is not shown again"
    table = riyl(tmp_path, "keys", "list").stdout
    assert key.id in table
    assert "in force" in table
    assert token not in table


def test_keys_are_made_listed_and_revoked_for_programs(tmp_path: Path) -> None:
    key = json.loads(riyl(tmp_path, "--json", "keys", "create", "reader", "--role", "read").stdout)
    assert key.pop("token").startswith(f"riyl_{key['id']}_")
    assert {name: key[name] for name in ("name", "role", "revoked")} == {
        "name": "reader",
        "role": "read",
        "revoked": None,
    }
    assert json.loads(riyl(tmp_path, "--json", "keys", "list").stdout) == [key]
    assert json.loads(riyl(tmp_path, "--json", "keys", "revoke", key["id"]).stdout) == {"revoked": key["id"]}
    (listed,) = json.loads(riyl(tmp_path, "--json", "keys", "list").stdout)
    assert listed["revoked"] >= key["created"]
    assert "revoked 20" in riyl(tmp_path, "keys", "list").stdout
    with pytest.raises(NotFoundError, match="there is no key '[0-9a-f]{8}' that is in force"):
        riyl(tmp_path, "keys", "revoke", key["id"])


def test_a_key_needs_a_name_and_a_role_that_there_is(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="name of the key: found none"):
        riyl(tmp_path, "keys", "create", " ", "--role", "read")
    assert riyl(tmp_path, "keys", "create", "x").exit_code == 2
    assert riyl(tmp_path, "keys", "create", "x", "--role", "owner").exit_code == 2
