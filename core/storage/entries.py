"""Entries of a folder of immutable folders: the newest, and one by its id or how that begins."""

from __future__ import annotations

from pathlib import Path

from riyl.core.errors import NotFoundError


def by_age(folder: Path, manifest: str) -> list[Path]:
    """The manifests of the entries of `folder`, the most recently made or reused last; hidden ones are unfinished."""
    return sorted(folder.glob(f"[!.]*/{manifest}"), key=lambda path: (path.stat().st_mtime_ns, path.parent.name))


def newest(folder: Path, what: str, manifest: str, hint: str) -> Path:
    """The most recently made or reused entry of `folder`, by its manifest's modification time.

    Raises:
        NotFoundError: there is none; the message ends with `hint`.
    """
    paths = by_age(folder, manifest)
    if not paths:
        raise NotFoundError(f"there is no {what} in {folder}; {hint}")
    return paths[-1].parent


def pick(folder: Path, name: str, what: str, manifest: str) -> Path:
    """The entry of `folder` whose id is `name` or begins with it.

    Raises:
        NotFoundError: none or several do; the message lists what there is.
    """
    ids = sorted(p.parent.name for p in folder.glob(f"[!.]*/{manifest}"))
    matches = [i for i in ids if i == name] or [i for i in ids if name and i.startswith(name)]
    if len(matches) == 1:
        return folder / matches[0]
    reason = "is ambiguous" if matches else "does not exist"
    listed = ", ".join(matches or ids) or "none"
    raise NotFoundError(f"{what} {name!r} {reason}; there are: {listed}")
