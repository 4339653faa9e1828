"""Index from names to artists (tantivy): by prefix, without accents or with a typo; equal names give equal files."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tantivy
from numpy.typing import NDArray

from riyl.core.catalog.name_forms import without_guests
from riyl.core.errors import FormatError
from riyl.core.storage.sealed_files import SealedFile
from riyl.core.types import Progress, Rows, silent
from riyl.index.artifact.name_fields import SPELLINGS_SINCE, NameQueries, name_document, name_schema

NAMESAKES = 1000
"""Maximum number of artists of one name that are returned."""

_META = "meta.json"
_HEAP_BYTES = 4_000_000_000
_LIVE_HEAP_BYTES = 20_000_000
_PLACE_BITS = 24
_STEP = 10_000


@dataclass(frozen=True)
class _Source:
    """An index of the names of some artists.

    Attributes:
        row_of: maps an entry's number, which orders entries by popularity, to the artist's row.
        queries: the queries over it.
        files: files that it was opened from; None where it was made in memory.
    """

    searcher: tantivy.Searcher
    row_of: Callable[[int], int]
    queries: NameQueries
    files: Mapping[str, SealedFile] | None = None


class NameIndex:
    """An opened index of names, for reading from any number of threads."""

    def __init__(self, sources: Sequence[_Source], rank: Callable[[int], Any] | None = None) -> None:
        self._sources = sources
        self._rank = rank

    @staticmethod
    def open(files: Mapping[str, SealedFile], by_popularity: Rows, version_format: int) -> NameIndex:
        """Open an index that `write_names` wrote.

        Args:
            files: files of the index's folder, by name.
            by_popularity: (n,) int32 rows, the same that it was written with.
            version_format: format of the version that it belongs to.

        Raises:
            FormatError: it is damaged.
        """
        n = len(by_popularity)

        def row_of(number: int) -> int:
            if not 1 <= number <= n:
                raise files[_META].damaged(f"entry {number}", f"1 to {n}")
            return int(by_popularity[n - number])

        # tantivy creates lock files in the folder that it opens; a version is read-only, so it opens links, and keeps
        # the maps. One of its threads may create a lock file while the links are removed
        with (
            tempfile.TemporaryDirectory(prefix="riyl-names-", ignore_cleanup_errors=True) as links,
            _damage_raised(files),
        ):
            for name, file in files.items():
                (Path(links) / name).symlink_to(file.held_path)
            index = tantivy.Index.open(links)
            index.config_reader("manual")
            searcher = index.searcher()
            if searcher.num_docs != n:
                raise files[_META].damaged(f"{searcher.num_docs} entries", f"{n}")
        return NameIndex(
            [_Source(searcher, row_of, NameQueries(has_spellings=version_format >= SPELLINGS_SINCE), files)]
        )

    def joined_with(self, others: LiveNames, rank: Callable[[int], Any]) -> NameIndex:
        """Return an index of these names and the current names of live artists.

        `rank` is the sort key of rows of both, the most popular first.
        """
        return NameIndex([self._sources[0], others.taken()], rank)

    def named(self, name: str, without: Container[int] = ()) -> list[int]:
        """Return rows of artists with this name or alias, most popular first, at most 1,000; see `Searcher.named`."""
        for queries in zip(*(source.queries.levels(name) for source in self._sources), strict=True):
            if matches := [row for row in self._rows(queries, NAMESAKES) if row not in without]:
                return matches
        return []

    def search(self, text: str, limit: int, without: Container[int] = ()) -> list[int]:
        """Return the rows of artists that match a text, best first; see `Searcher.search_names`."""
        rows = self._matches(text, limit, without)
        main_artist = without_guests(text)
        return rows if rows or main_artist == text else self._matches(main_artist, limit, without)

    def _matches(self, text: str, limit: int, without: Container[int]) -> list[int]:
        wanted = max(0, limit)
        while True:
            rows = self._search(text, wanted)
            matches = [row for row in rows if row not in without][: max(0, limit)]
            if len(matches) == limit or len(rows) < wanted or not wanted:
                return matches
            wanted *= 2

    def _search(self, text: str, limit: int) -> list[int]:
        matches: dict[int, None] = {}
        for queries in zip(*(source.queries.classes(text) for source in self._sources), strict=True):
            if len(matches) >= limit:
                break
            # a class may repeat all earlier matches
            matches |= dict.fromkeys(self._rows(queries, limit + len(matches)))
        return list(matches)[:limit]

    def _rows(self, queries: Sequence[tantivy.Query], limit: int) -> list[int]:
        """Return the rows that match the query of their index, the most popular first."""
        rows: list[int] = []
        for source, query in zip(self._sources, queries, strict=True):
            with nullcontext() if source.files is None else _damage_raised(source.files):
                hits = source.searcher.search(query, limit, count=False, order_by_field="popularity").hits
            rows += [source.row_of(number) for number, _ in hits]
        return rows if self._rank is None else sorted(rows, key=self._rank)[:limit]


class LiveNames:
    """Names of live artists, in memory; for one writer, while other threads read what `taken` returned.

    Args:
        n_artists: number of artists of the version, whose rows come first.
    """

    def __init__(self, n_artists: int) -> None:
        self._first = n_artists
        self._queries = NameQueries(has_spellings=True)
        self._index = tantivy.Index(name_schema())
        self._index.config_reader("manual")
        self._writer = self._index.writer(heap_size=_LIVE_HEAP_BYTES, num_threads=1)

    def add(self, row: int, names: Sequence[str], listeners: int) -> None:
        """Add an artist by its name and aliases; it is found after `commit`."""
        self._writer.add_document(name_document(names, listeners << _PLACE_BITS | (row - self._first)))

    def commit(self) -> None:
        """Make the added names searchable."""
        self._writer.commit()
        self._index.reload()

    def taken(self) -> _Source:
        """Return an index of the names committed so far."""
        return _Source(
            self._index.searcher(), lambda number: self._first + (number & (1 << _PLACE_BITS) - 1), self._queries
        )


def write_names(
    folder: Path,
    names: Sequence[Sequence[str]],
    by_popularity: Rows,
    progress: Progress = silent,
) -> None:
    """Write an index of names into a new folder.

    tantivy gives its files random names; they are renamed, so that the same names give the same bytes.

    Args:
        folder: the folder to create.
        names: (n,) the name and aliases of each artist.
        by_popularity: (n,) int32 rows, the most popular first.
        progress: told how many names are written.
    """
    folder.mkdir()
    index = tantivy.Index(name_schema(), path=str(folder))
    # one thread and a heap that holds a few million names: one segment, in the order in which they were added
    writer = index.writer(heap_size=_HEAP_BYTES, num_threads=1)
    for position, row in enumerate(by_popularity.tolist()):
        writer.add_document(name_document(names[row], len(by_popularity) - position))
        if (position + 1) % _STEP == 0 or position + 1 == len(by_popularity):
            progress("names", position + 1, len(by_popularity))
    writer.commit()
    writer.wait_merging_threads()
    del writer, index
    _rename_segments(folder)


def popularity_order(listeners: NDArray[np.int64], plays: NDArray[np.float64]) -> Rows:
    """Return rows by listeners, the most first, then by plays, then by row, (n,) int32."""
    return np.lexsort((np.arange(len(plays)), -plays, -listeners)).astype(np.int32)


@contextmanager
def _damage_raised(files: Mapping[str, SealedFile]) -> Iterator[None]:
    """Raise every error that tantivy reports of unreadable files as a FormatError."""
    if _META not in files:
        raise FormatError(f"names: found no {_META}; wanted one")
    try:
        yield
    except FormatError:
        raise
    except (ValueError, OSError) as error:
        raise files[_META].damaged(f"no index of names ({error})", "one") from error
    except BaseException as error:
        # it panics on contradictory files; the panic is no Exception in Python, and would end a thread
        if type(error).__name__ != "PanicException":
            raise
        raise files[_META].damaged(f"no index of names ({error})", "one") from error


def _rename_segments(folder: Path) -> None:
    for lock in folder.glob(".tantivy-*.lock"):
        lock.unlink()
    meta = (folder / _META).read_text(encoding="utf-8")
    for number, segment in enumerate(json.loads(meta)["segments"], 1):
        old, new = segment["segment_id"], f"00000000-0000-0000-0000-{number:012d}"
        meta = meta.replace(old, new)
        for path in folder.glob(f"{old.replace('-', '')}.*"):
            path.rename(folder / f"{new.replace('-', '')}{path.suffix}")
    (folder / _META).write_text(meta, encoding="utf-8")
    files = sorted(path.name for path in folder.iterdir() if path.name != ".managed.json")
    (folder / ".managed.json").write_text(json.dumps(files), encoding="utf-8")
    for path in folder.iterdir():
        path.chmod(0o644)  # tantivy makes some private to its user; the service may run as another one
