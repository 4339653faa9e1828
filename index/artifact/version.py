"""The version on disk: an immutable folder that says who is similar, opened without reading what is not asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import TypeAdapter
from typing_extensions import TypedDict

from riyl.core.errors import FormatError, NotFoundError
from riyl.core.files import Manifest, read_sealed, seal, verify_sealed, write_bytes
from riyl.core.storage.model import ScoringSettings
from riyl.core.storage.sealed import SealedFolder
from riyl.core.storage.snapshot import WeightedSets
from riyl.core.types import ArtistId, Mask
from riyl.index.artifact.memory_map import load_array, read_arrow
from riyl.index.artifact.parts import Parts, open_evidence, open_parts, open_sets, open_terms
from riyl.index.scoring.popularity import popularity_of
from riyl.index.scoring.score import Scoring

MANIFEST = "manifest.json"
SEAL = "manifest.sha256"
KIND = "riyl-version"
FORMAT = 3
REMEDY = "build it anew with: riyl index build --promote"
LIST_LENGTH = 256
"""Neighbours kept ready of each artist: 200 are asked for at most, the rest is for deletions."""

FAISS = "embeddings.faiss"
NAMES = "names"
EMBEDDING = ".embedding"
"""What the name of a hidden folder beside the versions ends with that keeps the embedding of one in the making."""

COLUMNS = ("artist_id", "name", "mbid", "aliases")

Number = TypeVar("Number", bound=np.generic)


def _array(name: str, kind: type[Number]) -> cached_property[NDArray[Number]]:
    """The array of that name in a version's folder, mapped into memory when it is first asked for.

    Args:
        kind: of its numbers, as the build writes them.
    """
    return cached_property(lambda version: load_array(version.folder / f"{name}.npy"))


class _Check(TypedDict):
    name: str
    found: float
    wanted: str
    passed: bool


class _Checks(TypedDict):
    passed: bool
    checks: list[_Check]


class _Counts(TypedDict):
    artists: int
    embedded: int
    not_embedded: dict[str, int]
    by_pattern: dict[str, int]


class VersionManifest(TypedDict):
    """The fields of a version's manifest that others than its own arrays are read by."""

    id: str
    model: str
    model_name: str
    snapshot: str
    last_change: int
    counts: _Counts
    patterns: list[list[str]]
    quality_checks: _Checks
    settings: dict[str, Any]
    evidence: list[str]
    parts: list[str]
    sets: list[str]


SCHEMA = TypeAdapter(VersionManifest)


