"""Editorial rules, and the revision that changes with every act on them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "rules",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("artist", sa.String(200), nullable=False, index=True),
        sa.Column("other", sa.String(200), nullable=False, index=True),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("kind", "artist", "other", name="uq_rules"),
        sqlite_autoincrement=True,
    )
    counter = op.create_table("rules_revision", sa.Column("revision", sa.Integer, nullable=False))
    op.bulk_insert(counter, [{"revision": 0}])
