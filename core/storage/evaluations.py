"""Files of a stored evaluation in a sealed folder: its figures, the results of each query, and the report."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import TypeAdapter
from typing_extensions import TypedDict

from riyl.core.errors import NotFoundError
from riyl.core.files import published, seal, sweep, write_bytes
from riyl.core.ranking_metrics import DEPTHS, LIST_METRICS
from riyl.core.storage.memory_map import read_parquet
from riyl.core.storage.sealed import FolderId, SealedFolder, read_sealed
from riyl.core.storage.sealed_files import SealedFile
from riyl.core.types import ArtistId

MANIFEST = "manifest.json"
KIND = "riyl-evaluation"
FORMAT = 3
"""Format 1 holds nDCG alone, and the first 10 of each list; format 2 all but `NDCG_AT_DEPTHS`."""

FIGURES = "figures.json"
REPORT = "report.html"
QUERIES = "queries.parquet"
EXPECTED = "expected.parquet"

NDCG_AT_DEPTHS = {depth: f"ndcg_{depth}" for depth in DEPTHS}
"""Columns of nDCG over the first ranks; null if the lists are not longer, or end before."""

QUERIES_SCHEMA = pa.schema(
    {
        "condition": pa.string(),
        "system": pa.string(),
        "artist_id": pa.string(),
        **dict.fromkeys(LIST_METRICS, pa.float64()),
        **dict.fromkeys(NDCG_AT_DEPTHS.values(), pa.float64()),
        "retrieved": pa.list_(pa.string()),
    }
)
"""One row per condition, system and query: each metric, 0 where the system cannot embed the artist, and the list, best
first, empty there."""

EXPECTED_SCHEMA = pa.schema(
    {
        "condition": pa.string(),
        "artist_id": pa.string(),
        "n_relevant": pa.int32(),
        "expected": pa.list_(pa.string()),
    }
)
"""One row per condition and query: the number of relevant artists, and at most 10 of them, the most played first."""


@dataclass(frozen=True)
class Expected:
    """Relevant artists of a query: their number `n_relevant`, and `first`, the most played of them."""

    n_relevant: int
    first: list[ArtistId]


class EvaluationManifest(TypedDict):
    """The fields of the manifest that are read."""

    id: FolderId


SCHEMA = TypeAdapter(EvaluationManifest)


@dataclass(frozen=True)
class EvaluationFiles(SealedFolder):
    """An opened evaluation folder. Each file is compared with its sha256 when it is first read.

    Raises (every method):
        FormatError: the file is damaged; the message names it.
    """

    _whole: set[str] = field(default_factory=set, init=False, repr=False, compare=False)

    @staticmethod
    def open(folder: Path) -> EvaluationFiles:
        """Open a stored evaluation.

        Raises:
            NotFoundError: the folder does not exist.
            FormatError: it is damaged; see `riyl.core.storage.sealed.read_sealed`.
        """
        if not folder.is_dir():
            raise NotFoundError(f"found no folder {folder}; wanted the files of an evaluation")
        return EvaluationFiles(folder, read_sealed(folder, MANIFEST, KIND, FORMAT, schema=SCHEMA))

    def figures(self) -> dict[str, Any]:
        """Return every figure, as passed to `save_evaluation`."""
        file = self._verified(FIGURES)
        figures = file.document()
        if not isinstance(figures, dict):
            raise file.damaged(f"a {type(figures).__name__}", "an object")
        return figures

    def report(self) -> bytes:
        """Return the report, as HTML."""
        return self._verified(REPORT).read()

    def ndcg(self, condition: str, system: str) -> pa.Table:
        """Return artist_id and ndcg of every query; no rows where the system was not measured in the condition."""
        rows = _is("condition", condition) & _is("system", system)
        return self._read(QUERIES, QUERIES_SCHEMA, ["artist_id", "ndcg"], rows)

    def retrieved(
        self, condition: str, system: str, artist_ids: Sequence[ArtistId], first: int = 10
    ) -> dict[ArtistId, list[ArtistId]]:
        """Return by query the `first` of its list, best first."""
        rows = _is("condition", condition) & _is("system", system) & _among(artist_ids)
        columns = self._read(QUERIES, QUERIES_SCHEMA, ["artist_id", "retrieved"], rows).to_pydict()
        lists = (each[:first] for each in columns["retrieved"])
        return dict(zip(columns["artist_id"], lists, strict=True))

    def expected(self, condition: str, artist_ids: Sequence[ArtistId]) -> dict[ArtistId, Expected]:
        """Return by query its relevant artists."""
        rows = _is("condition", condition) & _among(artist_ids)
        records = self._read(EXPECTED, EXPECTED_SCHEMA, ["artist_id", "n_relevant", "expected"], rows).to_pylist()
        return {row["artist_id"]: Expected(row["n_relevant"], row["expected"]) for row in records}

    def _read(self, name: str, schema: pa.Schema, columns: list[str], rows: pc.Expression) -> pa.Table:
        """Read the selected columns and rows of a file."""
        absent = set(NDCG_AT_DEPTHS.values()) if self.manifest["format"] < 3 else set()
        if self.manifest["format"] == 1:
            absent |= LIST_METRICS.keys() - {"ndcg"}
        types = {name: kind for name, kind in zip(schema.names, schema.types, strict=True) if name not in absent}
        return read_parquet(self._verified(name), types, required=("artist_id",), select=columns, filters=rows)

    def _verified(self, name: str) -> SealedFile:
        if name not in self._whole:
            self.files.verify([name])
            self._whole.add(name)
        return self.files[name]


def save_evaluation(
    folder: Path, identity: str, figures: dict[str, Any], queries: pa.Table, expected: pa.Table, report: bytes
) -> EvaluationFiles:
    """Store the files of an evaluation under its id in the folder of evaluations; existing files stay.

    Args:
        folder: `riyl.core.settings.Home.evaluations`. Leftovers of killed processes in it are removed.
        identity: id of the evaluation.
        figures: as JSON holds them.
        queries: columns of `QUERIES_SCHEMA`; text columns may be dictionary-encoded.
        expected: columns of `EXPECTED_SCHEMA`, likewise.
        report: HTML in UTF-8 that loads no other file and runs no script.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sweep(folder)
    final = folder / identity
    if not final.exists():
        with published(final) as aside:
            _write(aside / QUERIES, queries, QUERIES_SCHEMA, ["condition", "system"])
            _write(aside / EXPECTED, expected, EXPECTED_SCHEMA, ["condition"])
            write_bytes(aside / FIGURES, json.dumps(figures, ensure_ascii=False, indent=2, allow_nan=False).encode())
            write_bytes(aside / REPORT, report)
            seal(aside, MANIFEST, {"kind": KIND, "format": FORMAT, "id": identity})
    return EvaluationFiles.open(final)


def _write(path: Path, table: pa.Table, schema: pa.Schema, by: list[str]) -> None:
    """Write a table so that adjacent rows with equal values of `by` form row groups of their own."""
    rows = table.select(schema.names)
    keys = [rows[name].cast(pa.string()) for name in by]
    changes = [pc.not_equal(key[1:], key[:-1]).to_numpy() for key in keys]
    starts = [0, *(np.flatnonzero(np.logical_or.reduce(changes)) + 1).tolist(), rows.num_rows]
    with pq.ParquetWriter(path, rows.schema, compression="zstd", store_schema=False) as writer:
        for start, end in pairwise(starts):
            writer.write_table(rows.slice(start, end - start))


def _among(artist_ids: Sequence[ArtistId]) -> pc.Expression:
    return pc.field("artist_id").isin(pa.array(artist_ids, pa.string()))


def _is(column: str, value: str) -> pc.Expression:
    return pc.field(column) == value
