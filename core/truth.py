"""A ground truth: which artists are similar to which, by artist_id, as an immutable folder."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet
from numpy.typing import NDArray

from core.errors import NotFoundError
from core.files import Manifest, content_id, published, read_sealed, seal, verify_sealed
from core.settings import newest
from core.types import ArtistId

MANIFEST = "manifest.json"
KIND = "riyl-truth"
FORMAT = 1


@dataclass(frozen=True)
class Relevance:
    """The truth over the artists of one catalog, in CSR form: what row i is similar to, ascending, itself left out."""

    indptr: NDArray[np.int64]
    columns: NDArray[np.int32]
    unknown_pairs: int


@dataclass(frozen=True)
class Truth:
    """An opened truth; `pairs` holds artist_id, similar_id, each pair once as it was given."""

    folder: Path
    manifest: Manifest
    pairs: pa.Table

    @staticmethod
    def open(folder: Path) -> Truth:
        """Open and verify a truth folder.

        Raises:
            FormatError: see `core.files.read_sealed` and `verify_sealed`.
        """
        manifest = read_sealed(folder, MANIFEST, KIND, FORMAT)
        verify_sealed(folder, manifest)
        return Truth(folder, manifest, pyarrow.parquet.read_table(folder / "pairs.parquet"))

    @property
    def id(self) -> str:
        return str(self.manifest["id"])

    @property
    def name(self) -> str:
        return str(self.manifest["name"])

    @property
    def directed(self) -> bool:
        return bool(self.manifest["directed"])

    def relevance(self, artist_ids: list[ArtistId]) -> Relevance:
        """The pairs with both artists in `artist_ids`; an undirected pair counts both ways, a double one once."""
        ids = pa.array(artist_ids, pa.string())
        left = pc.index_in(self.pairs.column("artist_id").combine_chunks(), ids)
        right = pc.index_in(self.pairs.column("similar_id").combine_chunks(), ids)
        known = pc.and_(pc.is_valid(left), pc.is_valid(right))
        a = left.filter(known).to_numpy(zero_copy_only=False).astype(np.int64)
        b = right.filter(known).to_numpy(zero_copy_only=False).astype(np.int64)
        if not self.directed:
            a, b = np.concatenate([a, b]), np.concatenate([b, a])
        n = len(artist_ids)
        keys = np.unique((a * n + b)[a != b])
        counts = np.bincount(keys // max(n, 1), minlength=n)
        indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        return Relevance(
            indptr, (keys % max(n, 1)).astype(np.int32), int(len(known) - pc.sum(known).as_py()) if len(known) else 0
        )


def save_truth(folder: Path, name: str, pairs: pa.Table, *, directed: bool, source: str) -> Truth:
    """Keep `pairs` (artist_id, similar_id) as a truth called `name` in the folder of truths.

    Pairs of an artist with itself are left out, and a pair given twice (of an undirected truth: either way round)
    counts once; the manifest counts both. The same pairs under the same name give the same id, and then nothing new
    is written.
    """
    left, right = (pairs.column(c).combine_chunks() for c in ("artist_id", "similar_id"))
    if not directed:
        turned = pc.greater(left, right)
        left, right = pc.if_else(turned, right, left), pc.if_else(turned, left, right)
    given = pa.table({"artist_id": left, "similar_id": right})
    known = given.filter(pc.not_equal(left, right))
    order: list[tuple[str, str]] = [("artist_id", "ascending"), ("similar_id", "ascending")]
    once = known.group_by(known.column_names).aggregate([]).sort_by(order).combine_chunks()
    rows = "\n".join(f"{a}\t{b}" for a, b in zip(*(once.column(c).to_pylist() for c in once.column_names), strict=True))
    identity = content_id("truth", {"name": name, "directed": directed, "pairs": rows})
    final = folder / identity
    if not final.exists():
        with published(final) as aside:
            pyarrow.parquet.write_table(once, aside / "pairs.parquet", compression="zstd")
            fields = {"id": identity, "name": name, "directed": directed, "source": source}
            left_out = {"self_pairs": given.num_rows - known.num_rows, "double_pairs": known.num_rows - once.num_rows}
            counts = {"pairs": once.num_rows, **left_out}
            seal(aside, MANIFEST, {"kind": KIND, "format": FORMAT, **fields, "counts": counts})
    (final / MANIFEST).touch()
    return Truth.open(final)


def find_truth(folder: Path, name: str | None) -> Truth:
    """The newest truth called `name` (or of that id); the newest of all with None.

    Raises:
        NotFoundError: there is none; the message says how to bring one.
    """
    hint = "bring one with: riyl truth import FILE, or a `similar` table in the catalog"
    if name is None:
        return Truth.open(newest(folder, "truth", MANIFEST, hint))
    found = [(path, read_sealed(path.parent, MANIFEST, KIND, FORMAT)) for path in folder.glob(f"[!.]*/{MANIFEST}")]
    matching = [path for path, manifest in found if name in (manifest["name"], manifest["id"])]
    if not matching:
        known = ", ".join(sorted({manifest["name"] for _, manifest in found})) or "none"
        raise NotFoundError(f"there is no truth {name!r} in {folder}; there are: {known}; {hint}")
    return Truth.open(max(matching, key=lambda path: path.stat().st_mtime_ns).parent)


def relevant_to(folder: Path, artist_ids: Collection[ArtistId]) -> dict[ArtistId, set[ArtistId]]:
    """By artist, who is relevant to it in a truth; of the folder's pairs no more is held than those.

    Args:
        folder: of the truth.
        artist_ids: who is asked for; one without a pair has an empty set.

    Raises:
        FormatError: see `core.files.read_sealed` and `verify_sealed`.
    """
    manifest = read_sealed(folder, MANIFEST, KIND, FORMAT)
    verify_sealed(folder, manifest)
    found: dict[ArtistId, set[ArtistId]] = {artist_id: set() for artist_id in artist_ids}
    ways = [("artist_id", "similar_id"), ("similar_id", "artist_id")]
    for of, to in ways[:1] if manifest["directed"] else ways:
        asked = pc.field(of).isin(pa.array(list(found), pa.string()))
        pairs = pyarrow.parquet.read_table(folder / "pairs.parquet", filters=asked, use_threads=False)
        for artist_id, other in zip(pairs[of].to_pylist(), pairs[to].to_pylist(), strict=True):
            found[artist_id].add(other)
    return found
