"""Accounts of tables: how many rows a snapshot read, kept and left out by reason; the numbers add up."""

from __future__ import annotations

from typing import Any, TypeAlias

from riyl.core.catalog.notes import Notes
from riyl.core.storage.modality import Modality
from riyl.training.features.read import Counts

Account: TypeAlias = dict[str, Any]
"""Account of a table as JSON: rows read, rows kept, and rows left out by reason."""

UNKNOWN = "of an artist that the artists table lacks"
ADDED_UP = "added to an earlier row with the same keys"
UNUSED = "unused by the featurizer: tags of one artist only, tags or listeners that it does not know, zeros"


def account(read: int, skipped_rows: dict[str, int]) -> Account:
    """Build the account of a table."""
    reasons = {reason: count for reason, count in skipped_rows.items() if count}
    return {"read": read, "kept": read - sum(reasons.values()), "skipped": reasons}


def account_of(table: str, counts: Counts, modality: Modality, notes: Notes) -> Account:
    """Build the account of a modality's table.

    Args:
        table: name of the table.
        counts: counts from reading the table.
        modality: the features made of it; their evidence is the number of rows that they rest on.
        notes: notes of the rows that were left out before the counts.
    """
    before = notes.skipped_rows.get(table, {})
    used = int(modality.evidence.sum())
    skipped_rows = before | {
        UNKNOWN: counts.unknown_artists,
        ADDED_UP: counts.double_rows,
        UNUSED: counts.rows - counts.unknown_artists - counts.double_rows - used,
    }
    return account(counts.rows + sum(before.values()), skipped_rows)
