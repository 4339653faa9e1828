"""Entries of a folder of immutable folders: the newest entry, and an entry by its id or the beginning of its id."""

from __future__ import annotations

from pathlib import Path

from riyl.core.errors import NotFoundError


def by_age(folder: Path, manifest: str) -> list[Path]:
    """List the manifests of the entries of `folder`, the most recently made or reused last, without unfinished ones."""
    return sorted(folder.glob(f"[!.]*/{manifest}"), key=lambda path: (path.stat().st_mtime_ns, path.parent.name))


def newest(folder: Path, what: str, manifest: str, hint: str) -> Path:
    """Return the most recently made or reused entry of `folder`, by the modification time of its manifest.

    Raises:
        NotFoundError: there is none; the message ends with `hint`.
    """
    paths = by_age(folder, manifest)
    if not paths:
        raise NotFoundError(f"there is no {what} in {folder}; {hint}")
    return paths[-1].parent


def pick(folder: Path, name: str, what: str, manifest: str) -> Path:
    """Return the entry of `folder` whose id is `name` or begins with it.

    Raises:
        NotFoundError: no entry or several match; the message lists the candidates.
    """
    ids = sorted(p.parent.name for p in folder.glob(f"[!.]*/{manifest}"))
    matches = [i for i in ids if i == name] or [i for i in ids if name and i.startswith(name)]
    if len(matches) == 1:
        return folder / matches[0]
    reason = "is ambiguous" if matches else "does not exist"
    listed = ", ".join(matches or ids) or "none"
    raise NotFoundError(f"{what} {name!r} {reason}; there are: {listed}")
