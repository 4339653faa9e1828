"""Folders that jobs over HTTP may name: those below RIYL_IMPORT_ROOT, on the machine of the worker."""

from __future__ import annotations

import os
from pathlib import Path

from riyl.core.errors import InputError

FROM_HTTP = "key:"
"""Prefix of the author of requests over HTTP; see `riyl.app.http.auth.author`."""


def named_below(root: Path | None, name: str) -> Path:
    """Return a folder that a job over HTTP names, by its path relative to the root or in full; reads no file.

    Raises:
        InputError: no root is set, or the name leads out of it.
    """
    if root is None:
        raise InputError(
            f"found the folder {name!r} and no RIYL_IMPORT_ROOT; wanted that set for the service and the worker, "
            "or the job submitted with riyl jobs run"
        )
    path = root / name
    if ".." in path.parts or not path.is_relative_to(root) or "\0" in name:
        raise _outside(name)
    return path


def folder_below(root: Path | None, name: str) -> Path:
    """Return a folder of tables that a job over HTTP names: below the root, no symbolic links in it or its path."""
    path = named_below(root, name)
    try:
        if root is None or path.resolve(strict=True) != root.resolve(strict=True) / path.relative_to(root):
            raise _outside(name)
        with os.scandir(path) as entries:
            symlinks = sorted(entry.name for entry in entries if entry.is_symlink())
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links
        raise _outside(name) from error
    if symlinks:
        raise InputError(f"found the link {symlinks[0]!r} in the folder {name!r}; wanted files")
    return path


def _outside(name: str) -> InputError:
    return InputError(f"found {name!r}; wanted a folder below the worker's RIYL_IMPORT_ROOT, without links in its path")
