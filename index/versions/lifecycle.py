"""Life cycle of versions: the current one, promotion with author and reason, rollback, verification, removal."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection

from riyl.core.db.promotions import Promotion, add_promotion, all_promotions, last_promotion
from riyl.core.db.revisions import newest_stamp
from riyl.core.db.session import Database
from riyl.core.errors import FormatError, InputError, NotFoundError, QualityCheckError
from riyl.core.files import Manifest, discard, locked, sweep
from riyl.core.storage.current import CURRENT as CURRENT
from riyl.core.storage.current import current_stamp, read_current, write_current
from riyl.core.storage.entries import by_age, pick
from riyl.core.storage.sealed import read_sealed
from riyl.core.storage.stamps import Stamp, Stream
from riyl.index.artifact.version import EMBEDDING, FORMAT, KIND, MANIFEST, Version
from riyl.index.versions.report import Report

HISTORY = "promotions.jsonl"
"""File of promotions in homes from before there was a database."""

LOCK = ".lock"
"""Lock file in the folder of versions, held by any process during one operation on it."""

HINT = "make one with: riyl index build --promote"


def current(folder: Path) -> str | None:
    """Return the id of the current version from the file CURRENT alone; None where no version was promoted yet."""
    return read_current(folder)


def find_version(folder: Path, name: str | None) -> Path:
    """Return the folder of the version whose id is `name` or begins with it; with None, of the current one.

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


def current_model(folder: Path) -> str | None:
    """Return the id of the current version's model; None where no version is promoted or it cannot be read."""
    with suppress(NotFoundError, FormatError):
        return str(Version.open(find_version(folder, None), verify=False).manifest["model"])
    return None


def versions(folder: Path) -> list[Manifest]:
    """Return the manifests of all versions, the newest last."""
    return [read_sealed(path.parent, MANIFEST, KIND, FORMAT) for path in by_age(folder, MANIFEST)]


def states(folder: Path) -> dict[str, Manifest | FormatError]:
    """Return each version's manifest, or its error, by id, the newest last; other files are checked by size alone."""
    manifests: dict[str, Manifest | FormatError] = {}
    for path in by_age(folder, MANIFEST):
        try:
            manifests[path.parent.name] = Version.open(path.parent, verify=False).manifest
        except FormatError as error:
            manifests[path.parent.name] = error
    return manifests


def promote(
    folder: Path,
    database: Database,
    name: str,
    *,
    by: str,
    why: str,
    verdict: Report | None = None,
    force: bool = False,
    job: str | None = None,
) -> Promotion:
    """Verify a version and make it current; a running service loads it by itself.

    Args:
        folder: folder of versions.
        database: the database of promotions.
        name: the version's id, or the beginning of it.
        by: author of the promotion.
        why: reason of the promotion.
        verdict: report of the promotion policy; None takes the version's own quality checks.
        force: promote against the verdict; this is recorded.
        job: the job that promotes; it promotes once, however often it runs.

    Raises:
        NotFoundError: there is no such version.
        FormatError: it is damaged.
        QualityCheckError: the verdict is against it; the message names values found and wanted.
        DatabaseDownError: the database cannot be reached; nothing has changed.
        StaleDatabaseError: the database lacks records that this home has seen; nothing has changed.
    """
    version = Version.open(pick(folder, name, "version", MANIFEST))
    report = verdict or Report.of(version.manifest["quality_checks"])
    if not report.passed and not force:
        message = f"version {version.id} failed its quality checks and is not promoted: {report.failures}"
        raise QualityCheckError(message, report.as_dict()["checks"])
    with locked(folder / LOCK):
        with database.alone() as connection:
            database.check(connection)
            entry = add_promotion(connection, version.id, "promote", by=by, why=why, forced=not report.passed, job=job)
        _follow(folder, database)
    return entry


def rollback(folder: Path, database: Database, *, by: str, why: str) -> Promotion:
    """Make the version current that was so before the last promotion; each further rollback goes back one more.

    Raises:
        NotFoundError: there was none before, or it was removed.
        FormatError: it is damaged.
        DatabaseDownError: the database cannot be reached; nothing has changed.
        StaleDatabaseError: the database lacks records that this home has seen; nothing has changed.
    """
    with locked(folder / LOCK):
        with database.alone() as connection:
            database.check(connection)
            before = _standing(all_promotions(connection))[:-1]
            if not before:
                raise NotFoundError("there is nothing to go back to: fewer than two versions were promoted")
            version = Version.open(pick(folder, before[-1], "version", MANIFEST))
            entry = add_promotion(connection, version.id, "rollback", by=by, why=why)
        _follow(folder, database)
    return entry


