"""Homes of earlier releases: recognised, refused with what to run, and brought to the names of this release."""

from __future__ import annotations

import json

from riyl.core.errors import FormatError, OutdatedError
from riyl.core.files import write_bytes
from riyl.core.settings import Home
from riyl.core.storage import tombstones

RENAMED = {"fixed": "frozen_tables", "links": "supervision", "gone.ndjson": "tombstones.ndjson"}
"""Entries of a home, as releases before 0.2 called them, and their names now."""


def check_home(home: Home) -> None:
    """Refuse a home that has entries under the names of an earlier release.

    Raises:
        OutdatedError: it has some; the message names them, the names wanted and the command that renames them.
    """
    if old := [name for name in RENAMED if (home.root / name).exists()]:
        wanted = ", ".join(RENAMED[name] for name in old)
        raise OutdatedError(
            f"{home.root}: found {', '.join(old)}, of an earlier release; wanted {wanted}: rename with: riyl db upgrade"
        )


def upgrade_home(home: Home) -> list[str]:
    """Bring the entries of a home of an earlier release to the names of this one.

    Each entry is renamed or rewritten at once, so a killed upgrade goes on where it was. Snapshots, models and versions
    stay as they are; opening one says how to make it anew.

    Returns:
        The new names of the entries that had an old one.

    Raises:
        FormatError: the copy of the tombstones is damaged, or an entry is there under both names.
    """
    done = []
    for old, new in RENAMED.items():
        before, after = home.root / old, home.root / new
        if not before.exists():
            continue
        if before.is_dir():
            if after.exists():
                raise FormatError(f"{home.root}: found both {old} and {new}; wanted one: remove what is not needed")
            before.rename(after)
        else:
            if not after.exists():
                write_bytes(after, _tombstones(before.read_bytes(), str(before)))
            before.unlink()
        done.append(new)
    return done


def _tombstones(lines: bytes, name: str) -> bytes:
    """Lines of a copy of format 1 or 2 as format 3 has them; a line that a crash cut off is dropped."""
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
