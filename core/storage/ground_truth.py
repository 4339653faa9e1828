"""A ground truth: pairs of similar artists, by artist_id, as an immutable folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet
from numpy.typing import NDArray
from pydantic import TypeAdapter
from typing_extensions import TypedDict

from riyl.core.errors import FormatError, InputError, NotFoundError
from riyl.core.files import Manifest, published, seal
from riyl.core.storage.entries import by_age, newest
from riyl.core.storage.memory_map import read_parquet
from riyl.core.storage.sealed import FolderId, SealedFolder, read_sealed
from riyl.core.storage.sealed_files import SealedFile, SealedFiles
from riyl.core.types import ArtistId

MANIFEST = "manifest.json"
KIND = "riyl-truth"
FORMAT = 1

PAIRS = "pairs.parquet"
PAIR_COLUMNS = {"artist_id": pa.string(), "similar_id": pa.string()}

MAX_NAME_LENGTH = 100
"""Maximum length of a truth's name, and of its source, in characters."""

EXAMPLES, MAX_EXAMPLE_LENGTH = 5, 200
"""Maximum number of unknown ids that are shown, and maximum length of each, in characters."""

_LINES = 1 << 12


@dataclass(frozen=True)
class Relevance:
    """A ground truth over one catalog, in CSR form: row i lists the artists similar to i, ascending, without i."""

    indptr: NDArray[np.int64]
    columns: NDArray[np.int32]
    unknown_pairs: int


@dataclass(frozen=True)
class Coverage:
    """Overlap of a ground truth with the artists of one catalog.

    Attributes:
        pairs, unknown_pairs: number of pairs with both artists in the catalog, and of all other pairs.
        artists, unknown_artists: number of the truth's artists that are in the catalog, and of the others.
        examples: ids of unknown artists, at most five, each cut after 200 characters.
    """

    pairs: int
    unknown_pairs: int
    artists: int
    unknown_artists: int
    examples: list[ArtistId]

    def warning(self, catalog: str) -> str | None:
        """Return a warning if no pair has both artists in the catalog; else None."""
        if self.pairs:
            return None
        return f"{catalog} has both artists of none of the pairs: nothing can be measured; are the ids of this catalog?"


class TruthManifest(TypedDict):
    """Fields of a truth's manifest."""

    id: FolderId
    name: str
    directed: bool
    source: str
    counts: dict[Literal["pairs", "self_pairs", "double_pairs"], int]


SCHEMA = TypeAdapter(TruthManifest)


