"""Folders of tables: valid content, refused content, and error messages that name the place."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import riyl.core.catalog.tables
from riyl.core.catalog.notes import Notes
from riyl.core.catalog.tables import Tables
from riyl.core.errors import InputError, TableError
from tests.core.catalog.folders import put, refusal, rows


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="none: found no such folder; wanted a folder of tables"):
        Tables.open(tmp_path / "none")


def test_a_folder_without_artists_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tags.csv").write_text("artist_id,tag,weight\n")
    with pytest.raises(InputError, match=r"found tags; wanted artists\.parquet or artists\.csv"):
        Tables.open(tmp_path)


def test_a_table_in_two_formats_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"artist_id": ["a"], "name": ["A"]}), tmp_path / "artists.parquet")
    with pytest.raises(InputError, match=r"found both artists\.csv and artists\.parquet; wanted one of them"):
        put(tmp_path)


def test_a_table_name_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found table name 'My Table'; wanted lower-case letters, digits and _"):
        put(tmp_path, **{"My Table": "x\n"})


def test_plays_and_ready_cf_vectors_together_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found both plays and cf; wanted listeners' plays or ready cf vectors"):
        put(tmp_path, plays="x\n", cf="x\n")


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("hello")
    (tmp_path / "source.json").write_text("{}")
    assert put(tmp_path).files == {"artists": tmp_path / "artists.csv"}


def test_modalities_are_named_and_plays_are_cf(tmp_path: Path) -> None:
    tables = put(tmp_path, plays="x\n", tags="x\n", mood="x\n", similar="x\n")
    assert tables.modalities == {"cf": "plays", "mood": "mood", "tags": "tags"}


def test_tags_may_hold_vectors_instead_of_weights(tmp_path: Path) -> None:
    tables = put(tmp_path, tags='artist_id,vector\na,"[1, 2]"\n', audio='artist_id,vector\na,"[1]"\n')
    assert tables.has_vectors("tags")
    assert tables.has_vectors("audio")
    assert rows(tables, "tags") == [{"artist_id": "a", "vector": [1.0, 2.0]}]


def test_tags_with_weights_hold_no_vectors(tmp_path: Path) -> None:
    tables = put(tmp_path, tags="artist_id,tag,weight\na,rock,1\n", plays="user_id,artist_id,count\nu,a,1\n")
    assert not tables.has_vectors("tags")
    assert not tables.has_vectors("plays")


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    assert refusal(tmp_path, "tags", "artist_id,tag\na,rock\n") == (
        "tags.csv: found columns artist_id, tag; wanted a column 'weight' (a finite number above 0)"
    )


def test_of_very_many_columns_some_are_named(tmp_path: Path) -> None:
    names = ["x" * 1000, *(f"c{i}" for i in range(60))]
    shown = ", ".join(["x" * 100, *(f"c{i}" for i in range(49))])
    assert refusal(tmp_path, "tags", ",".join(names) + "\n") == (
        f"tags.csv: found columns {shown} and 11 more; wanted a column 'artist_id' (non-empty text)"
    )


def test_a_column_that_stands_twice_is_found_among_very_many(tmp_path: Path) -> None:
    names = [f"c{i}" for i in range(400_000)]
    header = ",".join(["artist_id,tag,weight", *names, names[-1]])
    assert refusal(tmp_path, "tags", header + "\n") == "tags.csv: found column 'c399999' twice; wanted each column once"


def test_a_missing_column_of_parquet_is_named(tmp_path: Path) -> None:
    assert refusal(tmp_path, "plays", pa.table({"artist_id": ["a"], "count": [1]})) == (
        "plays.parquet: found columns artist_id, count; wanted a column 'user_id' (non-empty text)"
    )


def test_a_column_that_stands_twice_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path, "tags", "artist_id,tag,tag,weight\na,x,y,1\n") == (
        "tags.csv: found column 'tag' twice; wanted each column once"
    )


def test_parquet_without_rows_is_refused(tmp_path: Path) -> None:
    empty = pa.table({"artist_id": pa.array([], pa.string()), "vector": pa.array([], pa.list_(pa.float32()))})
    assert refusal(tmp_path, "audio", empty) == (
        "audio.parquet: found no rows; wanted at least one (omit the file if it would be empty)"
    )


def test_whole_number_ids_in_parquet_become_text(tmp_path: Path) -> None:
    tables = put(tmp_path, artists=pa.table({"artist_id": [10, 9], "name": ["x", "y"]}))
    assert tables.artists().column("artist_id").to_pylist() == ["10", "9"]


def test_dictionary_and_large_columns_of_parquet_become_plain(tmp_path: Path) -> None:
    table = pa.table(
        {
            "artist_id": pa.array(["a", "b"]).dictionary_encode(),
            "tag": pa.array(["rock", "pop"], pa.large_string()),
            "weight": pa.array([1, 2], pa.int8()),
        }
    )
    read = pa.Table.from_batches(put(tmp_path, tags=table).batches("tags"))
    assert read.schema.types == [pa.string(), pa.string(), pa.float64()]


@pytest.mark.parametrize("weight", ["0", "-1", "nan", "inf", "much", ""])
def test_a_weight_that_is_no_positive_number_is_refused(tmp_path: Path, weight: str) -> None:
    message = refusal(tmp_path, "tags", f"artist_id,tag,weight\na,x,1\na,y,{weight}\n")
    assert message.startswith("tags.csv, row 2: found ")
    assert message.endswith("in column 'weight'; wanted a finite number above 0")


def test_a_truncated_parquet_file_is_refused(tmp_path: Path) -> None:
    put(tmp_path, tags=pa.table({"artist_id": ["a"] * 100, "tag": ["x"] * 100, "weight": [1] * 100}))
    path = tmp_path / "tags.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(
        TableError, match=r"tags\.parquet: found no readable Parquet file .*wanted a whole Parquet file"
    ):
        rows(Tables.open(tmp_path), "tags")


def test_damaged_parquet_pages_are_refused(tmp_path: Path) -> None:
    put(
        tmp_path, tags=pa.table({"artist_id": ["a"] * 5000, "tag": [str(i) for i in range(5000)], "weight": [1] * 5000})
    )
    path = tmp_path / "tags.parquet"
    data = bytearray(path.read_bytes())
    data[40:400] = b"\xff" * 360
    path.write_bytes(data)
    with pytest.raises(TableError, match=r"tags\.parquet: found (damaged|no readable) Parquet"):
        rows(Tables.open(tmp_path), "tags")


def test_parquet_text_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    bad = pa.Array.from_buffers(
        pa.string(), 1, [None, pa.py_buffer(b"\x00\x00\x00\x00\x01\x00\x00\x00"), pa.py_buffer(b"\xff")]
    )
    message = refusal(tmp_path, "artists", pa.table({"artist_id": ["a"], "name": bad}))
    assert message.startswith("artists.parquet: found damaged Parquet data (")
    assert message.endswith("wanted a whole Parquet file with UTF-8 text")


def test_rows_are_counted_on_over_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(riyl.core.catalog.tables, "BATCH_ROWS", 3)
    weights = [1.0] * 7 + [-1.0] + [1.0] * 4
    table = pa.table({"artist_id": ["a"] * 12, "tag": ["x"] * 12, "weight": weights})
    assert refusal(tmp_path, "tags", table).startswith("tags.parquet, row 8: found -1.0 in column 'weight'")


def test_batches_are_as_large_as_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(riyl.core.catalog.tables, "BATCH_ROWS", 5)
    table = pa.table({"artist_id": ["a"] * 12, "vector": [[1.0, 2.0]] * 12})
    assert [b.num_rows for b in put(tmp_path, audio=table).batches("audio")] == [5, 5, 2]


def test_a_vector_of_another_width_in_a_later_batch_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(riyl.core.catalog.tables, "BATCH_ROWS", 2)
    table = pa.table({"artist_id": ["a"] * 4, "vector": [[1.0, 2.0]] * 3 + [[1.0]]})
    assert refusal(tmp_path, "audio", table) == (
        "audio.parquet, row 4: found a vector of 1 numbers in column 'vector'; "
        "wanted a list of finite numbers, as long as in the first row (2)"
    )


def test_rows_are_counted_alike_for_both_formats(tmp_path: Path) -> None:
    tags = pa.table({"artist_id": ["a", "b"], "tag": ["x", "y"], "weight": [1, 2]})
    tables = put(tmp_path, tags=tags, plays="user_id,artist_id,count\nu,a,1\nv,a,2\nv,b,3\n")
    assert tables.count_rows("tags") == 2
    assert tables.count_rows("plays") == 3


def test_digests_change_with_a_file_and_only_then(tmp_path: Path) -> None:
    tables = put(tmp_path, tags="artist_id,tag,weight\na,x,1\n")
    before = tables.digests()
    assert tables.digests() == before
    (tmp_path / "tags.csv").write_text("artist_id,tag,weight\na,x,2\n")
    after = tables.digests()
    assert before.keys() == after.keys() == {"artists.csv", "tags.csv"}
    assert before["artists.csv"] == after["artists.csv"]
    assert before["tags.csv"] != after["tags.csv"]


@pytest.mark.parametrize(
    ("table", "row"),
    [
        ("artists", {"artist_id": "nan", "name": "A"}),
        ("artists", {"artist_id": "a", "name": "None"}),
        ("tags", {"artist_id": "NULL", "tag": "x", "weight": 1.0}),
        ("plays", {"user_id": "none", "artist_id": "a", "count": 1.0}),
        ("similar", {"artist_id": "a", "similar_id": "\\N"}),
        ("audio", {"artist_id": "-", "vector": [1.0]}),
    ],
)
def test_an_id_or_name_that_stands_for_nothing_is_refused(tmp_path: Path, table: str, row: dict[str, object]) -> None:
    message = refusal(tmp_path, table, pa.Table.from_pylist([row]))
    assert message.startswith(f"{table}.parquet, row 1: found ")
    assert ", a placeholder for a missing value, in column " in message


def test_rows_whose_tag_stands_for_nothing_are_left_out_and_the_others_keep_their_numbers(tmp_path: Path) -> None:
    notes = Notes()
    tables = put(tmp_path, tags="artist_id,tag,weight\na,NULL,1\na,rock,2\na,nan,1\na,none,3\n")
    ((numbers, batch),) = tables.numbered_batches("tags", notes)
    assert (numbers.tolist(), batch.column("tag").to_pylist()) == ([2, 4], ["rock", "none"])
    assert (notes.read["tags"], notes.kept("tags")) == (4, 2)
