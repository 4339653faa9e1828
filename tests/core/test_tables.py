"""A folder of tables: what it may hold, what is refused, and that the message says where to look."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import core.tables
from core.errors import InputError, TableError
from core.notes import Notes
from core.tables import Tables

ARTISTS = "artist_id,name\na,Ann\nb,Bob\n"


def put(folder: Path, **tables: str | bytes | pa.Table) -> Tables:
    """Write CSV text or bytes, or Parquet, by table name (artists are added where none are given), and open it."""
    for name, content in {"artists": ARTISTS, **tables}.items():
        if isinstance(content, pa.Table):
            pq.write_table(content, folder / f"{name}.parquet")
        else:
            (folder / f"{name}.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    return Tables.open(folder)


def rows(tables: Tables, table: str) -> list[dict[str, object]]:
    return pa.Table.from_batches(tables.batches(table)).to_pylist()


def refusal(folder: Path, table: str, content: str | bytes | pa.Table) -> str:
    """The message with which a table is refused, from its file's name on."""
    with pytest.raises(TableError) as caught:
        rows(put(folder, **{table: content}), table)
    return str(caught.value).removeprefix(f"{folder}/")


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


def test_a_missing_column_of_parquet_is_named(tmp_path: Path) -> None:
    assert refusal(tmp_path, "plays", pa.table({"artist_id": ["a"], "count": [1]})) == (
        "plays.parquet: found columns artist_id, count; wanted a column 'user_id' (non-empty text)"
    )


def test_a_column_that_stands_twice_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path, "tags", "artist_id,tag,tag,weight\na,x,y,1\n") == (
        "tags.csv: found column 'tag' twice; wanted each column once"
    )


@pytest.mark.parametrize("content", ["", "\n", "\r\n\r\n"])
def test_an_empty_csv_file_is_refused(tmp_path: Path, content: str) -> None:
    assert refusal(tmp_path, "artists", content) == (
        "artists.csv: found an empty file; wanted a header and at least one row"
    )


@pytest.mark.parametrize("content", ["artist_id,name", "artist_id,name\n", "artist_id,name\r\n\r\n"])
def test_a_header_without_rows_is_refused(tmp_path: Path, content: str) -> None:
    message = refusal(tmp_path, "artists", content)
    assert message.startswith("artists.csv: found no rows; wanted ")


def test_parquet_without_rows_is_refused(tmp_path: Path) -> None:
    empty = pa.table({"artist_id": pa.array([], pa.string()), "vector": pa.array([], pa.list_(pa.float32()))})
    assert refusal(tmp_path, "audio", empty) == (
        "audio.parquet: found no rows; wanted at least one (leave the file out if there is nothing)"
    )


def test_a_csv_row_with_too_few_fields_is_named(tmp_path: Path) -> None:
    assert refusal(tmp_path, "artists", "artist_id,name\na,A\n\nb\nc,C\n") == (
        "artists.csv, row 2: found 1 fields in 'b'; wanted 2, as in the header"
    )


def test_a_csv_row_with_too_many_fields_is_named_far_down_the_file(tmp_path: Path) -> None:
    good = "".join(f"a{i},some name\n" for i in range(100_000))
    assert refusal(tmp_path, "artists", f"artist_id,name\n{good}b,c,d\n") == (
        "artists.csv, row 100001: found 3 fields in 'b,c,d'; wanted 2, as in the header"
    )


def test_text_that_is_not_utf8_is_named_by_row(tmp_path: Path) -> None:
    assert refusal(tmp_path, "artists", b'artist_id,name\na,"A\nA"\nb,Bj' + b"\xf6rk\n") == (
        "artists.csv, row 2: found byte 0xf6, which is not UTF-8, in 'b,Bj\ufffdrk'; wanted UTF-8 text"
    )


def test_text_that_is_not_utf8_is_named_far_down_the_file(tmp_path: Path) -> None:
    good = "".join(f"a{i},some name\n" for i in range(100_000)).encode()
    message = refusal(tmp_path, "artists", b"artist_id,name\n" + good + b"b,\xff\n")
    assert message.startswith("artists.csv, row 100001: found byte 0xff, which is not UTF-8,")


def test_a_header_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    message = refusal(tmp_path, "artists", b"artist_id,n\xe4me,name\na,A,B\n")
    assert message.startswith("artists.csv: found byte 0xe4, which is not UTF-8,")


def test_an_attribute_has_the_type_of_its_whole_column(tmp_path: Path) -> None:
    good = "".join(f"a{i},some name,1990,\n" for i in range(60_000))
    notes = Notes()
    artists = put(tmp_path, artists=f"artist_id,name,year,late\n{good}b,c,ca. 1990,7\n").artists(notes)
    assert artists.schema.field("year").type == pa.string()
    assert artists.column("year").to_pylist() == ["1990"] * 60_000 + ["ca. 1990"]
    assert artists.column("late").to_pylist() == [None] * 60_000 + [7]
    assert notes.examples == {
        "artists.csv: value that keeps column 'year' text: no number, or one that would not be written so": (
            "row 60001: 'ca. 1990'",
        )
    }


