"""Artists as changes leave them, where a version's model and featurizer put them: what a re-index would make of
them."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import scipy.sparse as sp

from riyl.core.catalog.attributes import as_type
from riyl.core.catalog.tables import MODALITY_OF
from riyl.core.catalog.terms import COLUMNS_OF, merged_entries, term_keys
from riyl.core.changes.effective import EffectiveChanges
from riyl.core.errors import InputError, NothingKnownError
from riyl.core.storage.snapshot import Modality
from riyl.core.types import Vector, silent
from riyl.index.artifact.version import Version
from riyl.index.encoding.cold_start import ColdEncoder
from riyl.index.overlay.artist_parts import evidence_of, parts_of_artist, terms_of_artist
from riyl.index.overlay.artists import LiveArtist, Terms
from riyl.index.overlay.base_values import Underlying
from riyl.index.overlay.overlay import VersionOverlay
from riyl.training.features.audio import VectorFeaturizer
from riyl.training.features.featurize import Source, featurize
from riyl.training.features.featurizer import ModalityFeaturizer
from riyl.training.features.read import Counts, Incidence, Vectors

log = logging.getLogger(__name__)

_TABLE_OF = {modality: table for table, modality in MODALITY_OF.items()}


@dataclass
class _Put:
    """An artist in the making.

    Attributes:
        row: that the version has of it; -1 where it has none.
        tables: what the tables say; None where the version's row says it.
        terms: by table of weighted terms that changes are about, what there is after them; of one whose own terms the
            snapshot does not keep there is none, and the version's row counts.
        artist: what is known of it besides its modalities.
    """

    row: int
    effective: EffectiveChanges
    tables: Mapping[str, Any] | None
    terms: Mapping[str, Mapping[str, float]]
    artist: dict[str, Any]
    parts: dict[str, Vector] = field(default_factory=dict)
    evidence: dict[str, int] = field(default_factory=dict)
    sets: dict[str, Terms] = field(default_factory=dict)


class LiveArtistEncoder:
    """Makes live artists for one version.

    Args:
        encoder: of the version; None where this home has none. Then an artist keeps what the version has of it,
            whatever was said, and of others nothing is known.
    """

    def __init__(self, version: Version, encoder: ColdEncoder | None) -> None:
        self.version = version
        self.encoder = encoder
        self._version = VersionOverlay.of(version)
        self._underlying = None if encoder is None else Underlying(encoder.snapshot)

    def says_more(self, effective: EffectiveChanges, row: int) -> bool:
        """Whether something of the artist is to be shown that the version does not show by itself."""
        if effective.deleted:
            return False
        return not effective.empty or (self._underlying is not None and self._underlying.changed(effective.artist))

    def __call__(self, effective: Sequence[EffectiveChanges], rows: Sequence[int]) -> list[LiveArtist | None]:
        """Artists who are not deleted, in their order; None of one whose name nobody says.

        Args:
            rows: that the version has of each; -1 where it has none.
        """
        block = [self._put(each, row) for each, row in zip(effective, rows, strict=True)]
        named = [put for put in block if put.artist["name"] is not None]
        if self.encoder is not None:
            for name in self.encoder.snapshot.modalities:
                self._place(self.encoder, name, named)
            self._embed(self.encoder, named)
        else:
            for put in named:
                self._keep(put)
        return [LiveArtist(**put.artist) if put.artist["name"] is not None else None for put in block]

    def _put(self, effective: EffectiveChanges, row: int) -> _Put:
        payload = effective.payload
        tables = None if self._underlying is None else self._underlying.of(effective.artist)
        terms = {} if self._underlying is None else self._terms(self._underlying, effective, row)
        base_values: Mapping[str, Any] = (
            tables if tables is not None else {} if row < 0 else vars(self._version.about(row))
        )
        artist: dict[str, Any] = {
            "id": effective.artist,
            "version_row": row,
            **{name: payload[name] if name in payload else base_values.get(name) for name in ("name", "mbid")},
            "aliases": tuple(
                a for a in (payload["aliases"] if "aliases" in payload else base_values.get("aliases")) or () if a
            ),
            "attributes": self._attributes(effective, base_values.get("attributes", {})),
        }
        artist["listeners"], artist["plays"] = self._popularity(row, terms, tables, artist["attributes"])
        return _Put(row, effective, tables, terms, artist)

    def _terms(self, underlying: Underlying, effective: EffectiveChanges, row: int) -> dict[str, Mapping[str, float]]:
        artist, terms = effective.artist, dict[str, Mapping[str, float]]()
        for table in COLUMNS_OF:
            payload = effective.payload.get(table, {})
            if table in effective.whole:
                terms[table] = payload
            elif not payload or not underlying.has_terms(table):
                continue
            elif (base_terms := underlying.terms(artist, row, table)) is not None:
                merged = merged_entries(table, base_terms, payload)
                terms[table] = {term: weight for term, weight in merged.items() if weight is not None}
            else:
                log.warning("change_waits artist=%s field=%s: shown after the next re-index", artist, table)
        return terms

    def _attributes(self, effective: EffectiveChanges, base_attributes: Mapping[str, Any]) -> dict[str, Any]:
        schema, artist = self.version.artists.schema, effective.artist
        attributes = dict.fromkeys(self.version.attributes) | (
            {} if "attributes" in effective.whole else dict(base_attributes)
        )
        for name, value in effective.payload.get("attributes", {}).items():
            typed = name in schema.names and not pa.types.is_null(schema.field(name).type)
            try:
                attributes[name] = as_type(schema.field(name).type, value) if typed and value is not None else value
            except InputError as error:
                log.warning("change_left_out artist=%s field=attributes.%s: %s", artist, name, error)
        return attributes

    def _popularity(
        self,
        row: int,
        terms: Mapping[str, Mapping[str, float]],
        tables: Mapping[str, Any] | None,
        attributes: Mapping[str, Any],
    ) -> tuple[int, float]:
        """Listeners and plays; as `riyl.training.features.build` counts them."""
        if self._underlying is None or self._underlying.has_terms("plays"):
            if "plays" in terms:
                plays = terms["plays"]
            elif tables is not None:
                plays = tables.get("plays", {})
            elif row >= 0:
                return int(self.version.listeners[row]), float(self.version.plays[row])
            else:
                plays = {}
            return len(plays), float(sum(plays.values()))
        numbers = {
            name: value if isinstance(value := attributes.get(name), int | float) else 0
            for name in ("listeners", "plays")
        }
        return int(numbers["listeners"]), float(numbers["plays"])

    def _place(self, encoder: ColdEncoder, name: str, block: Sequence[_Put]) -> None:
        """What one modality adds to each."""
        table, modality_featurizer, modality = (
            _TABLE_OF.get(name, name),
            encoder.modality_featurizer(name),
            encoder.snapshot.modalities[name],
        )
        raw: dict[int, Any] = {}
        unchanged: list[tuple[int, int]] = []
        for at, put in enumerate(block):
            value = _said(put, table, modality_featurizer)
            if value is _NOTHING and put.tables is not None:
                value = _said_by_tables(put.tables, table)
            if value is not _NOTHING:
                if value is not None:
                    raw[at] = value
            elif put.row >= 0:
                unchanged.append((at, put.row))
        if raw:
            placed = featurize(
                name, table, _source(table, raw, len(block), modality_featurizer), modality_featurizer, silent
            )
            self._add(encoder, placed, [block[at] for at in placed.rows.tolist()])
        positions = np.searchsorted(modality.rows, np.array([row for _, row in unchanged], np.int64))
        had = [
            (at, place_of)
            for (at, row), place_of in zip(unchanged, positions.tolist(), strict=True)
            if place_of < len(modality.rows) and modality.rows[place_of] == row
        ]
        if had:
            stored = modality.take(np.array([place_of for _, place_of in had]))
            self._add(encoder, stored, [block[at] for at, _ in had])

    def _add(self, encoder: ColdEncoder, modality: Modality, block: Sequence[_Put]) -> None:
        takes = modality.name in encoder.inputs
        parts = encoder.parts_of(modality) if takes else np.empty((len(block), 0), np.float32)
        for at, put in enumerate(block):
            if not np.isfinite(parts[at]).all():
                log.warning(
                    "change_left_out artist=%s field=%s: numbers are too large", put.artist["id"], modality.name
                )
                continue
            put.evidence[modality.name] = int(modality.evidence[at])
            if takes:
                put.parts[modality.name] = parts[at]
            if modality.sets is not None:
                span = slice(modality.sets.indptr[at], modality.sets.indptr[at + 1])
                put.sets[modality.name] = (np.array(modality.sets.terms[span]), np.array(modality.sets.weights[span]))

    def _embed(self, encoder: ColdEncoder, block: Sequence[_Put]) -> None:
        for put in block:
            vector, parts = np.zeros(encoder.dim, np.float32), dict[str, Vector]()
            if put.parts:
                with suppress(NothingKnownError):  # they cancel each other out
                    vector, parts = encoder.embedding(put.parts)
            put.artist |= {
                "modalities": tuple(sorted(put.evidence)),
                "vector": vector,
                "has_embedding": bool(parts),
                "parts": parts,
                "evidence": put.evidence,
                "sets": put.sets,
            }

    def _keep(self, put: _Put) -> None:
        """What the version has of an artist, as nothing else can be had."""
        version, row = self.version, put.row
        if {"tags", "plays", "vectors"} & (put.effective.payload.keys() | put.effective.whole):
            log.warning(
                "change_not_encoded artist=%s: this home has no model and featurizer of %s",
                put.artist["id"],
                version.id,
            )
        put.artist |= {
            "modalities": self._version.about(row).modalities if row >= 0 else (),
            "vector": version.embeddings[row] if row >= 0 else np.zeros(version.embeddings.shape[1], np.float32),
            "has_embedding": bool(row >= 0 and version.has_embedding[row]),
            "parts": parts_of_artist(self._version, row) if row >= 0 else {},
            "evidence": evidence_of(self._version, row) if row >= 0 else {},
            "sets": terms_of_artist(self._version, row) if row >= 0 else {},
        }


_NOTHING = object()
"""Nothing is said, which is not that there is none."""


def _said(put: _Put, table: str, modality_featurizer: ModalityFeaturizer) -> Any:
    """What changes say for a table, None that there is none of it; what has no place in the featurizer is not said."""
    effective, vectors = put.effective, put.effective.payload.get("vectors", {})
    if table in put.terms and (not put.terms[table] or not isinstance(modality_featurizer, VectorFeaturizer)):
        return put.terms[table] or None
    if isinstance(modality_featurizer, VectorFeaturizer):
        if vectors.get(table) is not None and len(vectors[table][0]) == modality_featurizer.width:
            return vectors[table]
        if "vectors" in effective.whole:
            return None
    return None if table in vectors and vectors[table] is None else _NOTHING


def _said_by_tables(tables: Mapping[str, Any], table: str) -> Any:
    return tables.get(table) if table in ("tags", "plays") and table in tables else tables.get("vectors", {}).get(table)


def _source(table: str, raw: Mapping[int, Any], n: int, modality_featurizer: ModalityFeaturizer) -> Source:
    """What is said, as a table of it would be read."""
    if isinstance(modality_featurizer, VectorFeaturizer):
        means = [np.mean(np.asarray(vectors, np.float32).astype(np.float64), axis=0) for vectors in raw.values()]
        tracks = np.array([len(vectors) for vectors in raw.values()], np.int32)
        return Vectors(np.array(list(raw), np.int32), np.array(means, np.float32), tracks, Counts(len(raw), 0))
    texts = term_keys(table, [text for weights in raw.values() for text in weights])
    terms = sorted(set(texts))
    place_of = {term: at for at, term in enumerate(terms)}
    rows = np.repeat(list(raw), [len(weights) for weights in raw.values()])
    values = np.array([weight for weights in raw.values() for weight in weights.values()], np.float64)
    weights = sp.csr_matrix((values, (rows, [place_of[text] for text in texts])), shape=(n, len(terms)))
    weights.sum_duplicates()
    return Incidence(weights, terms, Counts(len(texts), 0))
