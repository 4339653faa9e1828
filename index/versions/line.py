"""Line of the promoted version: the snapshots and models of its catalog.

A command that needs a snapshot or a model and is told none takes the newest of the line, so that a snapshot of another
catalog in the same home never replaces it unnoticed. Without a promoted version it takes the newest of all.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.compute as pc

from riyl.core.errors import FormatError, NotFoundError, OutdatedError
from riyl.core.settings import Home
from riyl.core.storage.entries import newest, pick
from riyl.core.storage.model import CARD, Model, model_states, snapshot_for
from riyl.core.storage.snapshot import Snapshot, find_snapshot, snapshot_states
from riyl.index.artifact.version import Version
from riyl.index.versions.lifecycle import find_version

log = logging.getLogger(__name__)

MIN_SHARED = 0.5
"""Minimum share of the promoted snapshot's artists in a snapshot of the same line that was made of another folder."""

TRAIN_HINT = "make one with: riyl train"


def _log(notice: str) -> None:
    log.warning("other_catalog %s", notice)


@dataclass(frozen=True)
class Line:
    """Line of the promoted version.

    Attributes:
        home: the home.
        model: id of the version's model.
        featurizer: featurizer of the version's snapshot.
        snapshot: the version's snapshot; None if it is gone from the home.
    """

    home: Home
    model: str
    featurizer: str
    snapshot: Snapshot | None

    @staticmethod
    def of(home: Home) -> Line | None:
        """Return the line of a home; None if no version is promoted.

        A version that cannot be read, or whose snapshot and model are gone, has no line either; that is logged.
        """
        try:
            manifest = Version.open(find_version(home.versions, None), verify=False).manifest
        except NotFoundError:
            return None
        except FormatError as error:
            log.warning("line_unknown reason=%s", error)
            return None
        model, folder = str(manifest["model"]), home.snapshots / str(manifest["snapshot"])
        with suppress(FormatError):
            snapshot = Snapshot.open(folder)
            return Line(home, model, snapshot.featurizer_id, snapshot)
        with suppress(FormatError):
            featurizer = Model.open(home.models / model, verify=False).card["featurizer"]
            return Line(home, model, str(featurizer), None)
        log.warning("line_unknown reason=found neither snapshot %s nor model %s in %s", folder.name, model, home.root)
        return None

    def has_snapshot(self, snapshot: Snapshot) -> bool:
        """Check whether a snapshot is of the promoted version's catalog.

        It is if it was made of the same tables or of the same folder of tables; or with the same featurizer of tables
        that have at least the share `MIN_SHARED` of the artists. The last holds for a later export in another folder,
        and not for another catalog that was put into the feature space of a model.
        """
        if self.snapshot is None:
            return snapshot.featurizer_id == self.featurizer
        if snapshot.id == self.snapshot.id or snapshot.manifest["tables"] == self.snapshot.manifest["tables"]:
            return True
        folder = _tables_of(self.snapshot)
        if folder is not None and folder == _tables_of(snapshot):
            return True
        return snapshot.featurizer_id == self.featurizer and _shared(self.snapshot, snapshot) >= MIN_SHARED

    def has_model(self, model: Model) -> bool:
        """Check whether a model was trained on a snapshot of the line; if that is gone, on the line's featurizer."""
        if model.id == self.model:
            return True
        folder = self.home.snapshots / str(model.card["snapshot"])
        with suppress(FormatError):
            return self.has_snapshot(Snapshot.open(folder))
        return bool(model.card["featurizer"] == self.featurizer)


def find_snapshot_of_line(home: Home, name: str | None, tell: Callable[[str], None] = _log) -> Snapshot:
    """Open the snapshot whose id is `name` or begins with it; with None, the newest of the promoted version's line.

    Args:
        home: the home.
        name: id, or the beginning of it.
        tell: receives a sentence where a newer snapshot is not of the line.

    Raises:
        NotFoundError: there is none.
        FormatError: it is damaged, or a newer one is.
    """
    line = None if name is not None else Line.of(home)
    if line is None:
        return find_snapshot(home.snapshots, name)
    return _newest_snapshot(line, None, tell) or find_snapshot(home.snapshots, None)


def find_model_of_line(home: Home, name: str | None, tell: Callable[[str], None] = _log) -> Model:
    """Open a model by name or id, or the beginning of its id; with None, the newest of the promoted version's line.

    Of several models of a name, those of the line come first, then the newest.

    Args:
        home: the home.
        name: name or id.
        tell: receives a sentence where a newer model is not of the line.

    Raises:
        NotFoundError: there is none.
        FormatError: it is damaged.
    """
    line = Line.of(home)
    newer: Model | None = None
    for id, state in model_states(home.models):
        if not isinstance(state, Model):
            if name is None and not isinstance(state, OutdatedError) and (home.models / id / CARD).exists():
                raise state
        elif name in (None, state.name):
            if line is None or line.has_model(state):
                if newer is not None:
                    tell(
                        f"model {newer.id} ({newer.name}) is newer than {state.id}, but of another catalog; "
                        f"use --model {newer.id}"
                    )
                return Model.open(state.folder)
            newer = newer or state
    if newer is not None:
        return Model.open(newer.folder)
    return Model.open(
        newest(home.models, "model", CARD, TRAIN_HINT) if name is None else pick(home.models, name, "model", CARD)
    )


def snapshot_of_line_for(home: Home, model: Model, name: str | None, tell: Callable[[str], None] = _log) -> Snapshot:
    """Return the snapshot whose id is `name` or begins with it; with None the newest that has a model's featurizer.

    Of several, those of the promoted version's line come first. If none has that featurizer, the newest of all is
    returned; `Model.check_fits` then raises an error that says how to continue.

    Args:
        home: the home.
        model: the model.
        name: id, or the beginning of it.
        tell: receives a sentence where a newer snapshot of the featurizer is not of the line.

    Raises:
        NotFoundError: there is none.
    """
    line = None if name is not None else Line.of(home)
    chosen = None if line is None else _newest_snapshot(line, str(model.card["featurizer"]), tell)
    return chosen or snapshot_for(model, home.snapshots, name)


def _newest_snapshot(line: Line, featurizer: str | None, tell: Callable[[str], None]) -> Snapshot | None:
    """Return the newest snapshot of a line, of this featurizer unless it is None; None if there is none."""
    newer: Snapshot | None = None
    for _, state in snapshot_states(line.home.snapshots):
        if not isinstance(state, Snapshot) or featurizer not in (None, state.featurizer_id):
            continue
        if line.has_snapshot(state):
            if newer is not None:
                tell(f"snapshot {newer.id} is newer than {state.id}, but of another catalog; use --snapshot {newer.id}")
            return state
        newer = newer or state
    return None


def _tables_of(snapshot: Snapshot) -> str | None:
    """Return the folder of the tables that a snapshot was made of; None where that is not known."""
    with suppress(FormatError):
        source: Path | None = snapshot.source
        return None if source is None else os.path.normpath(source)
    return None


def _shared(promoted: Snapshot, other: Snapshot) -> float:
    """Return the share of the promoted snapshot's artists that the other snapshot has."""
    ids = promoted.artists.column("artist_id")
    shared = pc.is_in(ids, value_set=other.artists.column("artist_id").combine_chunks())
    return float(np.mean(shared.to_numpy())) if len(ids) else 0.0
