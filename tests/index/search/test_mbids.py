from __future__ import annotations

from riyl.index.search.mbids import MbidIndex


def test_all_rows_of_an_mbid_are_found_in_either_case() -> None:
    index = MbidIndex(["aB", None, "ab", "", "cd", "AB"])
    assert [index.rows_of(mbid) for mbid in ("ab", "cd", "", "ef", "AB")] == [[0, 2, 5], [4], [], [], []]
