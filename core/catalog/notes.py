"""Counts of rows, columns and values that are read, left out or changed while tables are read or made."""

from __future__ import annotations

EXAMPLES = 3
"""Maximum number of examples of a note."""


class Notes:
    """Counters for the reading of tables, with the first examples of each note.

    Attributes:
        counts: number of cases, by note.
        read: rows read, by table.
        skipped_rows: rows left out, by table and reason; the other rows that were read are kept.
        columns: columns that are not read, with the reason, by file.
        files: files that are not read, with the reason.
    """

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.read: dict[str, int] = {}
        self.skipped_rows: dict[str, dict[str, int]] = {}
        self.columns: dict[str, dict[str, str]] = {}
        self.files: dict[str, str] = {}
        self._examples: dict[str, list[str]] = {}

    @property
    def examples(self) -> dict[str, tuple[str, ...]]:
        """First examples of each note."""
        return {what: tuple(cases) for what, cases in self._examples.items()}

    def add(self, what: str, example: str | None = None, count: int = 1, *, keep: int = EXAMPLES) -> None:
        """Count `what`, and store its first `keep` examples; a count of 0 has no effect."""
        if not count:
            return
        self.counts[what] = self.counts.get(what, 0) + count
        if example is not None and len(examples := self._examples.setdefault(what, [])) < keep:
            examples.append(example if len(example) <= 200 else example[:197] + "...")

    def add_read(self, table: str, rows: int) -> None:
        """Count rows of a table that were read."""
        self.read[table] = self.read.get(table, 0) + rows

    def leave_out(self, table: str, reason: str, count: int) -> None:
        """Count rows of a table that were read and left out; a count of 0 has no effect."""
        if count:
            reasons = self.skipped_rows.setdefault(table, {})
            reasons[reason] = reasons.get(reason, 0) + count

    def kept(self, table: str) -> int:
        """Return the number of rows of a table that were read and not left out."""
        return self.read[table] - sum(self.skipped_rows.get(table, {}).values())
