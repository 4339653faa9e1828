"""Patches merge key by key; earlier ones, which replaced whole fields, become a kind of their own, `replace`."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.execute("UPDATE changes SET kind = 'replace' WHERE kind = 'patch'")
