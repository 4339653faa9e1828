"""Base rows of changed artists are written and read, artist by artist."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from riyl.core.catalog.tables import Tables
from riyl.core.changes.effective import EffectiveChanges, write_effective
from riyl.core.storage.base_rows import BaseRows, write_base_rows
from tests.conftest import write_tables
from tests.sealed_folders import sealed_files

NAMES = ["artists", "tags", "plays", "audio", "bio"]


@pytest.fixture
def tables(tmp_path: Path) -> Tables:
    """Return tables with unsorted artists, tags of an unknown artist, and rows of one artist that are not adjacent."""
    return Tables.open(
        write_tables(
            tmp_path / "tables",
            artists={
                "artist_id": ["ä", "b", "a", "c", "B"],
                "name": ["Ä", "Bob", "Ann", "Cy", "Big B"],
                "mbid": [None, "mb", None, "mc", None],
                "aliases": [None, ["B", "Bobby"], None, ["C"], None],
                "country": ["SE", "IS", None, "GB", "US"],
                "year": [1990, None, 1991, 1992, 1993],
            },
            tags={
                "artist_id": ["b", "a", "b", "x", "b", "a"],
                "tag": ["ska", "dub", "Ska", "ska", "ska", "ska"],
                "weight": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
            },
            plays={"user_id": ["v", "u", "v", "u"], "artist_id": ["b", "b", "b", "c"], "count": [1, 2, 3, 9]},
            audio={
                "artist_id": ["b", "a", "b", "ä"],
                "track_id": ["t1", "t2", "t3", "t4"],
                "vector": [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0]],
            },
            bio={"artist_id": ["c"], "vector": [[0.5]]},
            similar={"artist_id": ["a"], "similar_id": ["b"]},
        )
    )


def kept(tables: Tables, tmp_path: Path, *effective: EffectiveChanges) -> BaseRows:
    identity = write_effective(tmp_path / "changes", sorted(effective, key=lambda each: each.artist))
    write_base_rows(tmp_path / "base_rows", tables, NAMES, tmp_path / "changes" / f"{identity}.ndjson")
    return opened(tmp_path / "base_rows")


def opened(folder: Path) -> BaseRows:
    return BaseRows(sealed_files(folder.parent).in_folder(folder.name))


def payload(artist: str, **fields: Any) -> EffectiveChanges:
    return EffectiveChanges(artist, False, fields)


def plain(row: Any) -> Any:
    """Return a copy with vectors as lists, for comparison."""
    assert all(vectors.dtype == np.float32 for vectors in row["vectors"].values())
    return {**row, "vectors": {name: vectors.tolist() for name, vectors in row["vectors"].items()}}


def test_of_whom_changes_are_it_is_kept_what_the_tables_say(tables: Tables, tmp_path: Path) -> None:
    base_rows = kept(
        *(
            tables,
            tmp_path,
            payload("b", name="Else", tags={"noise": 1.0}),
            payload("x", name="X"),
            payload("ä", mbid="m"),
        ),
        *(EffectiveChanges("c", True, {}), EffectiveChanges("B", True, {}, "b"), payload("new", name="N")),
    )
    assert base_rows.ids == {"b", "x", "ä", "c", "B", "new"}
    assert plain(base_rows.of("b")) == {
        "name": "Bob",
        "mbid": "mb",
        "aliases": ["B", "Bobby"],
        "attributes": {"country": "IS", "year": None},
        "tags": {"ska": 6.0, "Ska": 3.0},
        "plays": {"v": 4.0, "u": 2.0},
        "vectors": {"audio": [[1.0, 2.0], [5.0, 6.0]]},
    }
    assert plain(base_rows.of("c")) == {
        **{"name": "Cy", "mbid": "mc", "aliases": ["C"], "attributes": {"country": "GB", "year": 1992}},
        **{"plays": {"u": 9.0}, "vectors": {"bio": [[0.5]]}},
    }
    assert plain(base_rows.of("ä")) == {
        **{"name": "Ä", "mbid": None, "aliases": None, "attributes": {"country": "SE", "year": 1990}},
        "vectors": {"audio": [[7.0, 8.0]]},
    }
    assert plain(base_rows.of("B")) == {
        **{"name": "Big B", "mbid": None, "aliases": None, "attributes": {"country": "US", "year": 1993}},
        "vectors": {},
    }


def test_of_whom_the_tables_have_no_artist_there_is_nothing(tables: Tables, tmp_path: Path) -> None:
    base_rows = kept(tables, tmp_path, payload("x", name="X"), payload("new", name="N"), payload("b", mbid="m"))
    assert [base_rows.of(artist) for artist in ("x", "new", "", "zz")] == [None, None, None, None]
    assert base_rows.of("a") is None  # it has no effective changes
    for path in (tmp_path / "base_rows").iterdir():
        with pa.ipc.open_file(path) as file:
            assert "a" not in file.read_all().column("artist_id").to_pylist()


def test_tables_of_which_nobody_has_rows_and_plain_artists_are_read(tmp_path: Path) -> None:
    tables = Tables.open(
        write_tables(
            tmp_path / "tables",
            artists={"artist_id": ["a", "b"], "name": ["A", "B"]},
            tags={"artist_id": ["b"], "vector": [[1.0, 2.0]]},
            ids={"artist_id": ["a"], "vector": [[3.0]]},
        )
    )
    identity = write_effective(tmp_path, [payload("a", mbid="m")])
    write_base_rows(tmp_path / "base_rows", tables, ["artists", "tags", "ids"], tmp_path / f"{identity}.ndjson")
    assert plain(opened(tmp_path / "base_rows").of("a")) == {
        **{"name": "A", "mbid": None, "aliases": None, "attributes": {}},
        "vectors": {"ids": [[3.0]]},
    }


def test_a_table_of_vectors_is_vectors_whatever_it_is_called(tmp_path: Path) -> None:
    tables = Tables.open(
        write_tables(
            tmp_path / "tables",
            artists={"artist_id": ["a"], "name": ["A"]},
            tags={"artist_id": ["a"], "vector": [[1.0, 2.0]]},
        )
    )
    identity = write_effective(tmp_path, [payload("a", mbid="m")])
    write_base_rows(tmp_path / "base_rows", tables, ["artists", "tags"], tmp_path / f"{identity}.ndjson")
    row = plain(opened(tmp_path / "base_rows").of("a"))
    assert ("tags" in row, row["vectors"]) == (False, {"tags": [[1.0, 2.0]]})


def test_where_nothing_stands_nothing_is_written(tables: Tables, tmp_path: Path) -> None:
    (tmp_path / "none.ndjson").touch()
    write_base_rows(tmp_path / "base_rows", tables, NAMES, tmp_path / "none.ndjson")
    assert not (tmp_path / "base_rows").exists()


def test_many_batches_give_what_a_loop_over_all_rows_gives(
    tables: Tables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    ids = [f"a{number}" for number in rng.permutation(300)]
    owners = [ids[number] for number in rng.integers(0, 300, 5000)]
    words = [f"t{number}" for number in rng.integers(0, 5, 5000)]
    weights = [float(number) for number in rng.integers(1, 9, 5000)]
    tables = Tables.open(
        write_tables(
            tmp_path / "many",
            artists={"artist_id": ids, "name": ids},
            tags={"artist_id": owners, "tag": words, "weight": weights},
        )
    )
    monkeypatch.setattr("riyl.core.catalog.tables.BATCH_ROWS", 64)
    heard: list[tuple[str, int, int]] = []
    identity = write_effective(tmp_path, [payload(artist, mbid="m") for artist in sorted(ids)[::3]])
    write_base_rows(
        *(tmp_path / "base_rows", tables, ["artists", "tags"], tmp_path / f"{identity}.ndjson"),
        lambda step, done, total: heard.append((step, done, total)),
    )
    base_rows = opened(tmp_path / "base_rows")
    assert len(base_rows.ids) == 100
    for artist in base_rows.ids:
        expected: dict[str, float] = {}
        for owner, word, weight in zip(owners, words, weights, strict=True):
            if owner == artist:
                expected[word] = expected.get(word, 0.0) + weight
        row = base_rows.of(artist)
        assert row is not None
        assert row.get("tags", {}) == expected
    assert len(heard) == 5 + 79
    assert heard[-1] == ("keep base rows of tags", 5000, 5000)
