"""Homes of earlier releases: detected, refused with the command to run, and upgraded to this release's names."""

from __future__ import annotations

import json

from riyl.core.errors import FormatError, OutdatedError
from riyl.core.files import write_bytes
from riyl.core.settings import Home
from riyl.core.storage import tombstones

RENAMED = {"fixed": "frozen_tables", "links": "supervision", "gone.ndjson": "tombstones.ndjson"}
"""Names of a home's entries before release 0.2, each with its present name."""


def check_home(home: Home) -> None:
    """Refuse a home that has entries under names of an earlier release.

    Raises:
        OutdatedError: it has such entries; the message names them, the names wanted and the command that renames them.
    """
    if old := [name for name in RENAMED if (home.root / name).exists()]:
        wanted = ", ".join(RENAMED[name] for name in old)
        raise OutdatedError(
            f"{home.root}: found {', '.join(old)}, of an earlier release; wanted {wanted}: rename with: riyl db upgrade"
        )


def upgrade_home(home: Home) -> list[str]:
    """Rename the entries of a home of an earlier release to their present names.

    Each entry is renamed or rewritten atomically, so a killed upgrade can be resumed. Snapshots, models and versions
    stay as they are; the error on opening one says how to rebuild it.

    Returns:
        The new names of the entries that had an old one.

    Raises:
        FormatError: the copy of the tombstones is damaged, or an entry exists under both names.
    """
    done = []
    for old, new in RENAMED.items():
        before, after = home.root / old, home.root / new
        if not before.exists():
            continue
        if before.is_dir():
            if after.exists():
                raise FormatError(f"{home.root}: found both {old} and {new}; wanted one of them: remove the other")
            before.rename(after)
        else:
            if not after.exists():
                write_bytes(after, _tombstones(before.read_bytes(), str(before)))
            before.unlink()
        done.append(new)
    return done


def _tombstones(lines: bytes, name: str) -> bytes:
    """Convert the lines of a copy of format 1 or 2 to format 3; a last line that a crash cut off is dropped."""
    converted = []
    for number, line in enumerate(lines.split(b"\n")[:-1], start=1):
        try:
            value = json.loads(line)
            if "kind" in value:
                value["format"] = tombstones.FORMAT
            else:
                value["payload"] = value.pop("said")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise FormatError(f"{name}, line {number}: damaged ({error}); wanted an artist or a stamp") from error
        converted.append(json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
    return b"".join(converted)
