"""Printed account of the rows, columns and files of tables that were read or skipped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from riyl.app.commands.session import Session
from riyl.core.catalog.unread import Unread
from riyl.core.files import Manifest


def say_rows(run: Session, accounts: Mapping[str, Mapping[str, Any]]) -> None:
    """Print a line per table: rows read, rows kept, and rows skipped by reason."""
    for table, account in accounts.items():
        run.say(f"  {table}: {account['read']:,} rows read, {account['kept']:,} kept{_skipped(account['skipped'])}")


def say_notes(run: Session, notes: Mapping[str, int], examples: Mapping[str, Iterable[str]]) -> None:
    """Print a line per note, followed by its first examples."""
    for note, count in notes.items():
        run.say(f"  {count:,} {note}")
        for example in examples.get(note, ()):
            run.say(f"    {example}")


def say_columns(run: Session, columns: Mapping[str, Mapping[str, str]]) -> None:
    """Print a line per column that is not read, with the reason."""
    for file, names in columns.items():
        for name, why in names.items():
            run.say(f"  {file}: column {name!r} is not read: {why}")


def say_unread(run: Session, files: Mapping[str, str]) -> None:
    """Print a line per file that is not read, with the reason."""
    for name, why in files.items():
        run.say(f"  {name} is not read: {why}")


def say_snapshot(
    run: Session, manifest: Manifest, rows: Mapping[str, Mapping[str, Any]], files: Mapping[str, str]
) -> None:
    """Print the account of a snapshot's tables from its manifest, with further rows and files that are not read."""
    say_rows(run, {**manifest.get("rows", {}), **rows})
    notes = manifest.get("notes", {})
    say_notes(run, {what: each["count"] for what, each in notes.items()}, {w: e["examples"] for w, e in notes.items()})
    say_columns(run, manifest.get("columns_not_read", {}))
    say_unread(run, files)


def reasons(unread: Mapping[str, Unread]) -> dict[str, str]:
    """Return the reason for each file that is not read."""
    return {name: each.reason for name, each in unread.items()}


def _skipped(skipped: Mapping[str, int]) -> str:
    return "; skipped " + ", ".join(f"{count:,} {reason}" for reason, count in skipped.items()) if skipped else ""
