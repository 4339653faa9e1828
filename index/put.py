"""Artists as changes leave them, where a version's model and basis put them: what a re-index would make of them."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import scipy.sparse as sp

from core.attributes import as_type
from core.changes import Standing
from core.errors import InputError, NothingKnownError
from core.snapshot import Modality
from core.tables import MODALITY_OF
from core.terms import COLUMNS_OF, merged_entries, term_keys
from core.types import Vector, silent
from index.artifact import Version
from index.artists import LiveArtist, Terms
from index.cold import ColdEncoder
from index.explain import evidence_of, parts_of_artist, terms_of_artist
from index.live import Live
from index.underlying import Underlying
from training.features.audio import VectorProjector
from training.features.basis import Projector
from training.features.place import Source, place
from training.features.read import Counts, Incidence, Vectors

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
    standing: Standing
    tables: Mapping[str, Any] | None
    terms: Mapping[str, Mapping[str, float]]
    artist: dict[str, Any]
    parts: dict[str, Vector] = field(default_factory=dict)
    evidence: dict[str, int] = field(default_factory=dict)
    sets: dict[str, Terms] = field(default_factory=dict)


class Placer:
    """Makes live artists for one version.

    Args:
        encoder: of the version; None where this home has none. Then an artist keeps what the version has of it,
            whatever was said, and of others nothing is known.
    """

    def __init__(self, version: Version, encoder: ColdEncoder | None) -> None:
        self.version = version
        self.encoder = encoder
        self._version = Live.of(version)
        self._underlying = None if encoder is None else Underlying(encoder.snapshot)

    def says_more(self, standing: Standing, row: int) -> bool:
        """Whether something of the artist is to be shown that the version does not show by itself."""
        if standing.deleted:
            return False
        return not standing.empty or (self._underlying is not None and self._underlying.changed(standing.artist))

    def __call__(self, standing: Sequence[Standing], rows: Sequence[int]) -> list[LiveArtist | None]:
        """Artists who are not deleted, in their order; None of one whose name nobody says.

        Args:
            rows: that the version has of each; -1 where it has none.
        """
        block = [self._put(each, row) for each, row in zip(standing, rows, strict=True)]
        there = [put for put in block if put.artist["name"] is not None]
        if self.encoder is not None:
            for name in self.encoder.snapshot.modalities:
                self._place(self.encoder, name, there)
            self._embed(self.encoder, there)
        else:
            for put in there:
                self._keep(put)
        return [LiveArtist(**put.artist) if put.artist["name"] is not None else None for put in block]

    def _put(self, standing: Standing, row: int) -> _Put:
        said = standing.said
        tables = None if self._underlying is None else self._underlying.of(standing.artist)
        terms = {} if self._underlying is None else self._terms(self._underlying, standing, row)
        own: Mapping[str, Any] = tables if tables is not None else {} if row < 0 else vars(self._version.about(row))
        artist: dict[str, Any] = {
            "id": standing.artist,
            "own": row,
            **{name: said[name] if name in said else own.get(name) for name in ("name", "mbid")},
            "aliases": tuple(a for a in (said["aliases"] if "aliases" in said else own.get("aliases")) or () if a),
            "attributes": self._attributes(standing, own.get("attributes", {})),
        }
        artist["listeners"], artist["plays"] = self._popularity(row, terms, tables, artist["attributes"])
        return _Put(row, standing, tables, terms, artist)

    def _terms(self, underlying: Underlying, standing: Standing, row: int) -> dict[str, Mapping[str, float]]:
        artist, found = standing.artist, dict[str, Mapping[str, float]]()
        for table in COLUMNS_OF:
            said = standing.said.get(table, {})
            if table in standing.whole:
                found[table] = said
            elif not said or not underlying.has_terms(table):
                continue
            elif (own := underlying.terms(artist, row, table)) is not None:
                merged = merged_entries(table, own, said)
                found[table] = {term: weight for term, weight in merged.items() if weight is not None}
            else:
                log.warning("change_waits artist=%s field=%s: shown after the next re-index", artist, table)
        return found

    def _attributes(self, standing: Standing, own: Mapping[str, Any]) -> dict[str, Any]:
        schema, artist = self.version.artists.schema, standing.artist
        found = dict.fromkeys(self.version.attributes) | ({} if "attributes" in standing.whole else dict(own))
        for name, value in standing.said.get("attributes", {}).items():
            typed = name in schema.names and not pa.types.is_null(schema.field(name).type)
            try:
                found[name] = as_type(schema.field(name).type, value) if typed and value is not None else value
            except InputError as error:
                log.warning("change_left_out artist=%s field=attributes.%s: %s", artist, name, error)
        return found

    def _popularity(
        self,
        row: int,
        terms: Mapping[str, Mapping[str, float]],
        tables: Mapping[str, Any] | None,
        attributes: Mapping[str, Any],
    ) -> tuple[int, float]:
        """Listeners and plays; as `training.features.build` counts them."""
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
        table, projector, modality = (
            _TABLE_OF.get(name, name),
            encoder.projector(name),
            encoder.snapshot.modalities[name],
        )
        raw: dict[int, Any] = {}
        kept: list[tuple[int, int]] = []
        for at, put in enumerate(block):
            found = _said(put, table, projector)
            if found is _NOTHING and put.tables is not None:
                found = _said_by_tables(put.tables, table)
            if found is not _NOTHING:
                if found is not None:
                    raw[at] = found
            elif put.row >= 0:
                kept.append((at, put.row))
        if raw:
            placed = place(name, table, _source(table, raw, len(block), projector), projector, silent)
            self._add(encoder, placed, [block[at] for at in placed.rows.tolist()])
        own = np.searchsorted(modality.rows, np.array([row for _, row in kept], np.int64))
        had = [
            (at, place_of)
            for (at, row), place_of in zip(kept, own.tolist(), strict=True)
            if place_of < len(modality.rows) and modality.rows[place_of] == row
        ]
        if had:
            given = modality.take(np.array([place_of for _, place_of in had]))
            self._add(encoder, given, [block[at] for at, _ in had])

    def _add(self, encoder: ColdEncoder, given: Modality, block: Sequence[_Put]) -> None:
        takes = given.name in encoder.inputs
        parts = encoder.parts_of(given) if takes else np.empty((len(block), 0), np.float32)
        for at, put in enumerate(block):
            if not np.isfinite(parts[at]).all():
                log.warning("change_left_out artist=%s field=%s: numbers are too large", put.artist["id"], given.name)
                continue
            put.evidence[given.name] = int(given.evidence[at])
            if takes:
                put.parts[given.name] = parts[at]
            if given.sets is not None:
                span = slice(given.sets.indptr[at], given.sets.indptr[at + 1])
                put.sets[given.name] = (np.array(given.sets.terms[span]), np.array(given.sets.weights[span]))

    def _embed(self, encoder: ColdEncoder, block: Sequence[_Put]) -> None:
        for put in block:
            vector, parts = np.zeros(encoder.dim, np.float32), dict[str, Vector]()
            if put.parts:
                with suppress(NothingKnownError):  # they cancel each other out
                    vector, parts = encoder.embedding(put.parts)
            put.artist |= {
                "modalities": tuple(sorted(put.evidence)),
                "vector": vector,
                "known": bool(parts),
                "parts": parts,
                "evidence": put.evidence,
                "sets": put.sets,
            }

    def _keep(self, put: _Put) -> None:
        """What the version has of an artist, as nothing else can be had."""
        version, row = self.version, put.row
        if {"tags", "plays", "vectors"} & (put.standing.said.keys() | put.standing.whole):
            log.warning(
                "change_not_encoded artist=%s: this home has no model and basis of %s", put.artist["id"], version.id
            )
        full = row >= 0 and version.manifest["format"] > 1
        put.artist |= {
            "modalities": self._version.about(row).modalities if row >= 0 else (),
            "vector": version.embeddings[row] if row >= 0 else np.zeros(version.embeddings.shape[1], np.float32),
            "known": bool(row >= 0 and version.known[row]),
            "parts": parts_of_artist(self._version, row) if full else {},
            "evidence": evidence_of(self._version, row) if full else {},
            "sets": terms_of_artist(self._version, row) if full else {},
        }


_NOTHING = object()
"""Nothing is said, which is not that there is none."""


def _said(put: _Put, table: str, projector: Projector) -> Any:
    """What changes say for a table, None that there is none of it; what has no place in the featurizer is not said."""
    standing, vectors = put.standing, put.standing.said.get("vectors", {})
    if table in put.terms and (not put.terms[table] or not isinstance(projector, VectorProjector)):
        return put.terms[table] or None
    if isinstance(projector, VectorProjector):
        if vectors.get(table) is not None and len(vectors[table][0]) == projector.width:
            return vectors[table]
        if "vectors" in standing.whole:
            return None
    return None if table in vectors and vectors[table] is None else _NOTHING


def _said_by_tables(tables: Mapping[str, Any], table: str) -> Any:
    return tables.get(table) if table in ("tags", "plays") and table in tables else tables.get("vectors", {}).get(table)


def _source(table: str, raw: Mapping[int, Any], n: int, projector: Projector) -> Source:
    """What is said, as a table of it would be read."""
    if isinstance(projector, VectorProjector):
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
