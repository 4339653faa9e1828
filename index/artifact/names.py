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

from riyl.core.errors import FormatError
from riyl.core.storage.sealed_files import SealedFile
from riyl.core.types import Progress, Rows, silent
from riyl.index.artifact.name_forms import folded, joined, same, words

TYPED = 100
"""Maximum length, in characters, of the text that inexact matches use."""

WORDS = 10
"""Maximum number of words that inexact matches use."""

SHORT = 3
"""Minimum length, in characters, of a word that may have a typo: with one, two letters match anything."""

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
        files: files that it was opened from; None where it was made in memory.
    """

    searcher: tantivy.Searcher
    row_of: Callable[[int], int]
    files: Mapping[str, SealedFile] | None = None


class NameIndex:
    """An opened index of names, for reading from any number of threads."""

    def __init__(self, sources: Sequence[_Source], rank: Callable[[int], Any] | None = None) -> None:
        self._schema = _schema()
        self._sources = sources
        self._rank = rank

    @staticmethod
    def open(files: Mapping[str, SealedFile], by_popularity: Rows) -> NameIndex:
        """Open an index that `write_names` wrote.

        Args:
            files: files of the index's folder, by name.
            by_popularity: (n,) int32 rows, the same that it was written with.

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
        return NameIndex([_Source(searcher, row_of, files)])

    def joined_with(self, others: LiveNames, rank: Callable[[int], Any]) -> NameIndex:
        """Return an index of these names and the current names of live artists.

        `rank` is the sort key of rows of both, the most popular first.
        """
        return NameIndex([self._sources[0], others.taken()], rank)

    def named(self, name: str, without: Container[int] = ()) -> list[int]:
        """Return rows of artists with this name or alias, most popular first, at most 1,000; see `Searcher.named`."""
        for field, text in (("same", same(name)), ("folded", folded(name))):
            rows = self._rows(self._term(field, text), NAMESAKES) if text else []
            if matches := [row for row in rows if row not in without]:
                return matches
        return []

    def search(self, text: str, limit: int, without: Container[int] = ()) -> list[int]:
        """Return the rows of artists that match a text, best first; see `Searcher.search_names`."""
        wanted = max(0, limit)
        while True:
            rows = self._search(text, wanted)
            matches = [row for row in rows if row not in without][: max(0, limit)]
            if len(matches) == limit or len(rows) < wanted or not wanted:
                return matches
            wanted *= 2

    def _search(self, text: str, limit: int) -> list[int]:
        matches: dict[int, None] = {}
        for query in self._queries(text):
            if len(matches) >= limit:
                break
            # a class may repeat all earlier matches
            matches |= dict.fromkeys(self._rows(query, limit + len(matches)))
        return list(matches)[:limit]

    def _queries(self, text: str) -> Iterator[tantivy.Query]:
        """Yield a query for each class of matches, the best class first."""
        key = folded(text)
        if not key:
            return
        yield self._term("same", same(text))
        yield self._any([self._term("folded", key), self._term("whole", " ".join(words(key)))])
        key = key[:TYPED]
        typed = words(key)[:WORDS]
        spellings = [w for w in dict.fromkeys([" ".join(words(key)), joined(key)]) if w]
        yield self._any([self._all(typed, 0), *(self._near("whole", w, 0, begun=True) for w in spellings)])
        yield self._any(
            [self._near("whole", w, 1) for w in spellings if len(w) >= SHORT] + [self._all(typed, 1, False)]
        )
        yield self._all(typed, 1)

    def _all(self, typed: Sequence[str], typos: int, begun: bool = True) -> tantivy.Query:
        """Return a query for names with all the words, each with up to `typos` typos, the last also by its prefix."""
        *first, last = typed
        parts = [self._near("words", word, typos) for word in first]
        parts.append(self._near("words", last, typos, begun=begun))
        return tantivy.Query.boolean_query([(tantivy.Occur.Must, part) for part in parts])

    def _near(self, field: str, text: str, typos: int, *, begun: bool = False) -> tantivy.Query:
        max_typos = typos if len(text) >= SHORT else 0
        if not max_typos and not begun:
            return self._term(field, text)
        return tantivy.Query.fuzzy_term_query(self._schema, field, text, max_typos, True, begun)

    def _term(self, field: str, text: str) -> tantivy.Query:
        return tantivy.Query.term_query(self._schema, field, text)

    def _any(self, queries: Sequence[tantivy.Query]) -> tantivy.Query:
        return tantivy.Query.boolean_query([(tantivy.Occur.Should, query) for query in queries])

    def _rows(self, query: tantivy.Query, limit: int) -> list[int]:
        rows: list[int] = []
        for source in self._sources:
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
        self._index = tantivy.Index(_schema())
        self._index.config_reader("manual")
        self._writer = self._index.writer(heap_size=_LIVE_HEAP_BYTES, num_threads=1)

    def add(self, row: int, names: Sequence[str], listeners: int) -> None:
        """Add an artist by its name and aliases; it is found after `commit`."""
        self._writer.add_document(_document(names, listeners << _PLACE_BITS | (row - self._first)))

    def commit(self) -> None:
        """Make the added names searchable."""
        self._writer.commit()
        self._index.reload()

    def taken(self) -> _Source:
        """Return an index of the names committed so far."""
        return _Source(self._index.searcher(), lambda number: self._first + (number & (1 << _PLACE_BITS) - 1))


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
    index = tantivy.Index(_schema(), path=str(folder))
    # one thread and a heap that holds a few million names: one segment, in the order in which they were added
    writer = index.writer(heap_size=_HEAP_BYTES, num_threads=1)
    for position, row in enumerate(by_popularity.tolist()):
        writer.add_document(_document(names[row], len(by_popularity) - position))
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


def _schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    for field in ("same", "folded", "whole", "words"):
        builder.add_text_field(field, tokenizer_name="raw", index_option="basic")
    builder.add_unsigned_field("popularity", fast=True)
    return builder.build()


def _document(names: Sequence[str], popularity: int) -> tantivy.Document:
    document = tantivy.Document()
    keys = list(dict.fromkeys(folded(name) for name in names))
    fields = {
        "same": [same(name) for name in names],
        "folded": keys,
        "whole": [form for key in keys for form in (" ".join(words(key)), joined(key))],
        "words": [word for key in keys for word in (*words(key), *joined(key).split())],
    }
    for field, texts in fields.items():
        for text in dict.fromkeys(texts):
            if text:
                document.add_text(field, text)
    document.add_unsigned("popularity", popularity)
    return document


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
