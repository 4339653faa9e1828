"""Catalogs of a study: the first has the artists of the study, the others are joined to it artist by artist."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from riyl.core.errors import InputError, MismatchError
from riyl.core.external.ids import examples_of
from riyl.core.storage.snapshot import Snapshot
from riyl.core.types import ArtistId, Mask, Rows
from riyl.index.artifact.version import Version

Value = TypeVar("Value", bound=np.generic)

MBID = "mbid"
"""Join of artists whose MusicBrainz identifiers are equal."""


@dataclass(frozen=True)
class ArtistJoin:
    """Counterparts of a study's n artists in another catalog.

    Attributes:
        rows: (n,) int32, row in the other catalog of each artist of the study; -1 for an artist without counterpart.
            No row occurs twice.
        by: `MBID`, or the name of the map file.
        ambiguous: artists of the study without counterpart because their mbid, which the other catalog has, is shared
            by several artists of either catalog. A map has none: it names each artist once.
        unknown: pairs of the map with an artist that its catalog lacks; 0 for a join by mbid.
    """

    rows: Rows
    by: str
    ambiguous: int = 0
    unknown: int = 0

    @property
    def matched(self) -> int:
        """Number of artists with a counterpart."""
        return int(np.count_nonzero(self.rows >= 0))


@dataclass(frozen=True)
class JoinedCatalog:
    """Another catalog of a study, joined to the artists of the first.

    Attributes:
        name: its name in the study.
        snapshot: its snapshot.
        join: counterparts of the study's artists in the snapshot.
    """

    name: str
    snapshot: Snapshot
    join: ArtistJoin

    @property
    def rows(self) -> Rows:
        """(n,) int32, row in the snapshot of each artist of the study, or -1."""
        return self.join.rows

    def having(self, names: list[str] | None = None) -> Mask:
        """Return (n,) bool: the artists of the study that have all the named modalities in this catalog.

        With None it is those that have any; an artist that the catalog lacks has none.
        """
        return self.gathered(self.snapshot.having(names), False)

    def gathered(self, values: NDArray[Value], missing: float | bool) -> NDArray[Value]:
        """Bring an array over the snapshot's artists into the order of the study's.

        Args:
            values: one value per artist of the snapshot.
            missing: value of artists that the catalog lacks.

        Returns:
            (n,) of the same dtype.
        """
        has_row = self.rows >= 0
        taken = np.full(len(self.rows), missing, values.dtype)
        taken[has_row] = values[self.rows[has_row]]
        return taken


def join_by_mbid(name: str, artists: pa.Table, others: pa.Table) -> ArtistJoin:
    """Join the artists of two catalogs whose mbids are equal, ignoring case and spaces around them.

    An mbid that several artists of a catalog share does not say which of them is meant: it joins none of them.

    Args:
        name: name of the other catalog, for errors.
        artists: columns artist_id and mbid of the n artists of the study, by row.
        others: the same of the other catalog.

    Raises:
        InputError: a catalog has no mbids.
        MismatchError: no artist has a counterpart.
    """
    mbids, other_mbids = _mbids(artists), _mbids(others)
    for whose, column in (("the first catalog", mbids), (f"catalog {name}", other_mbids)):
        if column.null_count == len(column):
            raise InputError(
                f"catalog {name}: found no mbids in {whose}; wanted mbids in both catalogs, or a file that maps their "
                f"artists: --map {name}=FILE"
            )
    candidates = np.flatnonzero(_once(other_mbids))
    at = _positions(other_mbids.take(pa.array(candidates)), mbids)
    rows = np.full(len(mbids), -1, np.int32)
    joined = (at >= 0) & _once(mbids)
    rows[joined] = candidates[at[joined]]
    in_both = pc.is_in(mbids, other_mbids.drop_null(), skip_nulls=True).to_numpy(zero_copy_only=False)
    join = ArtistJoin(rows, MBID, ambiguous=int(np.count_nonzero(in_both & (rows < 0))))
    if not join.matched:
        raise MismatchError(
            f"catalog {name}: found mbids {examples_of(other_mbids.drop_null().to_pylist())}, none of which belongs to "
            f"exactly one artist of the first catalog ({examples_of(mbids.drop_null().to_pylist())}; {join.ambiguous} "
            f"artists have mbids that several share); wanted at least one, or a map: --map {name}=FILE"
        )
    return join


def join_by_map(
    name: str, pairs: pa.Table, by: str, artist_ids: Sequence[ArtistId], other_ids: Sequence[ArtistId]
) -> ArtistJoin:
    """Join the artists of two catalogs that a map names.

    Args:
        name: name of the other catalog, for errors.
        pairs: result of `riyl.core.external.artist_map.read_artist_map`; pairs with an unknown artist are counted.
        by: name of the map.
        artist_ids: ids of the n artists of the study, by row.
        other_ids: ids of the other catalog's artists, by row.

    Raises:
        MismatchError: no pair has an artist of each catalog.
    """
    left, right = (list(pairs.column(column).to_pylist()) for column in ("artist_id", "other_artist_id"))
    study_rows, other_rows = (
        _positions(pa.array(ids, pa.string()), pa.array(wanted, pa.string()))
        for ids, wanted in ((artist_ids, left), (other_ids, right))
    )  # (pairs,) each
    known = (study_rows >= 0) & (other_rows >= 0)
    if not known.any():
        raise MismatchError(
            f"catalog {name}: found no pair in {by} whose artists both catalogs have ({examples_of(left)} to "
            f"{examples_of(right)}); wanted artist_id of the first catalog ({examples_of(artist_ids)}) and "
            f"other_artist_id of {name} ({examples_of(other_ids)})"
        )
    rows = np.full(len(artist_ids), -1, np.int32)
    rows[study_rows[known]] = other_rows[known]
    return ArtistJoin(rows, by, unknown=int(np.count_nonzero(~known)))


def having_any(first: Snapshot | Version, others: Sequence[JoinedCatalog]) -> Mask:
    """Return (n,) bool: the artists of the study that have a modality in a catalog."""
    mask = first.having()
    for other in others:
        mask = mask | other.having()
    return mask


def having_all(first: Snapshot | Version, others: Sequence[JoinedCatalog]) -> Mask:
    """Return (n,) bool: the artists of the study that have every modality of every catalog."""
    mask = first.having(list(first.modalities))
    for other in others:
        mask = mask & other.having(list(other.snapshot.modalities))
    return mask


def shared_modalities(first: Snapshot | Version, others: Sequence[JoinedCatalog]) -> list[str]:
    """Return the names of the modalities that all catalogs have, in the order of the first."""
    return [name for name in first.modalities if all(name in other.snapshot.modalities for other in others)]


def _mbids(artists: pa.Table) -> pa.Array:
    """Return the mbid of each artist, trimmed and in lower case; null where it has none."""
    column = artists.column("mbid").combine_chunks().cast(pa.string())
    mbids = pc.utf8_lower(pc.utf8_trim_whitespace(column))
    return pc.if_else(pc.equal(mbids, ""), None, mbids)


def _positions(texts: pa.Array, wanted: pa.Array) -> NDArray[np.int64]:
    """Return the position in distinct texts of each wanted one, (len(wanted),) int64; -1 for others, and for null."""
    at = pc.index_in(wanted, texts, skip_nulls=True)
    rows: NDArray[np.int64] = pc.fill_null(at, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    return rows


def _once(mbids: pa.Array) -> Mask:
    """Return (n,) bool: the artists whose mbid no other artist of the catalog has."""
    counts = mbids.drop_null().value_counts()
    single = counts.field("values").filter(pc.equal(counts.field("counts"), 1))
    alone: Mask = pc.is_in(mbids, single, skip_nulls=True).to_numpy(zero_copy_only=False)
    return alone
