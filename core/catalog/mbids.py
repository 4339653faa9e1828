"""MusicBrainz ids that several artists of a catalog share."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc


def shared_mbids(artists: pa.Table) -> dict[str, list[str]]:
    """Return by mbid, in lower case, the ids of the artists that share it; only mbids of several artists.

    Args:
        artists: artist_id and mbid, one row per artist; an mbid may be null or blank.
    """
    mbids = pc.utf8_lower(pc.utf8_trim_whitespace(artists.column("mbid").cast(pa.string()))).combine_chunks()
    counts = mbids.drop_null().value_counts()
    several = counts.filter(pc.greater(counts.field("counts"), 1)).field("values")
    chosen = pc.fill_null(pc.is_in(mbids, several), False)
    ids_by_mbid: dict[str, list[str]] = {}
    for mbid, artist in zip(
        mbids.filter(chosen).to_pylist(), artists.column("artist_id").filter(chosen).to_pylist(), strict=True
    ):
        if mbid:
            ids_by_mbid.setdefault(mbid, []).append(artist)
    return dict(sorted(ids_by_mbid.items()))
