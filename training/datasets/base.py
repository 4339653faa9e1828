"""Datasets: the description of a catalog's source, and how its files become a folder of tables."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.parquet

from riyl.core.catalog.notes import Notes
from riyl.core.catalog.tables import Tables
from riyl.core.errors import InputError
from riyl.core.files import published, write_json
from riyl.core.types import Progress, silent

log = logging.getLogger(__name__)

SOURCE = "source.json"
"""Name of the file, in a folder of tables, that records their source, its licence, and what was left out."""


@dataclass(frozen=True)
class RemoteFile:
    """A file of a dataset and its address.

    Attributes:
        name: name of the file in the folder of downloads.
        url: its address; None if it must be put in place by hand, or is part of `archive`.
        size_bytes: its size in bytes, if known.
        sha256: its sha256 in hex, if known.
        optional: whether the dataset can be made without it.
        archive: a zip that contains it under `name`, at its top or in a folder.
    """

    name: str
    url: str | None = None
    size_bytes: int | None = None
    sha256: str | None = None
    optional: bool = False
    archive: RemoteFile | None = None

    @property
    def address(self) -> str | None:
        """Address to fetch it from: its own, or that of its archive."""
        return self.url if self.archive is None else self.archive.url


@dataclass(frozen=True)
class Report:
    """What was read, written and left out when a source became tables.

    Attributes:
        rows: number of rows of each table that was written.
        notes: remarks on rows left out or changed, each with its number of cases.
        examples: first few cases of a note, each with the file, the row or line, and its content.
        read: number of rows read of each table of the source, if it is made of tables.
        skipped_rows: number of these rows that are not among `rows`, by table and reason.
        columns: columns that are not read, with the reason, by file of the source.
        files: other files of the source that are not read, with the reason.
    """

    rows: Mapping[str, int]
    notes: Mapping[str, int]
    examples: Mapping[str, tuple[str, ...]]
    read: Mapping[str, int] = field(default_factory=dict)
    skipped_rows: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def accounts(self) -> dict[str, dict[str, Any]]:
        """Accounts of the tables that were read: rows read, rows kept, and rows left out by reason."""
        return {
            table: {"read": read, "kept": self.rows.get(table, 0), "skipped": dict(self.skipped_rows.get(table, {}))}
            for table, read in sorted(self.read.items())
        }

    @staticmethod
    def of(notes: Notes, tables: Tables) -> Report:
        """Build the report on finished tables, counting their rows."""
        rows = {table: tables.count_rows(table) for table in sorted(tables.files)}
        read, skipped_rows = dict(notes.read), dict(notes.skipped_rows)
        return Report(
            rows, dict(notes.counts), notes.examples, read, skipped_rows, dict(notes.columns), dict(notes.files)
        )


Make = Callable[[Mapping[str, Path], Path, Notes, Progress], None]
"""Function that turns the files of a dataset, by name (optional ones may be missing), into tables in an empty
folder."""


@dataclass(frozen=True)
class Dataset:
    """A source of a catalog.

    Attributes:
        name: its name on the command line.
        summary: its content, in one line.
        licence: permissions of its owner, in a few words.
        citation: reference to cite.
        files: files that it is made from.
        make: function that makes its tables.
    """

    name: str
    summary: str
    licence: str
    citation: str
    files: tuple[RemoteFile, ...]
    make: Make


def build(dataset: Dataset, files: Mapping[str, Path], out: Path, progress: Progress = silent) -> Report:
    """Make the tables of `dataset` in the new folder `out`, completely or not at all.

    Args:
        dataset: the dataset.
        files: its files by name, as `riyl.training.datasets.fetch.fetch_all` returns them.
        out: folder that does not exist or is empty.
        progress: called with the step, the units done and their total.

    Raises:
        InputError: a file is missing or invalid, or `out` is not empty.
    """
    for file in dataset.files:
        if not file.optional and file.name not in files:
            raise InputError(f"{dataset.name}: found no {file.name}; fetch it first (riyl data fetch {dataset.name})")
    notes = Notes()
    with new_tables(out) as folder:
        dataset.make(files, folder, notes, progress)
        report = Report.of(notes, Tables.open(folder))
        write_source(folder, dataset.name, dataset.licence, dataset.citation, report)
    log.info("tables_made dataset=%s rows=%d notes=%d", dataset.name, sum(report.rows.values()), len(report.notes))
    return report


@contextmanager
def new_tables(out: Path) -> Iterator[Path]:
    """Yield an empty folder for tables, which becomes `out` when the block ends without an error.

    Raises:
        InputError: `out` is not empty, at the start or at the end of the block.
    """
    out = out.resolve()
    _refuse_filled(out)
    with published(out) as folder:
        yield folder
        _refuse_filled(out)
        if out.exists():
            out.rmdir()


def write_source(folder: Path, name: str, licence: str, citation: str, report: Report) -> None:
    """Record in a folder of tables where they come from, and the report."""
    always = ("rows", "notes", "examples")
    payload = {key: value for key, value in asdict(report).items() if value or key in always}
    write_json(folder / SOURCE, {"dataset": name, "licence": licence, "citation": citation, **payload})


class TableWriter:
    """Writer of one table as Parquet, batch by batch; without rows it writes no file, as `Tables` expects."""

    def __init__(self, folder: Path, table: str) -> None:
        self._path = folder / f"{table}.parquet"
        self._writer: pyarrow.parquet.ParquetWriter | None = None

    def __enter__(self) -> TableWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.close()

    def write(self, rows: pa.RecordBatch | pa.Table) -> None:
        """Append `rows`; all calls must have the same schema."""
        if not rows.num_rows:
            return
        if self._writer is None:
            self._writer = pyarrow.parquet.ParquetWriter(self._path, rows.schema, compression="zstd")
        self._writer.write(rows)


def write_table(folder: Path, table: str, rows: pa.Table) -> None:
    """Write one whole table as Parquet, or no file if it has no rows."""
    with TableWriter(folder, table) as writer:
        writer.write(rows)


def _refuse_filled(out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        actual = "a folder that is not empty" if out.is_dir() else "a file"
        raise InputError(f"{out}: found {actual}; wanted a new or an empty folder")
