from __future__ import annotations

import pyarrow as pa

from riyl.core.catalog.mbids import shared_mbids


def test_mbids_of_several_artists_are_found_in_either_case_with_all_their_ids() -> None:
    mbids = ["ab", None, " AB", "", "cd", "", "ef", "Ef", "ef"]
    artists = pa.table({"artist_id": [f"a{row}" for row in range(9)], "mbid": mbids})
    assert shared_mbids(artists) == {"ab": ["a0", "a2"], "ef": ["a6", "a7", "a8"]}


def test_no_artist_shares_what_nobody_has() -> None:
    none = pa.table({"artist_id": ["a", "b"], "mbid": pa.nulls(2)})
    assert shared_mbids(none) == {}
