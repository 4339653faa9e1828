"""Schema revisions, by Alembic: the revision of a database, and its upgrade to the newest."""

from __future__ import annotations

from sqlalchemy import Connection, inspect, text

from riyl.core.errors import SchemaError

HEAD = "0008"
"""Revision of this release."""


def revision_of(connection: Connection) -> str | None:
    """Return the database's revision; None if it has no tables."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def upgrade_schema(connection: Connection) -> None:
    """Run every pending migration, all or none.

    Raises:
        SchemaError: the database is of a newer release.
    """
    from alembic import command  # imported here so that a service with an up-to-date database does not wait for it
    from alembic.config import Config

    revision = revision_of(connection)
    connection.rollback()
    if revision is not None and revision > HEAD:
        raise SchemaError(
            f"found a database with schema {revision}; this RIYL knows schemas up to {HEAD}: run a newer RIYL"
        )
    config = Config()
    config.set_main_option("script_location", "riyl.core.db:migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, HEAD)