def test_quotes_commas_and_newlines_within_values_are_kept(tmp_path: Path) -> None:
    tables = put(tmp_path, artists='artist_id,name\r\n"a,1","Ann ""the"" Man"\r\nb,"two\nlines"\r\n')
    assert [(r["artist_id"], r["name"]) for r in rows(tables, "artists")] == [
        ("a,1", 'Ann "the" Man'),
        ("b", "two\nlines"),
    ]


def test_rows_are_counted_over_values_with_newlines(tmp_path: Path) -> None:
    assert refusal(tmp_path, "artists", 'artist_id,name\na,"two\nlines"\nb,\n') == (
        "artists.csv, row 2: found nothing in column 'name'; wanted non-empty text"
    )


def test_a_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    tables = put(tmp_path, artists=b"\xef\xbb\xbfartist_id,name\na,A\n")
    assert tables.artists().column("artist_id").to_pylist() == ["a"]


def test_ids_of_digits_stay_text_in_csv(tmp_path: Path) -> None:
    tables = put(tmp_path, artists="artist_id,name\n007,Bond\n7,Seven\n")
    assert tables.artists().column("artist_id").to_pylist() == ["007", "7"]


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


def test_json_lists_in_csv_are_aliases(tmp_path: Path) -> None:
    tables = put(tmp_path, artists='artist_id,name,aliases\na,A,"[""x"", ""y""]"\nb,B,\n')
    assert tables.artists().column("aliases").to_pylist() == [["x", "y"], None]


def test_columns_nobody_knows_are_dropped_but_of_artists_they_are_attributes(tmp_path: Path) -> None:
    tables = put(
        tmp_path,
        artists="artist_id,name,country\na,A,NO\n",
        tags="artist_id,tag,weight,comment\na,rock,1,hm\n",
    )
    assert tables.artists().column_names == ["artist_id", "name", "country", "mbid", "aliases"]
    assert rows(tables, "tags") == [{"artist_id": "a", "tag": "rock", "weight": 1.0}]


def test_attributes_come_out_in_few_types(tmp_path: Path) -> None:
    table = pa.table(
        {
            "artist_id": ["a"],
            "name": ["A"],
            "genre": pa.array(["jazz"]).dictionary_encode(),
            "year": pa.array([1990], pa.uint16()),
            "fame": pa.array([0.5], pa.float32()),
            "live": [True],
            "born": [date(1990, 5, 1)],
        }
    )
    artists = put(tmp_path, artists=table).artists()
    assert {n: artists.schema.field(n).type for n in ("genre", "year", "fame", "live", "born")} == {
        "genre": pa.string(),
        "year": pa.int64(),
        "fame": pa.float64(),
        "live": pa.bool_(),
        "born": pa.string(),
    }
    assert artists.column("born").to_pylist() == ["1990-05-01"]


def test_csv_attributes_get_their_type_from_what_stands_there(tmp_path: Path) -> None:
    artists = put(tmp_path, artists="artist_id,name,year,live,born\na,A,1990,true,1990-05-01\nb,B,,,\n").artists()
    assert artists.column("year").to_pylist() == [1990, None]
    assert artists.column("live").to_pylist() == [True, None]
    assert artists.column("born").to_pylist() == ["1990-05-01", None]


def test_an_attribute_of_another_type_is_refused(tmp_path: Path) -> None:
    table = pa.table({"artist_id": ["a"], "name": ["A"], "genres": [["rock"]]})
    assert refusal(tmp_path, "artists", table).endswith(
        "in attribute 'genres'; wanted text, whole numbers, numbers or true/false"
    )


@pytest.mark.parametrize("weight", ["0", "-1", "nan", "inf", "much", ""])
def test_a_weight_that_is_no_positive_number_is_refused(tmp_path: Path, weight: str) -> None:
    message = refusal(tmp_path, "tags", f"artist_id,tag,weight\na,x,1\na,y,{weight}\n")
    assert message.startswith("tags.csv, row 2: found ")
    assert message.endswith("in column 'weight'; wanted a finite number above 0")


def test_an_artist_id_that_stands_twice_is_refused_with_both_rows(tmp_path: Path) -> None:
    tables = put(tmp_path, artists="artist_id,name\nb,B\na,A\nc,C\na,Other\n")
    with pytest.raises(TableError) as caught:
        tables.artists()
    assert str(caught.value) == (
        f"{tmp_path}/artists.csv, row 4: found artist_id 'a' again (first in row 2); wanted each artist_id once"
    )