@dataclass(frozen=True)
class Truth(SealedFolder):
    """An opened truth; `pairs` holds artist_id and similar_id, each pair once, as it was given."""

    pairs: pa.Table

    @staticmethod
    def open(folder: Path) -> Truth:
        """Open and verify a truth folder.

        Raises:
            FormatError: it is damaged; see `riyl.core.storage.sealed.read_sealed`.
        """
        manifest, file = _verified(folder)
        return Truth(folder, manifest, read_parquet(file, PAIR_COLUMNS))

    @property
    def name(self) -> str:
        return str(self.manifest["name"])

    @property
    def directed(self) -> bool:
        return bool(self.manifest["directed"])

    def coverage(self, ids: pa.Array) -> Coverage:
        """Count the pairs, and their artists, that a catalog with these ids (strings) contains.

        Memory grows with the truth, not with the ids, which may be those of a mapped file.
        """
        ends = [self.pairs.column(c) for c in ("artist_id", "similar_id")]
        artists = pa.chunked_array([chunk for end in ends for chunk in end.chunks], pa.string()).unique()
        known = ids.filter(pc.is_in(ids, artists))
        both_known = pc.and_(*(pc.is_in(end, known) for end in ends))
        pairs = pc.sum(both_known).as_py() or 0
        unknown = artists.filter(pc.invert(pc.is_in(artists, known)))
        return Coverage(
            pairs,
            len(both_known) - pairs,
            len(artists) - len(unknown),
            len(unknown),
            [each[:MAX_EXAMPLE_LENGTH] for each in unknown[:EXAMPLES].to_pylist()],
        )

    def relevance(self, artist_ids: list[ArtistId]) -> Relevance:
        """Select the pairs with both artists in `artist_ids`; an undirected pair counts both ways, a duplicate once."""
        ids = pa.array(artist_ids, pa.string())
        left = pc.index_in(self.pairs.column("artist_id").combine_chunks(), ids)
        right = pc.index_in(self.pairs.column("similar_id").combine_chunks(), ids)
        both_in_ids = pc.and_(pc.is_valid(left), pc.is_valid(right))
        a = left.filter(both_in_ids).to_numpy(zero_copy_only=False).astype(np.int64)
        b = right.filter(both_in_ids).to_numpy(zero_copy_only=False).astype(np.int64)
        if not self.directed:
            a, b = np.concatenate([a, b]), np.concatenate([b, a])
        n = len(artist_ids)
        keys = np.unique((a * n + b)[a != b])
        counts = np.bincount(keys // max(n, 1), minlength=n)
        indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        return Relevance(
            indptr,
            (keys % max(n, 1)).astype(np.int32),
            int(len(both_in_ids) - pc.sum(both_in_ids).as_py()) if len(both_in_ids) else 0,
        )


def save_truth(folder: Path, name: str, pairs: pa.Table, *, directed: bool, source: str) -> Truth:
    """Store `pairs` (artist_id, similar_id) as a truth called `name` in the folder of truths.

    Pairs of an artist with itself are left out, and a duplicate pair (of an undirected truth: in either direction)
    counts once; the manifest counts both kinds. The same pairs under the same name give the same id, and then no new
    folder is written.

    Args:
        folder: the folder of truths.
        name: name of the truth.
        pairs: the pairs.
        directed: whether a pair says only that `similar_id` is similar to `artist_id`, not the reverse.
        source: origin of the pairs, for people.

    Raises:
        InputError: name or source is not 1 to 100 printable characters.
        FormatError: the same truth exists already, and is damaged.
    """
    for what, text in (("name", name), ("source", source)):
        if not (0 < len(text) <= MAX_NAME_LENGTH and text.isprintable()):
            wanted = f"1 to {MAX_NAME_LENGTH} printable characters"
            raise InputError(f"{what} of a truth: found {text[:MAX_NAME_LENGTH]!r}; wanted {wanted}")
    once, dropped = _each_once(pairs, directed)
    identity = _identity(name, directed, once)
    final = folder / identity
    if not final.exists():
        with published(final) as aside:
            pyarrow.parquet.write_table(once, aside / PAIRS, compression="zstd")
            fields = {"id": identity, "name": name, "directed": directed, "source": source}
            counts = {"pairs": once.num_rows, **dropped}
            seal(aside, MANIFEST, {"kind": KIND, "format": FORMAT, **fields, "counts": counts})
    (final / MANIFEST).touch()
    return Truth.open(final)


def _each_once(pairs: pa.Table, directed: bool) -> tuple[pa.Table, dict[str, int]]:
    """Return the pairs in the order of their ids, and the number of pairs that were left out, by kind."""
    left, right = (pairs.column(name) for name in ("artist_id", "similar_id"))
    ids = pa.chunked_array([*left.chunks, *right.chunks], pa.string()).unique()
    ids = ids.take(pc.sort_indices(ids))
    a, b = (pc.index_in(end, ids).to_numpy() for end in (left, right))  # (m,) int32
    if not directed:
        a, b = np.minimum(a, b), np.maximum(a, b)
    keys = np.sort((a.astype(np.int64) * len(ids) + b)[a != b])
    once = keys[np.flatnonzero(np.diff(keys, prepend=-1))]
    dropped = {"self_pairs": pairs.num_rows - len(keys), "double_pairs": len(keys) - len(once)}
    a, b = np.divmod(once, max(len(ids), 1))
    return pa.table({"artist_id": ids.take(pa.array(a)), "similar_id": ids.take(pa.array(b))}), dropped


def _identity(name: str, directed: bool, pairs: pa.Table) -> str:
    """Compute `riyl.core.files.content_id` of name, directed, and the pairs as lines, with few lines in memory."""
    digest = hashlib.sha256()

    def add(text: str) -> None:
        digest.update(text.encode())

    head = {"directed": directed, "kind": "truth", "name": name}
    add(json.dumps(head, ensure_ascii=False, separators=(",", ":"))[:-1] + ',"pairs":"')
    newline = ""
    for batch in pairs.to_batches(max_chunksize=_LINES):
        rows = "\n".join(pc.binary_join_element_wise(*batch.columns, "\t").to_pylist())
        add(json.dumps(newline + rows, ensure_ascii=False)[1:-1])
        newline = "\n"
    add('"}')
    return digest.hexdigest()[:16]


def truths(folder: Path) -> dict[str, Manifest | FormatError]:
    """Return by id, the newest last, a truth's manifest or the error of reading it; checks only the sizes of files."""
    manifests: dict[str, Manifest | FormatError] = {}
    for path in by_age(folder, MANIFEST):
        try:
            manifests[path.parent.name] = read_sealed(path.parent, MANIFEST, KIND, FORMAT, schema=SCHEMA)
        except FormatError as error:
            manifests[path.parent.name] = error
    return manifests


def find_truth(folder: Path, name: str | None) -> Truth:
    """Open the newest truth called `name` (or with that id); the newest of all with None.

    Raises:
        NotFoundError: there is none; the message says how to import one.
    """
    hint = "import one with: riyl truth import FILE, or a `similar` table in the catalog"
    if name is None:
        return Truth.open(newest(folder, "truth", MANIFEST, hint))
    candidates = truths(folder)
    matching = [id for id, each in candidates.items() if name == id or name == _name(each)]
    if not matching:
        names = ", ".join(sorted({shown for each in candidates.values() if (shown := _name(each))})) or "none"
        raise NotFoundError(f"there is no truth {name!r} in {folder}; there are: {names}; {hint}")
    return Truth.open(folder / matching[-1])


def _name(manifest: Manifest | FormatError) -> str | None:
    return None if isinstance(manifest, FormatError) else manifest["name"]


def relevant_to(folder: Path, artist_ids: Collection[ArtistId]) -> dict[ArtistId, set[ArtistId]]:
    """Return by artist the artists relevant to it in a truth; reads into memory only the pairs of these artists.

    Args:
        folder: folder of the truth.
        artist_ids: the artists; one without a pair has an empty set.

    Raises:
        FormatError: it is damaged; see `riyl.core.storage.sealed.read_sealed`.
    """
    manifest, file = _verified(folder)
    relevant: dict[ArtistId, set[ArtistId]] = {artist_id: set() for artist_id in artist_ids}
    ways = [("artist_id", "similar_id"), ("similar_id", "artist_id")]
    for of, to in ways[:1] if manifest["directed"] else ways:
        artist_filter = pc.field(of).isin(pa.array(list(relevant), pa.string()))
        pairs = read_parquet(file, PAIR_COLUMNS, filters=artist_filter)
        for artist_id, other in zip(pairs[of].to_pylist(), pairs[to].to_pylist(), strict=True):
            relevant[artist_id].add(other)
    return relevant


def _verified(folder: Path) -> tuple[Manifest, SealedFile]:
    """Return the manifest of a truth and its pairs, after comparing the files with their sha256."""
    manifest = read_sealed(folder, MANIFEST, KIND, FORMAT, schema=SCHEMA)
    files = SealedFiles(folder, manifest["files"])
    files.verify()
    return manifest, files[PAIRS]
