from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from riyl.app.jobs.steps import Steps
from riyl.app.jobs.types import ImportParams
from riyl.core.catalog.tables import Tables
from riyl.core.db.session import Database
from riyl.core.errors import InputError, NotFoundError
from riyl.core.settings import Home, Settings
from riyl.core.storage.snapshot import Snapshot
from riyl.training.features.build import build_snapshot
from tests.app.jobs.reindex import reindexed
from tests.conftest import SMALL_RECIPE, small_world, write_tables


def test_tables_are_those_named_or_set_or_imported_last(steps: Steps, tmp_path: Path) -> None:
    set_ = steps.freeze(None, "test")["tables"]
    named = steps.freeze(str(small_world(tmp_path / "other", seed=1)), "test")["tables"]
    assert named != set_
    unset = Steps(steps.settings.model_copy(update={"tables": None}), steps.database)
    assert unset.freeze(None, "test")["tables"] == named
    os.utime(Home(steps.settings.home).frozen_tables / named / "artists.parquet", (1e9, 1e9))
    assert unset.freeze(None, "test")["tables"] == set_
    assert unset.freeze(named, "test")["tables"] == named  # by the id that a job gave
    os.utime(Home(steps.settings.home).frozen_tables / set_ / "artists.parquet", (1e9, 1e9))
    assert unset.freeze(None, "test")["tables"] == named


def test_tables_that_nobody_named_are_those_behind_the_current_version(steps: Steps, tmp_path: Path) -> None:
    unset = Steps(steps.settings.model_copy(update={"tables": None}), steps.database, job="j1")
    reindexed(steps)
    catalog = steps.settings.tables
    assert catalog is not None
    first = unset.freeze(None, "test")
    assert first["source"] == str(catalog)
    # importing another catalog does not change the catalog of the nightly re-index
    other = unset.freeze(str(small_world(tmp_path / "other", seed=1)), "test")
    unset.featurize(other, unset.choose_model(None)["model"])
    assert unset.freeze(None, "test") == first
    # the folder is read again
    (catalog / "similar.parquet").unlink()
    assert unset.freeze(None, "test")["tables"] not in (first["tables"], other["tables"])
    catalog.rename(tmp_path / "moved")
    with pytest.raises(
        NotFoundError, match=r"catalog: found no such folder; .* -p tables=FOLDER\), or set RIYL_TABLES"
    ):
        unset.freeze(None, "test")


def test_an_import_is_taken_until_a_version_is_promoted_and_is_behind_that_one_then(
    steps: Steps, tmp_path: Path
) -> None:
    unset = Steps(steps.settings.model_copy(update={"tables": None}), steps.database, job="j1")
    reindexed(steps)
    brought = unset.bring(ImportParams(source=str(small_world(tmp_path / "new", seed=3))), "test")["tables"]
    assert unset.freeze(None, "test")["tables"] == brought
    reindexed(unset.for_job("j2", unset.progress))
    assert (unset.freeze(None, "test")["tables"], unset.freeze(None, "test")["source"]) == (brought, None)
    # the copy in use stays, however many others are made
    for seed in (4, 5):
        unset.freeze(str(small_world(tmp_path / f"other {seed}", seed=seed)), "test")
    assert brought not in unset.prune([])["removed"]["tables"]
    assert unset.freeze(None, "test")["tables"] == brought


def test_tables_in_the_home_are_found_where_the_home_is_moved_to(steps: Steps, tmp_path: Path) -> None:
    brought = steps.bring(ImportParams(source=str(steps.settings.tables)), "test")["tables"]
    folder = steps.home.frozen_tables / brought
    snapshot = build_snapshot(Tables.open(folder), SMALL_RECIPE, steps.home.snapshots, source=folder)
    steps.home.root.rename(tmp_path / "moved")
    moved = Snapshot.open(tmp_path / "moved" / "snapshots" / snapshot.id)
    assert moved.source == tmp_path / "moved" / "frozen_tables" / brought


