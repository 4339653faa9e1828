"""Snapshot on disk: an immutable folder of features, whose files are read when they are first used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NotRequired

import numpy as np
import pyarrow as pa
import pyarrow.parquet
from numpy.typing import NDArray
from pydantic import TypeAdapter
from typing_extensions import TypedDict

from riyl.core.catalog.terms import COLUMNS_OF
from riyl.core.errors import OutdatedError
from riyl.core.files import seal
from riyl.core.storage.base_rows import FOLDER as BASE_ROWS
from riyl.core.storage.base_rows import BaseRows
from riyl.core.storage.entries import by_age, newest, pick
from riyl.core.storage.memory_map import (
    ARTIST_COLUMNS,
    ATTRIBUTE_TYPES,
    load_array,
    read_parquet,
    require_ascending_texts,
    require_between,
)
from riyl.core.storage.modality import Modality, open_modality
from riyl.core.storage.raw_terms import TERMS, RawTerms
from riyl.core.storage.sealed import ChangeNumber, Count, FolderId, SealedFolder, read_sealed
from riyl.core.storage.sealed_files import SealedFiles
from riyl.core.storage.snapshot_source import read_source
from riyl.core.types import ArtistId, Mask

MANIFEST = "manifest.json"
KIND = "riyl-snapshot"
FORMAT = 2
REMEDY = "make it anew with: riyl snapshot build TABLES"

MAX_LISTENERS = 1 << 62
"""Maximum stored number of listeners: sums of two stay in the range of int64."""

HOLDOUT = "holdout.npy"

RAW = "raw"
"""Folder of the artists' raw terms, with a subfolder per table; snapshots made before raw terms existed lack it."""


class SnapshotManifest(TypedDict):
    """Fields of a snapshot's manifest that are read."""

    id: FolderId
    featurizer: str
    artists: Count
    modalities: dict[str, Count]
    tables: dict[str, Any]
    last_change: NotRequired[ChangeNumber]
    sizes: NotRequired[dict[str, dict[str, int]]]


SCHEMA = TypeAdapter(SnapshotManifest)


