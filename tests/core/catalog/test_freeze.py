from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from riyl.core.catalog.freeze import freeze_tables
from riyl.core.catalog.tables import Tables
from riyl.core.errors import InputError, TableError
from riyl.core.files import content_id, sha256_of

ARTISTS = "artist_id,name\na,Ann\nb,Bob\n"
TAGS = "artist_id,tag,weight\na,ska,1\n"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "artists.csv").write_text(ARTISTS)
    (folder / "tags.csv").write_text(TAGS)
    (folder / "notes.txt").write_text("not a table")
    return folder


def test_the_tables_are_copied_under_the_id_of_their_content(source: Path, tmp_path: Path) -> None:
    fixed = freeze_tables(source, tmp_path / "fixed")
    digests = {name: sha256_of(source / name) for name in ("artists.csv", "tags.csv")}
    assert fixed == tmp_path / "fixed" / content_id("tables", digests)
    assert {path.name: path.read_text() for path in fixed.iterdir()} == {"artists.csv": ARTISTS, "tags.csv": TAGS}


def test_a_copy_does_not_change_with_its_source(source: Path, tmp_path: Path) -> None:
    fixed = freeze_tables(source, tmp_path / "fixed")
    with (source / "tags.csv").open("a") as file:
        file.write("b,dub,2\n")
    assert (fixed / "tags.csv").read_text() == TAGS
    assert freeze_tables(source, tmp_path / "fixed") != fixed


def test_the_same_content_is_found_again_and_made_the_newest(source: Path, tmp_path: Path) -> None:
    fixed = freeze_tables(source, tmp_path / "fixed")
    before = (fixed / "artists.csv").stat().st_ino
    os.utime(fixed / "artists.csv", (1, 1))
    again = freeze_tables(Path(shutil.copytree(source, tmp_path / "elsewhere")), tmp_path / "fixed")
    assert again == fixed
    assert list((tmp_path / "fixed").iterdir()) == [fixed]
    assert (fixed / "artists.csv").stat().st_ino == before
    assert (fixed / "artists.csv").stat().st_mtime > 1
    assert freeze_tables(fixed, tmp_path / "fixed") == fixed


def test_a_table_without_its_columns_is_refused(source: Path, tmp_path: Path) -> None:
    (source / "tags.csv").write_text("artist_id,tag\na,ska\n")
    with pytest.raises(TableError, match=r"tags\.csv: found columns artist_id, tag; wanted a column 'weight'"):
        freeze_tables(source, tmp_path / "fixed")
    with pytest.raises(InputError, match="nowhere: found no such folder"):
        freeze_tables(tmp_path / "nowhere", tmp_path / "fixed")
    assert not (tmp_path / "fixed").exists()


def test_a_source_that_changes_meanwhile_is_refused(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digests = Tables.digests

    def then_changed(tables: Tables) -> dict[str, str]:
        file_digests = digests(tables)
        (source / "tags.csv").write_text(TAGS + "b,dub,2\n")
        return file_digests

    monkeypatch.setattr(Tables, "digests", then_changed)
    with pytest.raises(InputError, match=r"source: found tags\.csv changed while being copied; wanted tables that"):
        freeze_tables(source, tmp_path / "fixed")
    assert list((tmp_path / "fixed").iterdir()) == []


def test_a_full_disk_leaves_nothing_behind(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(origin: Path, target: Path) -> None:
        target.write_bytes(origin.read_bytes()[:5])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(OSError, match="No space left on device"):
        freeze_tables(source, tmp_path / "fixed")
    assert list((tmp_path / "fixed").iterdir()) == []
    monkeypatch.undo()
    assert freeze_tables(source, tmp_path / "fixed").is_dir()