@dataclass(frozen=True)
class Version(SealedFolder):
    """An opened version. Artists stand in the order of their ids; a position in that order is a row. Arrays are mapped.

    Its files: artists.arrow (COLUMNS and the attributes), listeners.npy and plays.npy (n,), by_popularity.npy (n,)
    int32 rows, the most listened to first, patterns.npy (n,) int32, embeddings.npy (n, d) float32 unit rows (zeros
    where not known), has_embedding.npy (n,) bool, h.npy and c.npy (see `riyl.index.scoring.score`), embeddings.faiss
    (the known artists in row order), neighbours.npy and scores.npy (n, 256), names/ (see `riyl.index.artifact.names`),
    not_embedded.arrow (artist_id and reason of those without embedding), manifest.json and manifest.sha256; by
    modality, parts/M.rows.npy (m,) int32 and parts/M.npy (m, d) float32, evidence/M.npy (n,) int32, and of sets
    sets/M.indptr.npy, sets/M.terms.npy, sets/M.weights.npy (see `riyl.core.storage.snapshot.WeightedSets`) and
    sets/M.arrow (term).
    """

    @staticmethod
    def open(folder: Path, *, verify: bool = True) -> Version:
        """Open a version folder; the manifest and sizes are always checked, the files' sha256 when `verify` is set.

        Raises:
            FormatError: it is damaged, of another kind or of a newer format; the message names found and wanted.
            OutdatedError: it is of an earlier release; the message says what to run.
        """
        manifest = read_sealed(folder, MANIFEST, KIND, FORMAT, oldest=FORMAT, remedy=REMEDY, schema=SCHEMA)
        _verify_manifest(folder)
        if verify:
            verify_sealed(folder, manifest)
        return Version(folder, manifest)

    @property
    def n_artists(self) -> int:
        return int(self.manifest["counts"]["artists"])

    @property
    def sizes(self) -> Mapping[str, Mapping[str, int]] | None:
        """By table how much of it is in the version, see `riyl.core.storage.snapshot.Snapshot.sizes`; None where it
        does not say."""
        return self.manifest.get("sizes")

    @property
    def patterns_of_modalities(self) -> list[tuple[str, ...]]:
        """The sets of modalities that artists have; `patterns` points into it."""
        return [tuple(names) for names in self.manifest["patterns"]]

    @cached_property
    def artists(self) -> pa.Table:
        """artist_id, name, mbid, aliases and the attributes, one artist a row, mapped into memory."""
        return read_arrow(self.folder / "artists.arrow")

    @cached_property
    def attributes(self) -> list[str]:
        """Names of the catalog's further columns."""
        return [name for name in self.artists.column_names if name not in COLUMNS]

    @cached_property
    def artist_ids(self) -> list[ArtistId]:
        return list(self.artists.column("artist_id").to_pylist())

    listeners = _array("listeners", np.int64)
    plays = _array("plays", np.float64)
    by_popularity = _array("by_popularity", np.int32)
    patterns = _array("patterns", np.int32)
    embeddings = _array("embeddings", np.float32)
    has_embedding = _array("has_embedding", np.bool_)
    neighbours = _array("neighbours", np.int32)
    scores = _array("scores", np.float32)
    """(n, 256) float32 scores of `neighbours`, NaN behind the end of a list."""

    @cached_property
    def scoring(self) -> Scoring:
        settings = ScoringSettings(**self.manifest.get("scoring", {}))
        return Scoring.load(self.folder, settings, popularity_of(self.listeners))

    @property
    def modalities(self) -> list[str]:
        """Every modality of the snapshot, names ascending, those that nobody has among them."""
        had = {name for pattern in self.patterns_of_modalities for name in pattern}
        return sorted(had.union(self.manifest.get("absent_modalities", ())))

    def hold(self) -> None:
        """Map what is only read when it is asked for, so that the version stays whole when its folder is pruned."""
        touched: list[object] = [
            self.embeddings,
            self.scoring,
            self.has_embedding,
            self.patterns,
            self.neighbours,
            self.scores,
        ]
        touched += [self.listeners, self.plays, self.artists]
        touched += [self.parts, self.evidence, self.sets, *map(self.terms, self.sets)]

    def having(self, names: list[str] | None = None) -> Mask:
        """(n,) bool: the artists that have all the named modalities; with None, those that have any at all."""
        fits = [
            bool(pattern) if names is None else set(names) <= set(pattern) for pattern in self.patterns_of_modalities
        ]
        return np.asarray(np.array(fits, bool)[self.patterns], bool)

    @cached_property
    def parts(self) -> Mapping[str, Parts]:
        """By modality that the model takes and the snapshot has, what each artist's embedding is the sum of.

        Files are opened when first asked for; who answers from a version asks when it takes it, as it may be pruned.
        """
        return open_parts(self.folder, self.manifest["parts"])

    @cached_property
    def evidence(self) -> Mapping[str, NDArray[np.int32]]:
        """By modality of the snapshot (n,) int32 tags, listeners or tracks behind it; 0 where an artist has none."""
        return open_evidence(self.folder, self.manifest["evidence"])

    @cached_property
    def sets(self) -> Mapping[str, WeightedSets]:
        """By modality that is made of sets, the terms of all n artists with their weights, heaviest first."""
        return open_sets(self.folder, self.manifest["sets"])

    def terms(self, modality: str) -> pa.Array:
        """(V,) strings, what the terms of one of `sets` point at.

        Raises:
            NotFoundError: the modality is not made of sets.
        """
        if modality not in self._terms:
            available = ", ".join(self._terms) or "no modality"
            raise NotFoundError(f"version {self.id} has terms of {available}; asked for those of {modality}")
        return self._terms[modality]

    @cached_property
    def _terms(self) -> Mapping[str, pa.Array]:
        return open_terms(self.folder, self.manifest["sets"])


def seal_version(folder: Path, fields: Manifest) -> None:
    """Write the manifest over all of `folder`, and its sha256 beside it, so that no byte of it can change unseen."""
    seal(folder, MANIFEST, {"kind": KIND, "format": FORMAT, **fields})
    write_bytes(folder / SEAL, _seal_line((folder / MANIFEST).read_bytes()))


def _verify_manifest(folder: Path) -> None:
    wanted = _seal_line((folder / MANIFEST).read_bytes())
    stored = (folder / SEAL).read_bytes() if (folder / SEAL).is_file() else b"no such file"
    if stored != wanted:
        text = stored.decode(errors="replace").strip()
        raise FormatError(f"{folder / MANIFEST}: damaged, {SEAL} says {text!r}; wanted {wanted.decode().strip()!r}")


def _seal_line(manifest: bytes) -> bytes:
    return f"{hashlib.sha256(manifest).hexdigest()}  {MANIFEST}\n".encode()
