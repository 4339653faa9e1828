"""What became of each table's rows on their way into a snapshot: read, kept, left out and why; they add up."""

from __future__ import annotations

from typing import Any, TypeAlias

from riyl.core.catalog.notes import Notes
from riyl.core.storage.snapshot import Modality
from riyl.training.features.read import Counts

Account: TypeAlias = dict[str, Any]
"""Of a table: rows read, rows kept, and by reason rows left out, as JSON."""

UNKNOWN = "of artists that artists has not"
ADDED_UP = "added to an earlier row of the same two"
UNUSED = "that the featurizer has no use for: tags of one artist alone, tags or listeners that it does not know, zeros"


def account(read: int, skipped_rows: dict[str, int]) -> Account:
    """The account of a table."""
    reasons = {reason: count for reason, count in skipped_rows.items() if count}
    return {"read": read, "kept": read - sum(reasons.values()), "skipped": reasons}


def account_of(table: str, counts: Counts, modality: Modality, notes: Notes) -> Account:
    """The account of a modality's table.

    Args:
        counts: what reading it counted.
        modality: what was made of it; its evidence is the rows that it rests on.
        notes: told of rows that were left out before they were counted.
    """
    before = notes.skipped_rows.get(table, {})
    used = int(modality.evidence.sum())
    skipped_rows = before | {
        UNKNOWN: counts.unknown_artists,
        ADDED_UP: counts.double_rows,
        UNUSED: counts.rows - counts.unknown_artists - counts.double_rows - used,
    }
    return account(counts.rows + sum(before.values()), skipped_rows)
