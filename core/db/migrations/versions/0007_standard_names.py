"""Standard column names: payload, compared_to, request."""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"

RENAMED = (("changes", "said", "payload"), ("verdicts", "against", "compared_to"), ("evaluations", "asked", "request"))
"""Table, old column name and new column name."""


def upgrade() -> None:
    for table, old, new in RENAMED:
        op.execute(f"ALTER TABLE {table} RENAME COLUMN {old} TO {new}")
