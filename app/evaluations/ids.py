"""A text file of artist ids, one a line."""

from __future__ import annotations

from pathlib import Path

from riyl.core.errors import InputError


def read_ids(path: Path) -> list[str]:
    """The ids of a file; empty lines are passed over.

    Raises:
        InputError: there is no such file, it is not UTF-8, or it holds no ids.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        raise InputError(f"{path}: found no such file; wanted one with an artist id a line") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text ({error})") from error
    ids = [line for line in lines if line]
    if not ids:
        raise InputError(f"{path}: found no ids; wanted an artist id a line")
    return ids
