"""The version on disk: an immutable folder of embeddings and ready lists, whose files are read when first needed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from riyl.core.errors import FormatError, NotFoundError
from riyl.core.files import Manifest, seal, write_bytes
from riyl.core.storage.memory_map import (
    ARTIST_COLUMNS,
    ATTRIBUTE_TYPES,
    load_array,
    read_arrow,
    require_ascending_texts,
    require_between,
)
from riyl.core.storage.scoring_settings import SCORING
from riyl.core.storage.sealed import MAX_MANIFEST_BYTES, SealedFolder, read_sealed
from riyl.core.storage.sealed_files import read_regular
from riyl.core.storage.snapshot import open_counts
from riyl.core.storage.weighted_sets import WeightedSets, open_sets
from riyl.core.types import ArtistId, Lists, Mask, Matrix, Rows
from riyl.index.artifact.arrays import (
    open_corrections,
    open_embeddings,
    open_lists,
    open_mask,
    open_parts,
    open_patterns,
    open_permutation,
    open_thresholds,
)
from riyl.index.artifact.manifest import SCHEMA
from riyl.index.artifact.parts import EVIDENCE, SETS, Parts
from riyl.index.scoring.popularity import Popularity
from riyl.index.scoring.score import Scoring

MANIFEST = "manifest.json"
SEAL = "manifest.sha256"
KIND = "riyl-version"
FORMAT = 4
OLDEST_FORMAT = 3
REMEDY = "build it anew with: riyl index build --promote"
FAISS = "embeddings.faiss"
NAMES = "names"
EMBEDDING = ".embedding"
"""Suffix of the hidden folder, beside the versions, that holds the embedding of a version being built."""

COLUMNS = tuple(ARTIST_COLUMNS)


@dataclass(frozen=True)
class Version(SealedFolder):
    """An opened version with n artists, sorted by id; a position in that order is a row. Arrays are memory-mapped.

    Its files: artists.arrow (COLUMNS and the attributes), listeners.npy and plays.npy (n,), by_popularity.npy (n,)
    int32 rows, the most listened to first, patterns.npy (n,) int32, embeddings.npy (n, d) float32 unit rows (zeros
    without embedding), has_embedding.npy (n,) bool, h.npy and c.npy (see `riyl.index.scoring.score`), embeddings.faiss
    (artists with an embedding, by row), neighbours.npy and scores.npy (n, 256), names/ (see
    `riyl.index.artifact.names`), not_embedded.arrow (artist_id and reason of artists without embedding), manifest.json
    and manifest.sha256; with balanced biases, balance_thresholds.npy and balance_limits.npy (see
    `riyl.index.artifact.arrays.open_thresholds`); by modality, parts/M.rows.npy (m,) int32 and parts/M.npy (m, d)
    float32, evidence/M.npy (n,) int32, and for sets of terms sets/M.indptr.npy, sets/M.terms.npy, sets/M.weights.npy
    (see `riyl.core.storage.weighted_sets.WeightedSets`) and sets/M.arrow (term).
    """

    @staticmethod
    def open(folder: Path, *, verify: bool = True) -> Version:
        """Open a version folder; the manifest and sizes are always checked, the files' sha256 when `verify` is set.

        The content of a file is checked when it is first read: shapes, types, ranges, and agreement between files. So
        nothing is read out of bounds even in a version that was sealed with wrong files.

        Raises:
            FormatError: it is damaged, of another kind or of a newer format; the message names found and wanted.
                Properties that read a file later raise it too.
            OutdatedError: it is of an earlier release; the message names the command to run.
        """
        manifest = read_sealed(folder, MANIFEST, KIND, FORMAT, oldest=OLDEST_FORMAT, remedy=REMEDY, schema=SCHEMA)
        _verify_manifest(folder)
        version = Version(folder, manifest)
        if verify:
            version.files.verify()
        return version

    @property
    def n_artists(self) -> int:
        return int(self.manifest["counts"]["artists"])

    @property
    def sizes(self) -> Mapping[str, Mapping[str, int]] | None:
        """Counts by table, see `riyl.core.storage.snapshot.Snapshot.sizes`; None where the manifest has none."""
        return self.manifest.get("sizes")

    @property
    def patterns_of_modalities(self) -> list[tuple[str, ...]]:
        """Sets of modalities that artists have; `patterns` holds indices into it."""
        return [tuple(names) for names in self.manifest["patterns"]]

    @property
    def dim(self) -> int:
        """Length of an embedding."""
        return int(self.manifest["dim"])

    @cached_property
    def artists(self) -> pa.Table:
        """Table of artist_id, name, mbid, aliases and the attributes, one artist per row, mapped into memory."""
        file, required = self.files["artists.arrow"], ("artist_id", "name")
        table = read_arrow(file, ARTIST_COLUMNS, rows=self.n_artists, required=required, others=ATTRIBUTE_TYPES)
        require_ascending_texts(file, table.column("artist_id"))
        return table

    @cached_property
    def attributes(self) -> list[str]:
        """Names of the catalog's further columns."""
        return [name for name in self.artists.column_names if name not in COLUMNS]

    @cached_property
    def artist_ids(self) -> list[ArtistId]:
        return list(self.artists.column("artist_id").to_pylist())

    @property
    def listeners(self) -> NDArray[np.int64]:
        """Number of distinct listeners of each artist, (n,)."""
        return self._counts[0]

    @property
    def plays(self) -> NDArray[np.float64]:
        """Plays of each artist, (n,)."""
        return self._counts[1]

    @cached_property
    def by_popularity(self) -> Rows:
        """Rows by popularity, the most listened to first, (n,) int32."""
        return open_permutation(self.files["by_popularity.npy"], self.n_artists)

    @cached_property
    def patterns(self) -> NDArray[np.int32]:
        """Pattern of each artist, (n,) int32 indices into `patterns_of_modalities`."""
        return open_patterns(self.files["patterns.npy"], self.n_artists, len(self.manifest["patterns"]))

    @cached_property
    def has_embedding(self) -> Mask:
        """Whether each artist has an embedding, (n,) bool."""
        return open_mask(self.files["has_embedding.npy"], self.n_artists, self.manifest["counts"]["embedded"])

    @cached_property
    def embeddings(self) -> Matrix:
        """Embeddings, (n, d) float32 rows of unit length; zeros where there is no embedding."""
        return open_embeddings(self.files["embeddings.npy"], self.has_embedding, self.dim)

    @property
    def neighbours(self) -> Lists:
        """Ready lists, (n, 256) int32 rows, best first, -1 after the end of a list."""
        return self._lists[0]

    @property
    def scores(self) -> Matrix:
        """Scores of `neighbours`, (n, 256) float32, NaN after the end of a list."""
        return self._lists[1]

    @cached_property
    def scoring(self) -> Scoring:
        settings = SCORING.validate_python(self.manifest.get("scoring", {}))
        h, c = open_corrections(self.files, self.n_artists, len(self.manifest["patterns"]))
        embedded = int(self.manifest["counts"]["embedded"])
        thresholds = open_thresholds(self.files, len(settings.weights_by_depth), embedded)
        return Scoring(np.array(h), np.array(c), settings, Popularity.of(self.listeners), thresholds)

    @property
    def stored_shape(self) -> tuple[int, int]:
        """Number and width of the vectors in the Faiss file, see `riyl.index.scoring.score.Scoring.stored`."""
        return int(self.manifest["counts"]["embedded"]), self.scoring.stored_width(self.dim)

    @cached_property
    def _counts(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        return open_counts(self.files, self.n_artists)

    @cached_property
    def _lists(self) -> tuple[Lists, Matrix]:
        return open_lists(self.files, self.n_artists)

    @property
    def modalities(self) -> list[str]:
        """Every modality of the snapshot, names ascending, including those that no artist has."""
        had = {name for pattern in self.patterns_of_modalities for name in pattern}
        return sorted(had.union(self.manifest.get("absent_modalities", ())))

    def hold(self) -> None:
        """Map all files that are otherwise read on first use, so that the version survives pruning of its folder."""
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
        """Return which artists have all the named modalities, (n,) bool; with None, those that have any."""
        fits = [
            bool(pattern) if names is None else set(names) <= set(pattern) for pattern in self.patterns_of_modalities
        ]
        return np.asarray(np.array(fits, bool)[self.patterns], bool)

    @cached_property
    def parts(self) -> Mapping[str, Parts]:
        """Parts of the artists' embeddings, by modality that the model takes and the snapshot has.

        Files are opened on first use; a service opens them when it loads the version, as its folder may be pruned.
        """
        return open_parts(self.files, self.manifest["parts"], self.has_embedding, self.dim)

    @cached_property
    def evidence(self) -> Mapping[str, NDArray[np.int32]]:
        """Number of tags, listeners or tracks by modality of the snapshot, (n,) int32; 0 where an artist has none."""
        files = {name: self.files[f"{EVIDENCE}/{name}.npy"] for name in self.manifest["evidence"]}
        evidence = {name: load_array(file, np.int32, (self.n_artists,)) for name, file in files.items()}
        for name, counts in evidence.items():
            require_between(files[name], counts, 0, np.iinfo(np.int32).max)
        return evidence

    @cached_property
    def sets(self) -> Mapping[str, WeightedSets]:
        """Terms of all n artists with their weights, heaviest first, by modality that is made of sets."""
        return {
            name: open_sets(self.files, f"{SETS}/{name}.", self.n_artists, len(terms))
            for name, terms in self._terms.items()
        }

    def terms(self, modality: str) -> pa.Array:
        """Return the vocabulary that the terms of one of `sets` index, (V,) strings.

        Raises:
            NotFoundError: the modality is not made of sets.
        """
        if modality not in self._terms:
            available = ", ".join(self._terms) or "no modality"
            raise NotFoundError(f"version {self.id} has no terms of {modality}; it has terms of {available}")
        return self._terms[modality]

    @cached_property
    def _terms(self) -> Mapping[str, pa.Array]:
        tables = {
            name: read_arrow(self.files[f"{SETS}/{name}.arrow"], {"term": pa.string()})
            for name in self.manifest["sets"]
        }
        return {name: table.column("term").combine_chunks() for name, table in tables.items()}


def seal_version(folder: Path, fields: Manifest) -> None:
    """Write the manifest of all files of `folder`, and its sha256 beside it, so that any changed byte is detected."""
    seal(folder, MANIFEST, {"kind": KIND, "format": FORMAT, **fields})
    write_bytes(folder / SEAL, _seal_line((folder / MANIFEST).read_bytes()))


def _verify_manifest(folder: Path) -> None:
    wanted = _seal_line(read_regular(folder, MANIFEST, MAX_MANIFEST_BYTES))
    if not os.path.lexists(folder / SEAL):
        raise FormatError(f"{folder / SEAL}: damaged, found no such file; wanted {wanted.decode().strip()!r}")
    if read_regular(folder, SEAL, len(wanted)) != wanted:
        raise FormatError(
            f"{folder / MANIFEST}: damaged, {SEAL} has another sha256; wanted {wanted.decode().strip()!r}"
        )


def _seal_line(manifest: bytes) -> bytes:
    return f"{hashlib.sha256(manifest).hexdigest()}  {MANIFEST}\n".encode()
