"""What a source of a catalog is, and how its files become a folder of tables."""

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
"""Says in a folder of tables where they come from, under which licence, and what was left out."""


@dataclass(frozen=True)
class RemoteFile:
    """A file of a dataset, and where it can be had.

    Attributes:
        name: what the file is called in the folder of downloads.
        url: its address; None where it can only be put in place by hand, or comes in `archive`.
        size_bytes: its size, where known.
        sha256: of its bytes, in hex, where known.
        optional: the dataset can be made without it.
        archive: a zip that holds it under `name`, at its top or in a folder.
    """

    name: str
    url: str | None = None
    size_bytes: int | None = None
    sha256: str | None = None
    optional: bool = False
    archive: RemoteFile | None = None

    @property
    def address(self) -> str | None:
        """Where to look for it: its own address, or that of the archive it comes in."""
        return self.url if self.archive is None else self.archive.url


@dataclass(frozen=True)
class Report:
    """What became of a source.

    Attributes:
        rows: rows of each table that was written.
        notes: what was left out, changed or worth knowing, with how often.
        examples: the first few cases of a note, each naming file, row or line, and what stands there.
        read: rows of each table of the source that were read, where it is made of tables.
        skipped_rows: by table and reason, how many of them are not among `rows`.
        columns: by file of the source, columns that are not read, and why.
        files: files beside the source's tables that are not read, and why.
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
        """By table that was read, its rows read, kept, and left out by reason."""
        return {
            table: {"read": read, "kept": self.rows.get(table, 0), "skipped": dict(self.skipped_rows.get(table, {}))}
            for table, read in sorted(self.read.items())
        }

    @staticmethod
    def of(notes: Notes, tables: Tables) -> Report:
        """The report on finished tables, which counts their rows."""
        rows = {table: tables.count_rows(table) for table in sorted(tables.files)}
        read, skipped_rows = dict(notes.read), dict(notes.skipped_rows)
        return Report(
            rows, dict(notes.counts), notes.examples, read, skipped_rows, dict(notes.columns), dict(notes.files)
        )


Make = Callable[[Mapping[str, Path], Path, Notes, Progress], None]
"""Turns the files of a dataset, by name (an optional one may be missing), into tables in an empty folder."""


@dataclass(frozen=True)
class Dataset:
    """A source of a catalog.

    Attributes:
        name: as the command line calls it.
        summary: one line: what it holds.
        licence: what its owner allows, in a few words.
        citation: what to cite.
        files: what it is made from.
        make: how.
    """

    name: str
    summary: str
    licence: str
    citation: str
    files: tuple[RemoteFile, ...]
    make: Make


def build(dataset: Dataset, files: Mapping[str, Path], out: Path, progress: Progress = silent) -> Report:
    """Make the tables of `dataset` in the new folder `out`, whole or not at all.

    Args:
        files: its files by name, as `riyl.training.datasets.fetch.fetch_all` gives them.
        out: must not exist, or be an empty folder.

    Raises:
        InputError: a file is missing or not what it should be, or there is something in `out`.
    """
    for file in dataset.files:
        if not file.optional and file.name not in files:
            raise InputError(f"{dataset.name}: found no {file.name}; wanted it (riyl data fetch {dataset.name})")
    notes = Notes()
    with new_tables(out) as folder:
        dataset.make(files, folder, notes, progress)
        report = Report.of(notes, Tables.open(folder))
        write_source(folder, dataset.name, dataset.licence, dataset.citation, report)
    log.info("tables_made dataset=%s rows=%d notes=%d", dataset.name, sum(report.rows.values()), len(report.notes))
    return report


@contextmanager
def new_tables(out: Path) -> Iterator[Path]:
    """An empty folder to fill with tables, which becomes `out` when the block ends well.

    Raises:
        InputError: there is something in `out`, before or by then.
    """
    out = out.resolve()
    _refuse_filled(out)
    with published(out) as folder:
        yield folder
        _refuse_filled(out)
        if out.exists():
            out.rmdir()


def write_source(folder: Path, name: str, licence: str, citation: str, report: Report) -> None:
    """Say in a folder of tables where they come from, and what of the report there is to say."""
    always = ("rows", "notes", "examples")
    payload = {key: value for key, value in asdict(report).items() if value or key in always}
    write_json(folder / SOURCE, {"dataset": name, "licence": licence, "citation": citation, **payload})


class TableWriter:
    """Writes one table as Parquet, batch by batch; where no row comes there is no file, as `Tables` wants it."""

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
        """Append `rows`; all must be of one schema."""
        if not rows.num_rows:
            return
        if self._writer is None:
            self._writer = pyarrow.parquet.ParquetWriter(self._path, rows.schema, compression="zstd")
        self._writer.write(rows)


def write_table(folder: Path, table: str, rows: pa.Table) -> None:
    """Write one whole table as Parquet, or nothing where it has no rows."""
    with TableWriter(folder, table) as writer:
        writer.write(rows)


def _refuse_filled(out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        actual = "a folder with something in it" if out.is_dir() else "a file"
        raise InputError(f"{out}: found {actual}; wanted a new or an empty folder")
