"""Entries of a folder, picked by id, prefix or age."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from riyl.core.errors import NotFoundError
from riyl.core.storage.entries import newest, pick


def entries(folder: Path, **ages: int) -> Path:
    for name, seconds in ages.items():
        (folder / name).mkdir()
        (folder / name / "manifest.json").write_text("{}")
        os.utime(folder / name / "manifest.json", (seconds, seconds))
    return folder


def test_the_newest_entry_is_the_one_whose_manifest_is(tmp_path: Path) -> None:
    entries(tmp_path, aa=2000, bb=3000, cc=1000)
    assert newest(tmp_path, "model", "manifest.json", "make one") == tmp_path / "bb"


def test_of_equally_new_entries_the_last_by_name_is_taken(tmp_path: Path) -> None:
    entries(tmp_path, aa=1000, bb=1000)
    assert newest(tmp_path, "model", "manifest.json", "make one") == tmp_path / "bb"


def test_hidden_and_unfinished_entries_are_not_seen(tmp_path: Path) -> None:
    entries(tmp_path, aa=1000, **{".bb": 2000})
    (tmp_path / "cc").mkdir()
    assert newest(tmp_path, "model", "manifest.json", "make one") == tmp_path / "aa"


def test_where_there_is_no_entry_the_hint_is_given(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"there is no model in .*; make one with: riyl train"):
        newest(tmp_path / "none", "model", "manifest.json", "make one with: riyl train")


def test_an_entry_is_picked_by_id_or_by_its_beginning(tmp_path: Path) -> None:
    entries(tmp_path, abc=1, abcd=1, xyz=1)
    assert pick(tmp_path, "abc", "model", "manifest.json") == tmp_path / "abc"
    assert pick(tmp_path, "abcd", "model", "manifest.json") == tmp_path / "abcd"
    assert pick(tmp_path, "x", "model", "manifest.json") == tmp_path / "xyz"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ab", "model 'ab' is ambiguous; there are: abc, abcd"),
        ("q", "model 'q' does not exist; there are: abc, abcd, xyz"),
        ("", "model '' does not exist; there are: abc, abcd, xyz"),
    ],
)
def test_a_name_that_is_none_or_several_is_not_found(tmp_path: Path, name: str, message: str) -> None:
    entries(tmp_path, abc=1, abcd=1, xyz=1)
    with pytest.raises(NotFoundError) as caught:
        pick(tmp_path, name, "model", "manifest.json")
    assert str(caught.value) == message


def test_in_an_empty_folder_nothing_is_picked(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="model 'a' does not exist; there are: none"):
        pick(tmp_path, "a", "model", "manifest.json")