def test_without_any_tables_it_says_what_to_do(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    with pytest.raises(NotFoundError, match="name a folder of tables, or set RIYL_TABLES"):
        Steps(settings, Database.of(settings)).freeze(None, "test")


def test_tables_that_are_none_are_not_imported(steps: Steps, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="artists"):
        steps.bring(ImportParams(source=str(tmp_path / "empty")), "test")
    with pytest.raises(InputError, match="found no such folder"):
        steps.bring(ImportParams(source=str(tmp_path / "nowhere")), "test")
    assert not list(Home(steps.settings.home).frozen_tables.glob("*"))


def test_an_import_reads_every_row_and_says_what_became_of_them(steps: Steps, tmp_path: Path) -> None:
    folder = write_tables(tmp_path / "given", artists={"artist_id": ["a", "b"], "name": ["A", "B"]})
    (folder / "tags.csv").write_text("artist_id,tag,weight\na,rock,1\na,NULL,1\nzz,rock,2\n")
    (folder / "README.md").write_text("about")
    result = steps.bring(ImportParams(source=str(folder)), "test")
    assert result["rows"] == {
        "artists": {"read": 2, "kept": 2, "skipped": {}},
        "tags": {"read": 3, "kept": 2, "skipped": {"of a tag that stands for nothing": 1}},
    }
    assert result["files_not_read"] == {"README.md": "a document"}
    assert result["examples"]["tags.csv: row of an artist that the artists table lacks"] == ("row 3: zz",)


def test_tables_with_a_wrong_row_are_not_imported(steps: Steps, tmp_path: Path) -> None:
    folder = write_tables(tmp_path / "given", artists={"artist_id": ["a"], "name": ["A"]})
    (folder / "tags.csv").write_text('artist_id,tag,weight\na,rock,1\na,"80s,1\n')
    with pytest.raises(InputError, match=r"tags\.csv, row 2, line 3: found a quote that is opened and never closed"):
        steps.bring(ImportParams(source=str(folder)), "test")
    assert not list(Home(steps.settings.home).frozen_tables.glob("*"))


def test_a_night_says_which_file_it_does_not_read(steps: Steps, tmp_path: Path) -> None:
    folder = small_world(tmp_path / "given")
    (folder / "plays.csv.gz").write_bytes(b"x")
    with pytest.raises(InputError, match=r"found entries that are not read: plays\.csv\.gz \(packed: unpack it\)"):
        steps.freeze(str(folder), "test")
    lenient_steps = Steps(steps.settings.model_copy(update={"ignore_unread": True}), steps.database)
    assert lenient_steps.freeze(str(folder), "test")["files_not_read"] == {"plays.csv.gz": "packed: unpack it"}


def test_a_job_over_http_takes_folders_below_the_root_alone_and_follows_no_link(steps: Steps, tmp_path: Path) -> None:
    root = tmp_path / "root"
    inside, outside = (small_world(tmp_path / where, seed=5) for where in ("root/nightly", "outside"))
    (root / "link").symlink_to(outside)
    (root / "loop").symlink_to(root / "loop")
    linked = root / "linked"
    linked.mkdir()
    (linked / "tags.csv").symlink_to(outside / "tags.parquet")
    (root / "file").write_text("")
    behind = replace(steps, settings=steps.settings.model_copy(update={"import_root": root}))
    for name in ("nightly", str(inside), "nightly/"):
        assert behind.bring(ImportParams(source=name), "key:ops")["tables"] == behind.freeze(name, "key:ops")["tables"]
    refused = ["link", "loop", "file", "nowhere", "../outside", str(outside), "nightly/../../outside", "/", "~", "a\0b"]
    for name in refused:
        with pytest.raises(InputError, match="wanted a folder below the worker's RIYL_IMPORT_ROOT"):
            behind.freeze(name, "key:ops")
        with pytest.raises(InputError, match="wanted a folder below the worker's RIYL_IMPORT_ROOT"):
            behind.bring(ImportParams(source=name), "key:ops")
    with pytest.raises(InputError, match=r"found the link 'tags\.csv' in the folder 'linked'; wanted files"):
        behind.freeze("linked", "key:ops")
    # by the id of tables in the home, and as a command names it
    assert behind.freeze(behind.freeze("nightly", "key:ops")["tables"], "key:ops")["source"] is None
    assert behind.freeze(str(outside), "ann")["source"] == str(outside)
    with pytest.raises(InputError, match="found the folder 'nightly' and no RIYL_IMPORT_ROOT"):
        steps.freeze("nightly", "key:ops")
