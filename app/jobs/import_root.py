"""Folders that jobs over HTTP may name: those below RIYL_IMPORT_ROOT, on the machine of the worker."""

from __future__ import annotations

import os
from pathlib import Path

from riyl.core.errors import InputError

FROM_HTTP = "key:"
"""Beginning of the author of what is asked for over HTTP; see `riyl.app.http.auth.author`."""


def named_below(root: Path | None, name: str) -> Path:
    """A folder as a job over HTTP names it, by its path from the root on or whole; looks at no file.

    Raises:
        InputError: there is no root, or the name leads out of it.
    """
    if root is None:
        raise InputError(
            f"found the folder {name!r} and no RIYL_IMPORT_ROOT; wanted that set where the service and the worker run, "
            "or the job asked for by riyl jobs run"
        )
    path = root / name
    if ".." in path.parts or not path.is_relative_to(root) or "\0" in name:
        raise _outside(name)
    return path


def folder_below(root: Path | None, name: str) -> Path:
    """A folder of tables that a job over HTTP names, which lies below the root without links on the way or in it.

    Raises:
        InputError: see `named_below`; or there is no such folder, which is told in the same words as one elsewhere.
    """
    path = named_below(root, name)
    try:
        if root is None or path.resolve(strict=True) != root.resolve(strict=True) / path.relative_to(root):
            raise _outside(name)
        with os.scandir(path) as entries:
            symlinks = sorted(entry.name for entry in entries if entry.is_symlink())
    except (OSError, RuntimeError) as error:  # RuntimeError: links that lead in a circle
        raise _outside(name) from error
    if symlinks:
        raise InputError(f"found the link {symlinks[0]!r} in the folder {name!r}; wanted files")
    return path


def _outside(name: str) -> InputError:
    return InputError(f"found {name!r}; wanted a folder below RIYL_IMPORT_ROOT of the worker, without links on the way")