def test_artists_are_sorted_by_id_and_whole(tmp_path: Path) -> None:
    artists = put(tmp_path, artists="artist_id,name\nb,B\na,A\nB,C\n").artists()
    assert artists.to_pydict() == {
        "artist_id": ["B", "a", "b"],
        "name": ["C", "A", "B"],
        "mbid": [None, None, None],
        "aliases": [None, None, None],
    }
    assert artists.schema.types == [pa.string(), pa.string(), pa.string(), pa.list_(pa.string())]


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
    monkeypatch.setattr(core.tables, "BATCH_ROWS", 3)
    weights = [1.0] * 7 + [-1.0] + [1.0] * 4
    table = pa.table({"artist_id": ["a"] * 12, "tag": ["x"] * 12, "weight": weights})
    assert refusal(tmp_path, "tags", table).startswith("tags.parquet, row 8: found -1.0 in column 'weight'")


def test_batches_are_as_large_as_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core.tables, "BATCH_ROWS", 5)
    table = pa.table({"artist_id": ["a"] * 12, "vector": [[1.0, 2.0]] * 12})
    assert [b.num_rows for b in put(tmp_path, audio=table).batches("audio")] == [5, 5, 2]


def test_a_vector_of_another_width_in_a_later_batch_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core.tables, "BATCH_ROWS", 2)
    table = pa.table({"artist_id": ["a"] * 4, "vector": [[1.0, 2.0]] * 3 + [[1.0]]})
    assert refusal(tmp_path, "audio", table) == (
        "audio.parquet, row 4: found a vector of 1 numbers in column 'vector'; "
        "wanted a list of finite numbers, as long as in the first row (2)"
    )


def test_an_artist_that_stands_twice_is_found_over_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core.tables, "BATCH_ROWS", 2)
    tables = put(tmp_path, artists=pa.table({"artist_id": ["a", "b", "c", "a"], "name": ["x"] * 4}))
    with pytest.raises(TableError, match=r"row 4: found artist_id 'a' again \(first in row 1\)"):
        tables.artists()


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
    assert ", which stands for nothing, in column " in message


def test_mbids_and_aliases_that_stand_for_nothing_are_none_and_counted(tmp_path: Path) -> None:
    notes = Notes()
    text = 'artist_id,name,mbid,aliases\na,A,NULL,NaN\nb,B,00000000-0000-0000-0000-000000000000,"[""x"", ""None""]"\n'
    artists = put(tmp_path, artists=text + "c,C,m-1,\n").artists(notes)
    assert artists.column("mbid").to_pylist() == [None, None, "m-1"]
    assert artists.column("aliases").to_pylist() == [None, ["x"], None]
    assert notes.counts == {
        "artists.csv: value of column 'mbid' taken for none": 2,
        "artists.csv: value of column 'aliases' taken for none": 2,
    }


def test_rows_whose_tag_stands_for_nothing_are_left_out_and_the_others_keep_their_numbers(tmp_path: Path) -> None:
    notes = Notes()
    tables = put(tmp_path, tags="artist_id,tag,weight\na,NULL,1\na,rock,2\na,nan,1\na,none,3\n")
    ((numbers, batch),) = tables.numbered_batches("tags", notes)
    assert (numbers.tolist(), batch.column("tag").to_pylist()) == ([2, 4], ["rock", "none"])
    assert (notes.read["tags"], notes.kept("tags")) == (4, 2)


@pytest.mark.parametrize("name", ["", " ", "Unnamed: 0", "Unnamed: 0.1", "__index_level_0__"])
def test_a_column_without_a_name_is_no_attribute(tmp_path: Path, name: str) -> None:
    notes = Notes()
    artists = put(tmp_path, artists=pa.table({name: [0], "artist_id": ["a"], "name": ["A"]})).artists(notes)
    assert artists.column_names == ["artist_id", "name", "mbid", "aliases"]
    assert notes.columns == {"artists.parquet": {name: "it has no name"}}


def test_delimiters_at_the_end_of_lines_are_no_columns(tmp_path: Path) -> None:
    artists = put(tmp_path, artists="artist_id,name,,\na,A,,\n").artists()
    assert artists.column_names == ["artist_id", "name", "mbid", "aliases"]


def test_columns_separated_otherwise_are_told(tmp_path: Path) -> None:
    assert refusal(tmp_path, "artists", "artist_id;name\na;A\n").endswith(
        "wanted a column 'artist_id' (non-empty text), and columns separated by commas, not by semicolons"
    )


@pytest.mark.parametrize("weight", ["1_000", "1,000", "٣"])
def test_a_number_is_written_in_plain_digits(tmp_path: Path, weight: str) -> None:
    message = refusal(tmp_path, "tags", f'artist_id,tag,weight\na,x,"{weight}"\n')
    assert message == f"tags.csv, row 1: found {weight!r} in column 'weight'; wanted a finite number above 0"
