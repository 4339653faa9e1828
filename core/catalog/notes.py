"""Counts of what becomes of rows and columns while tables are read or made."""

from __future__ import annotations

EXAMPLES = 3
"""Cases of a note that are kept."""


class Notes:
    """Counts what is read, left out, changed or worth knowing of tables, and keeps the first cases of each.

    Attributes:
        counts: by note, how often.
        read: by table, rows read.
        skipped_rows: by table and reason, rows left out; a table's rows that were read and not left out were kept.
        columns: by file, columns that are not read, and why.
        files: files that are not read, and why.
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
        """By note, its first cases."""
        return {what: tuple(cases) for what, cases in self._examples.items()}

    def add(self, what: str, example: str | None = None, count: int = 1, *, keep: int = EXAMPLES) -> None:
        """Count `what`; a count of 0 leaves no trace. Of its examples the first `keep` are kept."""
        if not count:
            return
        self.counts[what] = self.counts.get(what, 0) + count
        if example is not None and len(examples := self._examples.setdefault(what, [])) < keep:
            examples.append(example if len(example) <= 200 else example[:197] + "...")

    def add_read(self, table: str, rows: int) -> None:
        """Count rows of a table that were read."""
        self.read[table] = self.read.get(table, 0) + rows

    def leave_out(self, table: str, reason: str, count: int) -> None:
        """Count rows of a table that were read and left out; a count of 0 leaves no trace."""
        if count:
            reasons = self.skipped_rows.setdefault(table, {})
            reasons[reason] = reasons.get(reason, 0) + count

    def kept(self, table: str) -> int:
        """Rows of a table that were read and not left out."""
        return self.read[table] - sum(self.skipped_rows.get(table, {}).values())
