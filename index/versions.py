"""The life of versions: which is current, who promoted it and why, the way back, are they whole, removing old ones."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from core.errors import FormatError, GateError, InputError, NotFoundError
from core.files import Manifest, read_sealed, write_bytes
from core.settings import pick
from index.artifact import FORMAT, KIND, MANIFEST, Version

CURRENT = "CURRENT"
"""File in the folder of versions that holds the id of the current one; replaced at once."""

HISTORY = "promotions.jsonl"

HINT = "make one with: riyl index build --promote"


@dataclass(frozen=True)
class Promotion:
    """One line of the history.

    Attributes:
        version: the id of what became current.
        act: "promote", or "rollback" to what was current before.
        at: when, ISO 8601, UTC.
    """

    version: str
    act: Literal["promote", "rollback"]
    by: str
    why: str
    at: str


def current(folder: Path) -> str | None:
    """The id of the current version, by CURRENT alone; None where nothing was promoted yet."""
    try:
        return (folder / CURRENT).read_text(encoding="ascii").strip() or None
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        raise FormatError(f"{folder / CURRENT}: damaged; wanted the id of a version") from error


def find_version(folder: Path, name: str | None) -> Path:
    """The folder of the version whose id is `name` or begins with it; of the current one with None.

    Raises:
        NotFoundError: there is none; the message says what to do.
    """
    if name is not None:
        return pick(folder, name, "version", MANIFEST)
    chosen = current(folder)
    if chosen is None:
        raise NotFoundError(f"no version is promoted in {folder}; {HINT}")
    if not (folder / chosen / MANIFEST).is_file():
        raise NotFoundError(f"the current version {chosen} is not in {folder}; {HINT}")
    return folder / chosen


def versions(folder: Path) -> list[Manifest]:
    """The manifests of all versions, the newest last."""
    return [read_sealed(path.parent, MANIFEST, KIND, FORMAT) for path in _by_age(folder)]


def promote(folder: Path, name: str, *, by: str, why: str) -> Promotion:
    """Make a version current, after it was verified; a service takes it up by itself.

    Raises:
        NotFoundError: there is no such version.
        FormatError: it is damaged.
        GateError: it failed its gate.
    """
    found = pick(folder, name, "version", MANIFEST)
    with _locked(folder):
        return _make_current(folder, Version.open(found), "promote", by, why)


def rollback(folder: Path, *, by: str, why: str) -> Promotion:
    """Make current what was current before the last promotion; once more goes one further back.

    Raises:
        NotFoundError: there was none before, or it is gone.
        FormatError: it is damaged.
    """
    with _locked(folder):
        before = _standing(folder)[:-1]
        if not before:
            raise NotFoundError(f"there is nothing to go back to in {folder}: fewer than two versions were promoted")
        return _make_current(folder, Version.open(pick(folder, before[-1], "version", MANIFEST)), "rollback", by, why)


def history(folder: Path) -> list[Promotion]:
    """Every promotion and rollback, the last one last.

    Raises:
        FormatError: a line is damaged.
    """
    path = folder / HISTORY
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")
    try:
        # what stands behind the last line end was cut off by a crash and never took effect
        return [Promotion(**json.loads(line)) for line in lines[:-1]]
    except (ValueError, TypeError) as error:
        raise FormatError(f"{path}: damaged ({error}); wanted one promotion a line") from error


def verify(folder: Path, name: str | None = None) -> dict[str, str | None]:
    """Check every byte of one version, or with None of all.

    Returns:
        By id, None where it is whole, else what was found and wanted.

    Raises:
        NotFoundError: there is no such version.
    """
    paths = [p.parent for p in _by_age(folder)] if name is None else [pick(folder, name, "version", MANIFEST)]
    return {path.name: _problem(path) for path in paths}


def prune(folder: Path, *, keep: int = 3) -> list[str]:
    """Remove all but the newest `keep` versions; never the current one, nor the one that a rollback goes to.

    A process that has a version open keeps it: its files are mapped.

    Returns:
        The ids removed.

    Raises:
        InputError: keep is below 0.
    """
    if keep < 0:
        raise InputError(f"keep: found {keep}; wanted 0 or more")
    with _locked(folder):
        for left in folder.glob(".*.pruned"):  # by a killed process
            shutil.rmtree(left)
        ids = [path.parent.name for path in _by_age(folder)]
        kept = {*ids[max(0, len(ids) - keep) :], *_standing(folder)[-2:], current(folder)}
        gone = [i for i in ids if i not in kept]
        for i in gone:
            aside = folder / f".{i}.pruned"
            (folder / i).rename(aside)
            shutil.rmtree(aside)
    return gone


def _make_current(folder: Path, version: Version, act: Literal["promote", "rollback"], by: str, why: str) -> Promotion:
    if not version.manifest["gate"]["passed"]:
        failed = "; ".join(
            f"{check['name']}: found {check['found']}, wanted {check['wanted']}"
            for check in version.manifest["gate"]["checks"]
            if not check["passed"]
        )
        raise GateError(f"version {version.id} failed its gate, and is not promoted: {failed}")
    entry = Promotion(version.id, act, by, why, datetime.now(UTC).isoformat(timespec="seconds"))
    with (folder / HISTORY).open("rb+" if (folder / HISTORY).exists() else "xb+") as file:
        _cut_after_last_line(file.read(), folder / HISTORY)
        file.seek(0, os.SEEK_END)
        file.write(json.dumps(asdict(entry), ensure_ascii=False).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
    write_bytes(folder / CURRENT, f"{version.id}\n".encode())
    return entry


def _cut_after_last_line(data: bytes, path: Path) -> None:
    """Remove what a crash left of a line."""
    end = data.rfind(b"\n") + 1
    if end < len(data):
        os.truncate(path, end)


def _standing(folder: Path) -> list[str]:
    """What is current, last, and before it what a rollback would go to, and so on."""
    stack: list[str] = []
    for entry in history(folder):
        if entry.act == "rollback":
            stack.pop()
        elif stack[-1:] != [entry.version]:
            stack.append(entry.version)
    return stack


def _by_age(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"[!.]*/{MANIFEST}"), key=lambda path: (path.stat().st_mtime_ns, path.parent.name))


def _problem(path: Path) -> str | None:
    try:
        opened = Version.open(path)
        if opened.id != path.name:
            return f"{path}: found version {opened.id}; wanted {path.name}"
    except FormatError as error:
        return str(error)
    return None


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One act on the folder of versions at a time, whatever the process."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
