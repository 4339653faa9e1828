"""The HetRec zip: read as published; every invalid line is counted and shown."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from riyl.core.catalog.tables import Tables
from riyl.core.errors import InputError
from riyl.training.datasets.base import Report, build
from riyl.training.datasets.lastfm2k import ARCHIVE, DATASET

ARTISTS = [
    "id\tname\turl\tpictureURL",
    "1\tMALICE MIZER\thttp://www.last.fm/music/MALICE+MIZER\thttp://pic/1.jpg",
    "2\tRöyksopp\thttp://www.last.fm/music/R%C3%B6yksopp\t",
    "7\tÐ\x9aÐ¸Ð½Ð¾\thttp://www.last.fm/x\thttp://pic/7.jpg",
]
TAGS = ["tagID\ttagValue", "1\tmetal", "2\trock français", "3\tjapanese"]
PLAYS = ["userID\tartistID\tweight", "2\t1\t13883", "2\t2\t11690", "3\t2\t1"]
TAGGED = [
    "userID\tartistID\ttagID\tday\tmonth\tyear",
    "2\t1\t1\t1\t4\t2009",
    "3\t1\t1\t1\t4\t2009",
    "3\t1\t3\t1\t5\t2009",
    "3\t2\t2\t1\t5\t2009",
]


def encoded(lines: list[str], encoding: str, end: str) -> bytes:
    return "".join(line + end for line in lines).encode(encoding)


def members(
    artists: list[str] = ARTISTS, tags: list[str] = TAGS, plays: list[str] = PLAYS, tagged: list[str] = TAGGED
) -> dict[str, bytes]:
    """Return the members as published: artists in UTF-8 with LF, the others in Latin-1 with CRLF."""
    return {
        "artists.dat": encoded(artists, "utf-8", "\n"),
        "tags.dat": encoded(tags, "latin-1", "\r\n"),
        "user_artists.dat": encoded(plays, "latin-1", "\r\n"),
        "user_taggedartists.dat": encoded(tagged, "latin-1", "\r\n"),
        "user_friends.dat": b"userID\tfriendID\r\n2\t275\r\n",
    }


def zipped(path: Path, contents: dict[str, bytes], folder: str = "") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in contents.items():
            archive.writestr(folder + name, body)
    return path


def made(tmp_path: Path, contents: dict[str, bytes], folder: str = "") -> Report:
    return build(DATASET, {ARCHIVE.name: zipped(tmp_path / ARCHIVE.name, contents, folder)}, tmp_path / "out")


def rows(tmp_path: Path, table: str) -> list[tuple[object, ...]]:
    return [tuple(row.values()) for row in pq.read_table(tmp_path / "out" / f"{table}.parquet").to_pylist()]


@pytest.mark.parametrize("folder", ["", "hetrec2011-lastfm-2k/"])
def test_the_zip_becomes_artists_tags_and_plays(tmp_path: Path, folder: str) -> None:
    report = made(tmp_path, members(), folder)
    assert rows(tmp_path, "artists") == [("1", "MALICE MIZER"), ("2", "Röyksopp"), ("7", "Ð\x9aÐ¸Ð½Ð¾")]
    assert rows(tmp_path, "tags") == [("1", "metal", 2), ("1", "japanese", 1), ("2", "rock français", 1)]
    assert rows(tmp_path, "plays") == [("2", "1", 13883), ("2", "2", 11690), ("3", "2", 1)]
    assert report.rows == {"artists": 3, "plays": 3, "tags": 3}
    assert report.notes == {"tags.dat: line read as Latin-1": 1}
    assert report.examples == {"tags.dat: line read as Latin-1": ("line 3: '2\\trock français'",)}


def test_what_is_made_is_a_catalog(tmp_path: Path) -> None:
    made(tmp_path, members())
    tables = Tables.open(tmp_path / "out")
    assert tables.modalities == {"cf": "plays", "tags": "tags"}
    assert tables.artists().column("artist_id").to_pylist() == ["1", "2", "7"]
    assert sum(batch.num_rows for table in tables.files for batch in tables.batches(table)) == 9


def test_a_missing_last_line_end_costs_nothing(tmp_path: Path) -> None:
    contents = members()
    contents["user_artists.dat"] = contents["user_artists.dat"].removesuffix(b"\r\n")
    assert made(tmp_path, contents).rows["plays"] == 3


def test_other_line_separators_within_a_name_do_not_end_the_line(tmp_path: Path) -> None:
    made(tmp_path, members(artists=[*ARTISTS, "9\tA\x0bB\x85C\u2028D\tu\tp"]))
    assert rows(tmp_path, "artists")[-1] == ("9", "A\x0bB\x85C\u2028D")


LINES = {"artists": ARTISTS, "tags": TAGS, "plays": PLAYS, "tagged": TAGGED}
FILES = {"artists": "artists", "tags": "tags", "plays": "user_artists", "tagged": "user_taggedartists"}
BROKEN = {
    "artists": [
        ("8\tno url", "2 fields instead of 4"),
        ("8\ta\ttab\tinside\tit", "5 fields instead of 4"),
        ("x\tname\tu\tp", "id not a whole number"),
        ("-8\tname\tu\tp", "id not a whole number"),
        ("²\tname\tu\tp", "id not a whole number"),
        ("8\t \tu\tp", "blank name"),
        ("1\tagain\tu\tp", "id given before"),
    ],
    "tags": [
        ("4", "1 fields instead of 2"),
        ("4\t", "blank name"),
        ("4.0\tjazz", "id not a whole number"),
        ("1\tjazz", "id given before"),
    ],
    "plays": [
        ("", "1 fields instead of 3"),
        ("3\t1\t0", "count not a whole number above 0"),
        ("3\t1\t-5", "count not a whole number above 0"),
        ("3\t1\tmany", "count not a whole number above 0"),
        ("\t1\t5", "id not a whole number"),
        ("3\t99\t5", "artist not in artists.dat"),
        ("3\t1\t" + "9" * 30, "count not a whole number above 0"),
    ],
    "tagged": [
        ("2\t1", "2 fields instead of 6"),
        ("", "1 fields instead of 6"),
        ("2\tx\t1\t1\t4\t2009", "id not a whole number"),
        ("2\t99\t1\t1\t4\t2009", "artist not in artists.dat"),
        ("2\t1\t99\t1\t4\t2009", "tag not in tags.dat"),
    ],
}
"""Invalid lines by member, with the reason for which each is left out."""


@pytest.mark.parametrize(
    ("member", "broken", "why"), [(member, *each) for member, lines in BROKEN.items() for each in lines]
)
def test_a_broken_line_is_left_out_and_shown_with_its_number(
    tmp_path: Path, member: str, broken: str, why: str
) -> None:
    report = made(tmp_path, members(**{member: [*LINES[member][:2], broken, *LINES[member][2:]]}))
    note = f"{FILES[member]}.dat: line left out, {why}"
    assert report.notes[note] == 1
    assert report.examples[note] == (f"line 3: {broken!r}",)
    assert report.rows == {"artists": 3, "plays": 3, "tags": 3}


def test_all_broken_lines_are_counted_and_the_first_three_shown(tmp_path: Path) -> None:
    report = made(tmp_path, members(plays=[*PLAYS, *(f"3\t{artist}\t1" for artist in range(100, 110))]))
    note = "user_artists.dat: line left out, artist not in artists.dat"
    assert report.notes[note] == 10
    assert [example.partition(":")[0] for example in report.examples[note]] == ["line 5", "line 6", "line 7"]


def test_plays_given_twice_add_up_and_are_noted(tmp_path: Path) -> None:
    report = made(tmp_path, members(plays=[*PLAYS, "2\t1\t100"]))
    assert rows(tmp_path, "plays")[0] == ("2", "1", 13983)
    assert report.notes["user_artists.dat: user and artist given before, counts added"] == 1


def test_a_users_tag_given_twice_counts_once_and_is_noted(tmp_path: Path) -> None:
    report = made(tmp_path, members(tagged=[*TAGGED, "2\t1\t1\t1\t6\t2010"]))
    assert ("1", "metal", 2) in rows(tmp_path, "tags")
    assert report.notes["user_taggedartists.dat: user, artist and tag given before, counted once"] == 1


def test_two_ids_of_one_tag_are_one_tag(tmp_path: Path) -> None:
    made(tmp_path, members(tags=[*TAGS, "4\tmetal"], tagged=[*TAGGED, "5\t1\t4\t1\t6\t2010", "2\t1\t4\t1\t6\t2010"]))
    assert ("1", "metal", 3) in rows(tmp_path, "tags")


def test_a_table_that_nothing_is_left_for_is_left_out(tmp_path: Path) -> None:
    report = made(tmp_path, members(plays=PLAYS[:1]))
    assert report.rows == {"artists": 3, "tags": 3}


@pytest.mark.parametrize("missing", ["artists.dat", "tags.dat", "user_artists.dat", "user_taggedartists.dat"])
def test_a_missing_member_is_named_with_what_is_there(tmp_path: Path, missing: str) -> None:
    contents = members()
    del contents[missing]
    with pytest.raises(InputError) as caught:
        made(tmp_path, contents)
    listed = ", ".join(contents)
    assert str(caught.value) == (f"{tmp_path}/{ARCHIVE.name}: found 0 entries {missing} among {listed}; wanted one")
    assert not (tmp_path / "out").exists()


def test_a_member_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"found 2 entries artists\.dat among .*; wanted one"):
        made(tmp_path, members() | {"old/artists.dat": b""})


def test_another_first_line_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        made(tmp_path, members(plays=["user\tartist\tweight", *PLAYS[1:]]))
    assert str(caught.value).endswith(
        "found first line ['user', 'artist', 'weight'] in user_artists.dat; wanted ['userID', 'artistID', 'weight']"
    )


def test_an_empty_member_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"found first line \[''\] in tags\.dat; wanted \['tagID', 'tagValue'\]"):
        made(tmp_path, members() | {"tags.dat": b""})


def test_a_zip_without_a_single_artist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"found no artist in artists\.dat; wanted at least one"):
        made(tmp_path, members(artists=ARTISTS[:1]))


@pytest.mark.parametrize("keep", [0, 10, 400, -30])
def test_a_truncated_zip_is_refused(tmp_path: Path, keep: int) -> None:
    path = zipped(tmp_path / ARCHIVE.name, members())
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError) as caught:
        build(DATASET, {ARCHIVE.name: path}, tmp_path / "out")
    assert str(caught.value).startswith(f"{path}: found a damaged zip (")
    assert str(caught.value).endswith(f"wanted {ARCHIVE.name} as published; remove it to fetch it again")


def test_a_flipped_byte_in_a_member_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / ARCHIVE.name, members())
    data = bytearray(path.read_bytes())
    data[len("PK..") + 26 + len("artists.dat") + 20] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(InputError, match="found a damaged zip"):
        build(DATASET, {ARCHIVE.name: path}, tmp_path / "out")


def test_the_same_zip_gives_the_same_bytes(tmp_path: Path) -> None:
    path = zipped(tmp_path / ARCHIVE.name, members())
    digests = []
    for out in ("one", "two"):
        build(DATASET, {ARCHIVE.name: path}, tmp_path / out)
        digests.append(Tables.open(tmp_path / out).digests())
    assert digests[0] == digests[1]
