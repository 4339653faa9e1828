"""Live artists, encoded by a version's featurizer and model as a re-index would encode them."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import scipy.sparse as sp

from riyl.core.catalog.terms import merged_entries, term_keys
from riyl.core.changes.effective import EffectiveChanges
from riyl.core.changes.reading import Says, attributes_after, identity_after, table_changes
from riyl.core.errors import NothingKnownError
from riyl.core.storage.modality import Modality
from riyl.core.types import Vector, silent
from riyl.index.artifact.version import Version
from riyl.index.encoding.cold_start import ColdEncoder
from riyl.index.overlay.artist_parts import evidence_of, parts_of_artist, terms_of_artist
from riyl.index.overlay.artists import LiveArtist
from riyl.index.overlay.base_values import Underlying
from riyl.index.overlay.overlay import VersionOverlay
from riyl.training.features.audio import VectorFeaturizer
from riyl.training.features.featurize import Source, featurize
from riyl.training.features.featurizer import ModalityFeaturizer
from riyl.training.features.read import Counts, Incidence, Vectors

log = logging.getLogger(__name__)


@dataclass
class _Put:
    """A live artist under construction.

    Attributes:
        row: its row in the version; -1 where the version does not have it.
        values: by table, its weighted terms or vectors, empty where it has none; for a table that is absent here
            the version's row holds.
        artist: fields of the `LiveArtist` that it becomes.
        parts: by modality, as the model outputs them.
    """

    row: int
    effective: EffectiveChanges
    values: Mapping[str, Any]
    artist: dict[str, Any]
    parts: dict[str, Vector] = field(default_factory=dict)


class LiveArtistEncoder:
    """Encoder of live artists for one version.

    Args:
        version: the version that the changes are on.
        encoder: the version's encoder; None where this home has none. Then an artist of the version keeps its
            embedding, whatever its changes, and a new artist gets none.
    """

    def __init__(self, version: Version, encoder: ColdEncoder | None) -> None:
        self.version = version
        self.encoder = encoder
        self._version = VersionOverlay.of(version)
        self._underlying = None if encoder is None else Underlying(encoder.snapshot)
        self._types = {column.name: column.type for column in version.artists.schema if column.type != pa.null()}

    def says_more(self, effective: EffectiveChanges, row: int) -> bool:
        """Return whether the artist must be shown other than the version shows it; false for a deleted artist."""
        if effective.deleted:
            return False
        return not effective.empty or (self._underlying is not None and self._underlying.changed(effective.artist))

    def __call__(self, effective: Sequence[EffectiveChanges], rows: Sequence[int]) -> list[LiveArtist | None]:
        """Build the live artists of effective changes, in their order; None for an artist without a name.

        Args:
            effective: changes of which none deletes its artist.
            rows: each artist's row in the version; -1 where the version does not have it.
        """
        block = [self._put(each, row) for each, row in zip(effective, rows, strict=True)]
        named = [put for put in block if put.artist["name"] is not None]
        if self.encoder is not None and self._underlying is not None:
            for name, table in self._underlying.table_of.items():
                self._place(self.encoder, name, table, named)
            self._embed(self.encoder, named)
        else:
            for put in named:
                self._keep(put)
        return [LiveArtist(**put.artist) if put.artist["name"] is not None else None for put in block]

    def _put(self, effective: EffectiveChanges, row: int) -> _Put:
        tables = None if self._underlying is None else self._underlying.of(effective.artist)
        values = {} if self._underlying is None else self._values(self._underlying, effective, row, tables)
        base = tables if tables is not None else {} if row < 0 else vars(self._version.about(row))
        artist = {"id": effective.artist, "version_row": row, **identity_after(effective, base)}
        artist["aliases"] = tuple(alias for alias in artist["aliases"] or () if alias)
        artist["attributes"] = dict.fromkeys(self.version.attributes) | attributes_after(
            effective, base.get("attributes", {}), self._types
        )
        artist["listeners"], artist["plays"] = self._popularity(row, values, artist["attributes"])
        artist |= {"modalities": (), "vector": np.zeros(self.version.embeddings.shape[1], np.float32)}
        artist |= {"has_embedding": False, "parts": {}, "evidence": {}, "sets": {}}
        return _Put(row, effective, values, artist)

    def _values(
        self, underlying: Underlying, effective: EffectiveChanges, row: int, tables: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        """Return an artist's `_Put.values` after its changes; `tables` is None where its row equals the tables."""
        artist, widths, values = effective.artist, underlying.widths, dict[str, Any]()
        if tables is not None:
            vectors = tables.get("vectors", {})
            values = {table: (vectors if width else tables).get(table, {}) for table, width in widths.items()}
        for table, says, entries in table_changes(effective, widths):
            if says is not Says.OVER:
                values[table] = entries
            elif underlying.tells_terms(artist, row, table):
                terms = underlying.terms(row, table) if tables is None else values[table]
                merged = merged_entries(table, terms, entries)
                values[table] = {term: weight for term, weight in merged.items() if weight is not None}
            else:
                log.warning("change_waits artist=%s field=%s: shown after the next re-index", artist, table)
        return values

    def _popularity(self, row: int, values: Mapping[str, Any], attributes: Mapping[str, Any]) -> tuple[int, float]:
        """Return listeners and plays, counted as `riyl.training.features.build` does."""
        if self._underlying is None or "plays" in self._underlying.widths:
            if "plays" in values:
                return len(values["plays"]), float(sum(values["plays"].values()))
            return (int(self.version.listeners[row]), float(self.version.plays[row])) if row >= 0 else (0, 0.0)
        numbers = (attributes.get(name) for name in ("listeners", "plays"))
        listeners, plays = (number if isinstance(number, int | float) else 0 for number in numbers)
        return int(listeners), float(plays)

    def _place(self, encoder: ColdEncoder, name: str, table: str, block: Sequence[_Put]) -> None:
        """Featurize and encode one modality of each artist."""
        modality, modality_featurizer = encoder.snapshot.modalities[name], encoder.modality_featurizer(name)
        raw = {at: put.values[table] for at, put in enumerate(block) if len(put.values.get(table, ()))}
        if raw:
            source = _source(table, raw, len(block), modality_featurizer)
            featurized = featurize(name, table, source, modality_featurizer, silent)
            self._add(encoder, featurized, [block[at] for at in featurized.rows.tolist()])
        unchanged = [put for put in block if table not in put.values and put.row >= 0]
        positions = np.searchsorted(modality.rows, np.array([put.row for put in unchanged], np.int64)).tolist()
        had = [
            (put, position)
            for put, position in zip(unchanged, positions, strict=True)
            if position < len(modality.rows) and modality.rows[position] == put.row
        ]
        if had:
            stored = modality.take(np.array([position for _, position in had]))
            self._add(encoder, stored, [put for put, _ in had])

    def _add(self, encoder: ColdEncoder, modality: Modality, block: Sequence[_Put]) -> None:
        name, takes = modality.name, modality.name in encoder.inputs
        parts = encoder.parts_of(modality) if takes else np.empty((len(block), 0), np.float32)
        for at, put in enumerate(block):
            if not np.isfinite(parts[at]).all():
                log.warning("change_left_out artist=%s field=%s: numbers are too large", put.artist["id"], name)
                continue
            put.artist["evidence"][name] = int(modality.evidence[at])
            if takes:
                put.parts[name] = parts[at]
            if modality.sets is not None:
                span = slice(modality.sets.indptr[at], modality.sets.indptr[at + 1])
                terms, weights = np.array(modality.sets.terms[span]), np.array(modality.sets.weights[span])
                put.artist["sets"][name] = terms, weights

    def _embed(self, encoder: ColdEncoder, block: Sequence[_Put]) -> None:
        for put in block:
            put.artist["modalities"] = tuple(sorted(put.artist["evidence"]))
            if put.parts:
                with suppress(NothingKnownError):  # the parts cancel each other out
                    vector, parts = encoder.embedding(put.parts, put.artist["name"])
                    shared = dict.fromkeys(parts, vector) if len(parts) == 1 else parts  # one part is the whole
                    put.artist |= {"vector": vector, "parts": shared, "has_embedding": True}

    def _keep(self, put: _Put) -> None:
        """Keep what the version has of an artist, since this home cannot encode its changes."""
        version, row = self.version, put.row
        if {"tags", "plays", "vectors"} & (put.effective.payload.keys() | put.effective.whole):
            log.warning(
                "change_not_encoded artist=%s: this home has no model and featurizer of %s",
                *(put.artist["id"], version.id),
            )
        if row >= 0:
            put.artist |= {
                "modalities": self._version.about(row).modalities,
                "vector": version.embeddings[row],
                "has_embedding": bool(version.has_embedding[row]),
                "parts": parts_of_artist(self._version, row),
                "evidence": evidence_of(self._version, row),
                "sets": terms_of_artist(self._version, row),
            }


def _source(table: str, raw: Mapping[int, Any], n: int, modality_featurizer: ModalityFeaturizer) -> Source:
    """Return the values as the reader of a table would return them."""
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
