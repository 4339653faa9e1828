"""Columns for the summary of evaluations, so that lists do not read every figure."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

ADDED: dict[str, Any] = {
    "by": sa.Text,
    "truth": sa.String(64),
    "truth_name": sa.Text,
    "snapshot": sa.String(64),
    "version": sa.String(64),
    "model": sa.String(64),
    "k": sa.Integer,
    "summary": sa.JSON,
}
TABLE = sa.table(
    "evaluations", sa.column("id"), sa.column("figures", sa.JSON), *(sa.column(*added) for added in ADDED.items())
)
FIGURES = ("queries", "ndcg", "ndcg_low", "ndcg_high", "gini", "coverage")


def upgrade() -> None:
    for name, kind in ADDED.items():
        op.add_column("evaluations", sa.Column(name, kind))
    op.create_index("ix_evaluations_at", "evaluations", ["at"])
    connection = op.get_bind()
    for identity in connection.execute(sa.select(TABLE.c.id)).scalars().all():
        figures = connection.execute(sa.select(TABLE.c.figures).where(TABLE.c.id == identity)).scalar_one()
        connection.execute(sa.update(TABLE).where(TABLE.c.id == identity).values(**_outline(figures)))


def _outline(figures: dict[str, Any]) -> dict[str, Any]:
    """Compute the columns from the figures of release 0001; null where they lack a value."""
    results = figures.get("results") or []
    truth = figures["truth"] if isinstance(figures.get("truth"), dict) else {}
    system = results[0]["system"] if results else None
    return {
        "truth": truth.get("id"),
        "truth_name": truth.get("name"),
        "snapshot": figures.get("snapshot"),
        "version": figures.get("version"),
        "model": figures.get("models", {}).get(system, {}).get("id"),
        "k": results[0]["k"] if results else None,
        "summary": [
            {"condition": row["condition"], "system": system, **{name: row.get(name) for name in FIGURES}}
            for row in results
            if row["system"] == system
        ],
    }
