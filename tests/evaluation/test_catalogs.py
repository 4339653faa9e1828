"""Join of two catalogs' artists, by hand, and the masks of several catalogs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from riyl.core.catalog.tables import Tables
from riyl.core.errors import InputError, MismatchError
from riyl.core.storage.snapshot import Snapshot
from riyl.evaluation.catalogs import (
    ArtistJoin,
    JoinedCatalog,
    having_all,
    having_any,
    join_by_map,
    join_by_mbid,
    shared_modalities,
)
from riyl.evaluation.conditions import conditions_of
from riyl.training.features.build import build_snapshot
from riyl.training.features.recipe import Recipe
from tests.conftest import write_tables


def artists(mbids: Sequence[str | None]) -> pa.Table:
    return pa.table({"artist_id": [str(i) for i in range(len(mbids))], "mbid": pa.array(mbids, pa.string())})


def pairs(by_artist: Mapping[str, str]) -> pa.Table:
    return pa.table({"artist_id": [*by_artist], "other_artist_id": [*by_artist.values()]})


def test_equal_mbids_join_whatever_their_case_and_spaces() -> None:
    join = join_by_mbid("own", artists(["aa", None, "BB", "cc", ""]), artists(["dd", " bb ", "", None, "AA"]))
    assert join.rows.tolist() == [4, -1, 1, -1, -1]
    assert join.rows.dtype == np.int32
    assert (join.by, join.matched, join.ambiguous, join.unknown) == ("mbid", 2, 0, 0)


def test_a_shared_mbid_joins_nobody_and_is_counted() -> None:
    # aa is shared in the first catalog, bb in the other, cc in both, dd in the first only and the other lacks it
    first = artists(["aa", "aa", "bb", "cc", "cc", "dd", "dd", "ee"])
    join = join_by_mbid("own", first, artists(["ee", "aa", "bb", "bb", "cc", "cc"]))
    assert join.rows.tolist() == [-1, -1, -1, -1, -1, -1, -1, 0]
    assert (join.matched, join.ambiguous) == (1, 5)


def test_catalogs_without_mbids_need_a_map() -> None:
    for first, other, whose in (
        (["aa"], [None, ""], "catalog own"),
        ([None], ["aa"], "the first catalog"),
    ):
        message = f"catalog own: found no mbids in {whose}; wanted mbids in both .*: --map own=FILE"
        with pytest.raises(InputError, match=message):
            join_by_mbid("own", artists(first), artists(other))


def test_catalogs_without_a_common_mbid_are_refused() -> None:
    with pytest.raises(MismatchError, match="catalog own: found mbids 'bb', none of which .* \\('aa'; 0 artists"):
        join_by_mbid("own", artists(["aa"]), artists(["bb"]))
    with pytest.raises(MismatchError, match="2 artists have mbids that several share"):
        join_by_mbid("own", artists(["aa", "aa"]), artists(["aa"]))


def test_a_map_joins_the_artists_that_it_names() -> None:
    named = pairs({"c": "x", "a": "z", "b": "stranger", "nobody": "y"})
    join = join_by_map("own", named, "map.csv", ["a", "b", "c", "d"], ["x", "y", "z"])
    assert join.rows.tolist() == [2, -1, 0, -1]
    assert (join.by, join.matched, join.ambiguous, join.unknown) == ("map.csv", 2, 0, 2)


def test_a_map_of_other_catalogs_shows_ids_of_all() -> None:
    message = (
        r"catalog own: found no pair in map.csv whose artists both catalogs have \('x' to 'a'\); wanted artist_id of "
        r"the first catalog \('a'\) and other_artist_id of own \('x'\)"
    )
    with pytest.raises(MismatchError, match=message):
        join_by_map("own", pairs({"x": "a"}), "map.csv", ["a"], ["x"])


def snapshot(folder: Path, ids: Sequence[str], **vectors: Sequence[str]) -> Snapshot:
    """Build a snapshot with a modality of vectors for each of `vectors`, which are the artists that have it."""
    rng = np.random.default_rng(0)
    tables: dict[str, Any] = {
        name: {"artist_id": list(having), "vector": rng.standard_normal((len(having), 4)).tolist()}
        for name, having in vectors.items()
    }
    write_tables(folder / "t", artists={"artist_id": list(ids), "name": list(ids)}, **tables)
    return build_snapshot(Tables.open(folder / "t"), Recipe(), folder / "s")


def test_conditions_are_over_all_catalogs(tmp_path: Path) -> None:
    first = snapshot(tmp_path / "1", "abcdef", audio="abc", lyrics="abd")
    other = snapshot(tmp_path / "2", "uvwxyz", audio="uvx", video="uwvx")
    # a is u, b is v, c is x, e is w; d and f have no counterpart
    join = ArtistJoin(np.array([0, 1, 3, -1, 2, -1], np.int32), "map.csv")
    others = [JoinedCatalog("own", other, join)]
    assert others[0].having(["audio"]).tolist() == [True, True, True, False, False, False]
    assert others[0].having().tolist() == [True, True, True, False, True, False]
    assert having_any(first, others).tolist() == [True, True, True, True, True, False]
    assert having_all(first, others).tolist() == [True, True, False, False, False, False]
    assert shared_modalities(first, others) == ["audio"]
    raw, fmc = conditions_of(first, others)
    assert (raw.rows.tolist(), fmc.rows.tolist(), raw.is_full, fmc.is_full) == ([0, 1, 2, 3, 4], [0, 1], False, True)
    raw, fmc = conditions_of(first)
    assert (raw.rows.tolist(), fmc.rows.tolist()) == ([0, 1, 2, 3], [0, 1])


def test_values_of_a_catalog_are_brought_into_the_order_of_the_study(tmp_path: Path) -> None:
    other = snapshot(tmp_path, "xyz", audio="xyz")
    catalog = JoinedCatalog("own", other, ArtistJoin(np.array([2, -1, 0], np.int32), "mbid"))
    gathered = catalog.gathered(np.array([5, 6, 7], np.int32), -9)
    assert (gathered.tolist(), gathered.dtype) == ([7, -9, 5], np.int32)
