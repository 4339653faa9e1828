"""A dataset is made completely or not at all, records its source, and counts the rows that it leaves out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from riyl.core.errors import InputError
from riyl.core.types import Progress
from riyl.training.datasets.base import Dataset, Make, Notes, RemoteFile, TableWriter, build, write_table

ARTISTS = pa.table({"artist_id": ["a", "b"], "name": ["A", "B"]})


def make_two(files: Mapping[str, Path], out: Path, notes: Notes, progress: Progress) -> None:
    write_table(out, "artists", ARTISTS)
    notes.add("thing left out", "row 3", count=2)


def dataset(make: Make = make_two, *files: RemoteFile) -> Dataset:
    return Dataset("some", "summary", "for research", "Somebody 2011", files, make)


def test_a_dataset_becomes_a_new_folder_of_tables(tmp_path: Path) -> None:
    report = build(dataset(), {}, tmp_path / "deep" / "out")
    assert report.rows == {"artists": 2}
    assert report.notes == {"thing left out": 2}
    assert report.examples == {"thing left out": ("row 3",)}
    assert pq.read_table(tmp_path / "deep" / "out" / "artists.parquet").equals(ARTISTS)


def test_the_folder_says_where_it_comes_from(tmp_path: Path) -> None:
    build(dataset(), {}, tmp_path / "out")
    assert json.loads((tmp_path / "out" / "source.json").read_text()) == {
        "dataset": "some",
        "licence": "for research",
        "citation": "Somebody 2011",
        "rows": {"artists": 2},
        "notes": {"thing left out": 2},
        "examples": {"thing left out": ["row 3"]},
    }


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    build(dataset(), {}, tmp_path / "out")
    assert (tmp_path / "out" / "artists.parquet").exists()


def test_a_folder_reached_by_a_link_is_filled(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "there")
    build(dataset(), {}, tmp_path / "out")
    assert (tmp_path / "there" / "artists.parquet").exists()


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    with pytest.raises(InputError, match="found a folder that is not empty; wanted a new or an empty folder"):
        build(dataset(), {}, tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["mine"]


def test_a_file_is_no_place_for_tables(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("x")
    with pytest.raises(InputError, match="out: found a file; wanted a new or an empty folder"):
        build(dataset(), {}, tmp_path / "out")


def test_what_another_process_put_there_meanwhile_is_left_alone(tmp_path: Path) -> None:
    def make(files: Mapping[str, Path], out: Path, notes: Notes, progress: Progress) -> None:
        write_table(out, "artists", ARTISTS)
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "theirs").write_text("x")

    with pytest.raises(InputError, match="found a folder that is not empty"):
        build(dataset(make), {}, tmp_path / "out")
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["theirs"]


def test_when_making_fails_nothing_is_left(tmp_path: Path) -> None:
    def make(files: Mapping[str, Path], out: Path, notes: Notes, progress: Progress) -> None:
        write_table(out, "artists", ARTISTS)
        raise InputError("row 7 is wrong")

    with pytest.raises(InputError, match="row 7 is wrong"):
        build(dataset(make), {}, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_file_is_named_but_an_optional_one_may_miss(tmp_path: Path) -> None:
    needed, optional = RemoteFile("needed.zip"), RemoteFile("more.csv", optional=True)
    with pytest.raises(InputError, match=r"some: found no needed\.zip; fetch it first \(riyl data fetch some\)"):
        build(dataset(make_two, needed, optional), {}, tmp_path / "out")
    build(dataset(make_two, needed, optional), {"needed.zip": tmp_path / "x"}, tmp_path / "out")


def test_only_the_first_three_examples_are_kept_and_cut_short(tmp_path: Path) -> None:
    def make(files: Mapping[str, Path], out: Path, notes: Notes, progress: Progress) -> None:
        write_table(out, "artists", ARTISTS)
        for row in range(5):
            notes.add("long", f"row {row} " + "x" * 500)
        notes.add("none", count=0)

    report = build(dataset(make), {}, tmp_path / "out")
    assert report.notes == {"long": 5}
    assert [e[:5] for e in report.examples["long"]] == ["row 0", "row 1", "row 2"]
    assert {len(e) for e in report.examples["long"]} == {200}


def test_a_table_is_written_batch_by_batch(tmp_path: Path) -> None:
    with TableWriter(tmp_path, "artists") as writer:
        writer.write(ARTISTS.slice(0, 0))
        writer.write(ARTISTS.slice(0, 1))
        writer.write(ARTISTS.to_batches()[0].slice(1))
    assert pq.read_table(tmp_path / "artists.parquet").equals(ARTISTS)


def test_a_table_without_rows_makes_no_file(tmp_path: Path) -> None:
    write_table(tmp_path, "artists", ARTISTS.slice(0, 0))
    assert list(tmp_path.iterdir()) == []
