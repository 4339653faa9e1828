"""Text file of artist ids, one per line."""

from __future__ import annotations

from pathlib import Path

from riyl.core.errors import InputError


def read_ids(path: Path) -> list[str]:
    """Read the ids of a file; empty lines are skipped.

    Raises:
        InputError: there is no such file, it is not UTF-8, or it holds no ids.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        raise InputError(f"{path}: found no such file; wanted one artist id per line") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text ({error})") from error
    ids = [line for line in lines if line]
    if not ids:
        raise InputError(f"{path}: found no ids; wanted one artist id per line")
    return ids
