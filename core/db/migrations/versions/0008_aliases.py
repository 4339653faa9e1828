"""Ids of artists in media servers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "aliases",
        sa.Column("kind", sa.String(16), primary_key=True),
        sa.Column("external_id", sa.String(200), primary_key=True),
        sa.Column("artist", sa.String(200).with_variant(sa.String(200, collation="C"), "postgresql"), nullable=False),
    )
    op.create_index("ix_aliases_artist", "aliases", ["kind", "artist"])