def follow(folder: Path, database: Database) -> None:
    """Update this home's CURRENT to the current version of the database.

    CURRENT is behind after a process was killed between the two, or after another home of the same database promoted.

    Raises:
        NotFoundError: the current version is not in this home; CURRENT stays.
        DatabaseDownError: the database cannot be reached; CURRENT stays.
        StaleDatabaseError: the database lacks records that this home has seen; CURRENT stays.
    """
    with database.read_whole() as connection:
        database.check(connection)
        last, stamp = last_promotion(connection), newest_stamp(connection, Stream.PROMOTIONS)
    if last is not None and (last.version, stamp) == _copy(folder):
        return
    if last is None and not (folder / HISTORY).exists():
        return
    with locked(folder / LOCK):
        _follow(folder, database)


def history(database: Database) -> list[Promotion]:
    """Return every promotion and rollback, the latest last."""
    with database.read() as connection:
        return all_promotions(connection)


def verify(folder: Path, name: str | None = None) -> dict[str, str | None]:
    """Check every byte of one version; with None, of all versions.

    Returns:
        By id, None where the version is intact, else the error with found and wanted.

    Raises:
        NotFoundError: there is no such version.
    """
    paths = [p.parent for p in by_age(folder, MANIFEST)] if name is None else [pick(folder, name, "version", MANIFEST)]
    return {path.name: _problem(path) for path in paths}


def prune(folder: Path, database: Database, *, keep: int = 3) -> list[str]:
    """Remove all but the newest `keep` versions; never the current one, nor the one that a rollback goes to.

    A process that has a removed version open keeps using it, as its files are mapped. Remains of killed builds and all
    saved embeddings are removed too: a build that still needs its embedding computes it again.

    Returns:
        The ids removed.

    Raises:
        InputError: keep is below 0.
        DatabaseDownError: the database cannot be reached; nothing was removed.
        StaleDatabaseError: the database lacks records that this home has seen; nothing was removed.
    """
    if keep < 0:
        raise InputError(f"keep: found {keep}; wanted 0 or more")
    with locked(folder / LOCK):
        with database.read() as connection:
            database.check(connection)
            promoted = all_promotions(connection)
        ids = [path.parent.name for path in by_age(folder, MANIFEST)]
        retained = {*ids[max(0, len(ids) - keep) :], *_standing(promoted)[-2:], current(folder)}
        tombstones = [i for i in ids if i not in retained]
        sweep(folder)
        for path in [*folder.glob(f".*{EMBEDDING}"), *(folder / i for i in tombstones)]:
            discard(path)
    return tombstones


def _follow(folder: Path, database: Database) -> None:
    with database.alone() as connection:
        database.check(connection)
        last = last_promotion(connection)
        if last is None and (folder / HISTORY).exists():
            last = _take_over(connection, folder / HISTORY)
        stamp = newest_stamp(connection, Stream.PROMOTIONS)
    if last is None or (last.version, stamp) == _copy(folder):
        return
    if not (folder / last.version / MANIFEST).is_file():
        raise NotFoundError(f"version {last.version} was promoted but is not in {folder}; copy it there")
    write_current(folder, last.version, stamp)


def _copy(folder: Path) -> tuple[str | None, Stamp | None] | None:
    """Return the content of CURRENT; None where it is damaged, so that it is written again."""
    try:
        return current(folder), current_stamp(folder)
    except FormatError:
        return None


def _take_over(connection: Connection, path: Path) -> Promotion | None:
    """Import the promotions of a home from before there was a database."""
    lines = path.read_text(encoding="utf-8").split("\n")
    last = None
    try:
        # text after the last line end was cut off by a crash and never took effect
        for line in lines[:-1]:
            entry = json.loads(line)
            at = datetime.fromisoformat(entry["at"])
            last = add_promotion(connection, entry["version"], entry["act"], by=entry["by"], why=entry["why"], at=at)
    except (ValueError, TypeError, KeyError) as error:
        raise FormatError(f"{path}: damaged ({error}); wanted one promotion per line") from error
    return last


def _standing(entries: list[Promotion]) -> list[str]:
    """Return the current version, last, after the versions that successive rollbacks go to."""
    stack: list[str] = []
    for entry in entries:
        if entry.act == "rollback":
            stack.pop()
        elif stack[-1:] != [entry.version]:
            stack.append(entry.version)
    return stack


def _problem(path: Path) -> str | None:
    try:
        opened = Version.open(path)
        if opened.id != path.name:
            return f"{path}: found version {opened.id}; wanted {path.name}"
    except FormatError as error:
        return str(error)
    return None
