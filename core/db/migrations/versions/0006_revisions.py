"""The database's id, revisions of the streams that homes copy, and acceptances of stale databases."""

from __future__ import annotations

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    identity = op.create_table("database_identity", sa.Column("id", sa.String(32), nullable=False))
    op.bulk_insert(identity, [{"id": secrets.token_hex(16)}])
    revisions = op.create_table(
        "revisions",
        sa.Column("stream", sa.String(16), primary_key=True),
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("mark", sa.String(32), nullable=False),
    )
    newest = {
        "rules": "SELECT revision FROM rules_revision",
        "tombstones": "SELECT number FROM changes_head",
        "promotions": "SELECT coalesce(max(number), 0) FROM promotions",
    }
    connection = op.get_bind()
    numbers = {stream: connection.execute(sa.text(query)).scalar_one() for stream, query in newest.items()}
    op.bulk_insert(
        revisions,
        [{"stream": stream, "number": number, "mark": secrets.token_hex(16)} for stream, number in numbers.items()],
    )
    op.create_table(
        "acceptances",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("seen", sa.JSON, nullable=False),
        sa.Column("restored", sa.JSON, nullable=False),
        sqlite_autoincrement=True,
    )
