"""Removal of old versions, the snapshots behind them, and old frozen tables and changes."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection
from pathlib import Path

from riyl.core.catalog.freeze import last_import
from riyl.core.changes.effective import ASIDE, SUFFIX
from riyl.core.db.session import Database
from riyl.core.errors import FormatError, OutdatedError
from riyl.core.files import discard, sweep
from riyl.core.settings import Home
from riyl.core.storage import model
from riyl.core.storage.entries import by_age
from riyl.core.storage.sealed import read_sealed
from riyl.core.storage.snapshot import MANIFEST, Snapshot, snapshot_states
from riyl.core.storage.snapshot_source import read_source
from riyl.index.versions.lifecycle import prune, versions

log = logging.getLogger(__name__)

ABANDONED_S = 86_400
"""Minimum age, in seconds, of an unfinished file of changes that counts as abandoned."""


def tidy(home: Home, database: Database, *, keep: int, in_use: Collection[str] = ()) -> dict[str, list[str]]:
    """Remove old versions, then all that the remaining ones do not need, and remains of killed processes.

    Kept are: versions as `riyl.index.versions.lifecycle.prune` says; snapshots of a version or a model, the newest
    one, and at least one of each featurizer; frozen tables imported last, those that a kept snapshot was made of, and
    the newest; the newest changes. Folders and files that a process is still writing stay.

    Args:
        home: the home.
        database: the database of promotions.
        keep: number of newest versions to keep.
        in_use: ids of snapshots, tables and changes that a running job has made and still needs.

    Returns:
        By kind (versions, snapshots, tables, changes), the ids removed.

    Raises:
        InputError: keep is below 0.
        DatabaseDownError: the database cannot be reached; nothing was removed.
    """
    return {
        "versions": prune(home.versions, database, keep=keep),
        "snapshots": _remove_old(home.snapshots, MANIFEST, _snapshots_needed(home, in_use)),
        "tables": _remove_old(home.frozen_tables, "artists.*", _tables_needed(home, in_use)),
        "changes": _remove_frozen_changes(home.changes, in_use),
    }


def _remove_frozen_changes(folder: Path, in_use: Collection[str]) -> list[str]:
    """Remove all but the newest and those in use, and abandoned unfinished files."""
    for left in folder.glob(f"{ASIDE}*"):
        if time.time() - left.stat().st_mtime > ABANDONED_S:
            left.unlink(missing_ok=True)
    paths = sorted(folder.glob(f"[!.]*{SUFFIX}"), key=lambda path: (path.stat().st_mtime_ns, path.name))
    old = [path for path in paths[:-1] if path.stem not in in_use]
    for path in old:
        path.unlink()
    return [path.stem for path in old]


def _snapshots_needed(home: Home, in_use: Collection[str]) -> set[str] | None:
    """Return the ids of the needed snapshots; None where a manifest that may need one cannot be read."""
    cards = [path.parent for path in home.models.glob(f"[!.]*/{model.CARD}")]
    featurizers: set[str] = set()
    try:
        manifests = [read_sealed(folder, model.CARD, model.KIND, model.FORMAT) for folder in cards]
        needed = {*in_use, *(str(manifest["snapshot"]) for manifest in [*manifests, *versions(home.versions)])}
        # a featurizer without a model may be in use by a training, and other snapshots cannot restore it
        states = list(snapshot_states(home.snapshots))
        opened = [state for _, state in states if isinstance(state, Snapshot)]
        for each in sorted(opened, key=lambda s: s.id not in needed):
            if each.featurizer_id not in featurizers:
                needed.add(each.id)
            featurizers.add(each.featurizer_id)
        # snapshots of other releases are unusable here, but not this release's to remove
        return needed | {id for id, state in states if isinstance(state, OutdatedError)}
    except FormatError as error:
        log.error("snapshots_kept reason=%s", error)
        return None


def _tables_needed(home: Home, in_use: Collection[str]) -> set[str] | None:
    """Return the ids of frozen tables that a job uses or would take by default; None where sources cannot be read."""
    imported = last_import(home.frozen_tables)
    try:
        sources = [read_source(path.parent) for path in home.snapshots.glob(f"[!.]*/{MANIFEST}")]
    except FormatError as error:
        log.error("tables_kept reason=%s", error)
        return None
    behind = {source.name for source in sources if source is not None and source.parent == home.frozen_tables}
    return {*in_use, *behind, *([] if imported is None else [imported.tables])}


def _remove_old(folder: Path, file: str, needed: set[str] | None) -> list[str]:
    """Remove all but the newest and the needed entries; none with None. `file` marks an entry and gives its age."""
    if not folder.is_dir() or needed is None:
        return []
    sweep(folder)
    paths = by_age(folder, file)
    old = [path.parent for path in paths[:-1] if path.parent.name not in needed]
    for path in old:
        discard(path)
    return [path.name for path in old]
