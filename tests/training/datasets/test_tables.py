"""The user's own tables: copied in canonical types; every irregularity is counted and shown."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import riyl.core.catalog.tables
from riyl.core.catalog.tables import Tables
from riyl.core.errors import TableError
from riyl.training.datasets.base import Report, build
from riyl.training.datasets.tables import dataset


def put(folder: Path, **tables: str | pa.Table) -> Path:
    folder.mkdir()
    for name, content in {"artists": "artist_id,name\nb,Bob\na,Ann\n", **tables}.items():
        if isinstance(content, str):
            (folder / f"{name}.csv").write_text(content, "utf-8")
        else:
            pq.write_table(content, folder / f"{name}.parquet")
    return folder


def copied(tmp_path: Path, **tables: str | pa.Table) -> Report:
    return build(dataset(put(tmp_path / "in", **tables)), {}, tmp_path / "out")


def read(tmp_path: Path, table: str) -> pa.Table:
    return pq.read_table(tmp_path / "out" / f"{table}.parquet")


def test_every_table_is_copied_as_parquet_in_canonical_types(tmp_path: Path) -> None:
    report = copied(
        tmp_path,
        tags="artist_id,tag,weight,note\na,rock,3,x\nb,pop,1,y\n",
        plays=pa.table({"user_id": [7], "artist_id": ["a"], "count": pa.array([5], pa.int16())}),
        audio='artist_id,track_id,vector\na,t1,"[1, 2]"\na,t2,"[3, 4]"\n',
        similar="artist_id,similar_id\na,b\n",
    )
    assert report.rows == {"artists": 2, "audio": 2, "plays": 1, "similar": 1, "tags": 2}
    assert report.notes == {}
    assert read(tmp_path, "artists").to_pydict() == {
        "artist_id": ["a", "b"],
        "name": ["Ann", "Bob"],
        "mbid": [None, None],
        "aliases": [None, None],
    }
    assert read(tmp_path, "tags").to_pylist() == [
        {"artist_id": "a", "tag": "rock", "weight": 3.0},
        {"artist_id": "b", "tag": "pop", "weight": 1.0},
    ]
    assert read(tmp_path, "plays").to_pylist() == [{"user_id": "7", "artist_id": "a", "count": 5.0}]
    assert read(tmp_path, "audio").schema.field("vector").type == pa.list_(pa.float32(), 2)
    assert read(tmp_path, "audio").column("vector").to_pylist() == [[1, 2], [3, 4]]


def test_a_copy_of_the_copy_is_the_same_bytes(tmp_path: Path) -> None:
    copied(tmp_path, tags="artist_id,tag,weight\na,rock,3\n", audio='artist_id,vector\na,"[1, 2]"\n')
    build(dataset(tmp_path / "out"), {}, tmp_path / "again")
    assert Tables.open(tmp_path / "again").digests() == Tables.open(tmp_path / "out").digests()


def test_rows_of_unknown_artists_are_copied_counted_and_shown(tmp_path: Path) -> None:
    report = copied(
        tmp_path,
        tags="artist_id,tag,weight\na,rock,3\n" + "".join(f"x{i},rock,1\n" for i in range(5)),
        similar="artist_id,similar_id\na,b\na,y\nz,y\n",
        audio='artist_id,vector\nq,"[1]"\n',
    )
    assert report.rows["tags"] == 6
    assert report.notes == {
        "audio.csv: row of an artist that the artists table lacks": 1,
        "similar.csv: row of an artist that the artists table lacks": 2,
        "tags.csv: row of an artist that the artists table lacks": 5,
    }
    assert report.examples == {
        "audio.csv: row of an artist that the artists table lacks": ("row 1: q",),
        "similar.csv: row of an artist that the artists table lacks": ("row 2: a, y", "row 3: z, y"),
        "tags.csv: row of an artist that the artists table lacks": ("row 2: x0", "row 3: x1", "row 4: x2"),
    }


def test_rows_that_stand_twice_are_copied_counted_and_shown(tmp_path: Path) -> None:
    report = copied(
        tmp_path,
        tags="artist_id,tag,weight\na,rock,3\nb,rock,3\na,pop,1\na,rock,9\na,rock,3\n",
        plays="user_id,artist_id,count\nu,a,1\nu,b,1\nu,a,2\n",
        similar="artist_id,similar_id\na,b\nb,a\na,b\n",
        audio='artist_id,vector\na,"[1]"\na,"[1]"\n',
    )
    assert report.rows["tags"] == 5
    assert report.examples == {
        "plays.csv: row that repeats the user_id and artist_id of an earlier row": ("row 3: u, a",),
        "similar.csv: row that repeats the artist_id and similar_id of an earlier row": ("row 3: a, b",),
        "tags.csv: row that repeats the artist_id and tag of an earlier row": ("row 4: a, rock", "row 5: a, rock"),
    }
    assert list(report.notes.values()) == [1, 1, 2]


def test_mbids_that_several_artists_share_are_counted_and_all_named(tmp_path: Path) -> None:
    rows = "".join(f"a{n},A,{'ABCDE'[n // 2]}\nb{n},B,{'abcde'[n // 2]}\n" for n in range(0, 10, 2))
    report = copied(tmp_path, artists=f"artist_id,name,mbid\n{rows}c,C,f\nd,D,\ne,E,\n")
    (what,) = report.notes
    assert what.startswith("mbids that several artists share")
    assert report.notes[what] == 5
    assert report.examples[what] == tuple(f"{'abcde'[n // 2]}: a{n}, b{n}" for n in range(0, 10, 2))
    assert read(tmp_path, "artists").num_rows == 13


def test_rows_are_numbered_on_over_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(riyl.core.catalog.tables, "BATCH_ROWS", 2)
    ids = ["a", "b", "a", "x", "b"]
    report = copied(tmp_path, tags=pa.table({"artist_id": ids, "tag": ["t"] * 5, "weight": [1] * 5}))
    assert report.examples == {
        "tags.parquet: row of an artist that the artists table lacks": ("row 4: x",),
        "tags.parquet: row that repeats the artist_id and tag of an earlier row": ("row 3: a, t", "row 5: b, t"),
    }
    assert report.notes["tags.parquet: row that repeats the artist_id and tag of an earlier row"] == 2


def test_a_wrong_value_anywhere_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"tags\.csv, row 3: found 0\.0 in column 'weight'"):
        copied(tmp_path, tags="artist_id,tag,weight\na,x,3\na,y,1\na,z,0\n")
    assert not (tmp_path / "out").exists()


def test_tags_that_are_vectors_may_repeat_an_artist(tmp_path: Path) -> None:
    assert copied(tmp_path, tags='artist_id,vector\na,"[1]"\na,"[2]"\n').notes == {}


def test_progress_is_in_rows_and_every_step_ends(tmp_path: Path) -> None:
    heard: list[tuple[str, int, int]] = []
    tags = pa.table({"artist_id": ["a"] * 4, "tag": list("wxyz"), "weight": [1] * 4})
    folder = put(tmp_path / "in", tags=tags, plays="user_id,artist_id,count\nu,a,1\n")
    build(dataset(folder), {}, tmp_path / "out", lambda *step: heard.append(step))
    assert {step: (done, total) for step, done, total in heard} == {
        "check artists": (2, 2),
        "check plays": (1, 1),
        "check tags": (4, 4),
    }
    assert ("check plays", 1, 0) in heard
