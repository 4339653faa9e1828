"""Commands `riyl keys create`, `list` and `revoke`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from riyl.app.commands.session import session
from riyl.core.db.keys import Key, Role, all_keys, create_key, revoke_key

app = typer.Typer(no_args_is_help=True, help="API keys, which grant access to the service over HTTP.")


@app.command()
def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Name of its user, which histories show.")],
    role: Annotated[Role, typer.Option(help="What the key permits; admin may also run jobs and promote versions.")],
) -> None:
    """Create a key and print it.

    The key cannot be shown again: only a hash of it is stored.
    """
    run = session(context)
    key, token = create_key(run.database, name, role)
    run.show({**_told(key), "token": token})
    run.say(f"{token}\nkey {key.id} of {key.name}, role {key.role}; it cannot be shown again")


@app.command("list")
def list_(context: typer.Context) -> None:
    """List the keys, the newest last."""
    run = session(context)
    keys = all_keys(run.database)
    run.show([_told(key) for key in keys])
    rows = [
        [
            key.id,
            key.name,
            key.role.value,
            f"{key.created:%Y-%m-%d %H:%M}",
            f"revoked {key.revoked:%Y-%m-%d %H:%M}" if key.revoked else "in force",
        ]
        for key in keys
    ]
    run.table("keys, times in UTC", ["id", "name", "role", "created", "state"], rows, words=True)


@app.command()
def revoke(
    context: typer.Context, identity: Annotated[str, typer.Argument(metavar="ID", help="Id of the key.")]
) -> None:
    """Revoke a key.

    It grants no access from the next request on.
    """
    run = session(context)
    revoke_key(run.database, identity)
    run.show({"revoked": identity})
    run.say(f"key {identity} is revoked")


def _told(key: Key) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "role": key.role.value,
        "created": key.created.isoformat(),
        "revoked": None if key.revoked is None else key.revoked.isoformat(),
    }
