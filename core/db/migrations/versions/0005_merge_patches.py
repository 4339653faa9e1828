"""Patches merge key by key; those written before replaced whole fields, and keep doing so as a kind of their own."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.execute("UPDATE changes SET kind = 'replace' WHERE kind = 'patch'")