@dataclass(frozen=True)
class Snapshot(SealedFolder):
    """An opened snapshot. Artists are sorted by id; a position in that order is a row."""

    @staticmethod
    def open(folder: Path, *, verify: bool = False) -> Snapshot:
        """Open a snapshot folder; sizes are always checked, sha256 when `verify` is set.

        Raises:
            FormatError: it is damaged; see `riyl.core.storage.sealed.read_sealed`. So do properties that read files.
            OutdatedError: it is of an earlier release; the message has the command to run.
        """
        manifest = read_sealed(folder, MANIFEST, KIND, FORMAT, oldest=FORMAT, remedy=REMEDY, schema=SCHEMA)
        snapshot = Snapshot(folder, manifest)
        if verify:
            snapshot.files.verify()
        return snapshot

    @property
    def featurizer_id(self) -> str:
        return str(self.manifest["featurizer"])

    @cached_property
    def artists(self) -> pa.Table:
        """Columns artist_id, name, mbid, aliases and the attributes, one row per artist, by ascending artist_id."""
        file = self.files["artists.parquet"]
        table = read_parquet(
            file, ARTIST_COLUMNS, rows=self.n_artists, required=("artist_id", "name"), others=ATTRIBUTE_TYPES
        )
        require_ascending_texts(file, table.column("artist_id"))
        return table

    @cached_property
    def artist_ids(self) -> list[ArtistId]:
        return list(self.artists.column("artist_id").to_pylist())

    @property
    def source(self) -> Path | None:
        """Folder of the tables that the snapshot was last made from; None for a snapshot of an earlier release.

        Raises:
            FormatError: the file that names the folder is damaged.
        """
        return read_source(self.folder)

    @property
    def last_change(self) -> int:
        """Number of the last change folded in; 0 is none."""
        return int(self.manifest.get("last_change", 0))

    @cached_property
    def base_rows(self) -> BaseRows | None:
        """Base rows of changed artists; None where the snapshot has none."""
        files = self.files.in_folder(BASE_ROWS)
        return BaseRows(files) if files else None

    @cached_property
    def raw_terms(self) -> Mapping[str, RawTerms]:
        """Weighted terms of each artist, by table, changes folded in; a table whose terms are not stored is missing."""
        return {
            table: RawTerms.open(self.files, f"{RAW}/{table}", self.n_artists)
            for table in COLUMNS_OF
            if f"{RAW}/{table}/{TERMS}" in self.files
        }

    @property
    def n_artists(self) -> int:
        return int(self.manifest["artists"])

    @property
    def sizes(self) -> Mapping[str, Mapping[str, int]] | None:
        """Sizes of each table: `rows`, `artists`, `listeners` and `used`, see `riyl.training.features.sizes`.

        None for a snapshot made before sizes were recorded.
        """
        return self.manifest.get("sizes")

    @cached_property
    def listeners(self) -> NDArray[np.int64]:
        """(n,) distinct listeners of each artist; 0 where none is known."""
        return open_counts(self.files, self.n_artists)[0]

    @cached_property
    def plays(self) -> NDArray[np.float64]:
        """(n,) plays of each artist; 0 where none is known."""
        return open_counts(self.files, self.n_artists)[1]

    @cached_property
    def holdout(self) -> Mask:
        """(n,) bool: artists excluded from fitting the featurizer and from training models; usually none."""
        if HOLDOUT not in self.files:
            return np.zeros(self.n_artists, bool)
        bits = load_array(self.files[HOLDOUT], np.uint8, (-(-self.n_artists // 8),))
        return np.unpackbits(bits, count=self.n_artists).astype(bool)

    @cached_property
    def modalities(self) -> Mapping[str, Modality]:
        """Modalities of the snapshot by name, names ascending."""
        had = self.manifest["modalities"]
        return {name: open_modality(self.files, name, self.n_artists, had[name]) for name in sorted(had)}

    @property
    def modalities_had(self) -> list[str]:
        """Modalities that at least one artist has, names ascending."""
        return [name for name, modality in self.modalities.items() if len(modality.rows)]

    def having(self, names: list[str] | None = None) -> Mask:
        """Return (n,) bool: the artists that have all the named modalities; with None, those that have any."""
        counts = np.zeros(self.n_artists, np.int32)
        for modality in self.modalities.values() if names is None else [self.modalities[n] for n in names]:
            counts[modality.rows] += 1
        return counts > 0 if names is None else counts == len(names)


def open_counts(files: SealedFiles, n: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Open (n,) listeners and (n,) plays, all of them at least 0."""
    listeners = load_array(files["listeners.npy"], np.int64, (n,))
    require_between(files["listeners.npy"], listeners, 0, MAX_LISTENERS)
    plays = load_array(files["plays.npy"], np.float64, (n,))
    require_between(files["plays.npy"], plays, 0, np.finfo(np.float64).max)
    return listeners, plays


def find_snapshot(folder: Path, name: str | None) -> Snapshot:
    """Open the snapshot whose id is `name` or begins with it; the newest with None.

    Raises:
        NotFoundError: there is none.
    """
    hint = "make one with: riyl snapshot build TABLES"
    return Snapshot.open(
        newest(folder, "snapshot", MANIFEST, hint) if name is None else pick(folder, name, "snapshot", MANIFEST)
    )


def snapshot_states(folder: Path) -> Iterator[tuple[str, Snapshot | OutdatedError]]:
    """Open the snapshots of a folder, the newest first; yields id and snapshot, or the error of an older format."""
    for path in reversed(by_age(folder, MANIFEST)):
        try:
            yield path.parent.name, Snapshot.open(path.parent)
        except OutdatedError as error:
            yield path.parent.name, error


def write_artists(folder: Path, artists: pa.Table, listeners: NDArray[np.int64], plays: NDArray[np.float64]) -> None:
    """Write the artists, their listeners and their plays, as `Snapshot` reads them."""
    pyarrow.parquet.write_table(artists, folder / "artists.parquet", compression="zstd")
    np.save(folder / "listeners.npy", listeners)
    np.save(folder / "plays.npy", plays)


def write_holdout(folder: Path, holdout: Mask) -> None:
    """Write the holdout artists, one bit per artist; writes nothing if there are none."""
    if holdout.any():
        np.save(folder / HOLDOUT, np.packbits(holdout))


def seal_snapshot(folder: Path, fields: Mapping[str, Any]) -> None:
    """Write the manifest over all of `folder`; `fields` holds id, featurizer, artists, modalities, recipe, counts."""
    seal(folder, MANIFEST, {"kind": KIND, "format": FORMAT, **fields})
