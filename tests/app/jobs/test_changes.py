"""A re-index with changes gives the same version as tables that contain the changes from the start."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from riyl.app.jobs.steps import Steps
from riyl.core.catalog.tables import Tables
from riyl.core.changes.effective import ChangeKind
from riyl.core.db.changes import ChangeRequest, drop_changes, write_change
from riyl.core.db.session import Database
from riyl.core.errors import MismatchError
from riyl.core.settings import Home
from riyl.core.storage.snapshot import Snapshot
from riyl.index.artifact.version import Version
from riyl.training.config import load_config
from riyl.training.features.build import build_snapshot
from riyl.training.train import train
from tests.app.jobs.reindex import made_steps
from tests.conftest import SMALL_RECIPE, small_world

PUT, PATCH, _, DELETE, MERGE, _ = ChangeKind
NEW = {
    "name": "New",
    "aliases": ["Newer"],
    "attributes": {"country": "IS"},
    "tags": {"Noise": 3.0, "drone": 9.0, "hapax": 1.0},
    "plays": {"u101": 7.0, "u103": 20.0, "stranger": 5.0},
    "vectors": {"audio": [[0.0, 1.0, 0.0, 0.5, 0.0, 0.0, 0.0, 0.0], [0.25, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]]},
}
MOVED = {"name": "Moved", "tags": {"bop": 9.0, "swing": 4.0}, "plays": {"u201": 30.0, "u202": 8.0}}
SILENT = {"vectors": {"audio": None}}
MERGED = {"tags": {"SKA": None, "noise": 7.0}, "plays": {"u007": None, "newcomer": 4.0}}
"""Changes of four artists; a fifth, a004, is deleted, and a sixth, a005, is merged into the new one."""


@pytest.fixture
def steps(tmp_path: Path) -> Steps:
    """Make steps over a home with a model of the default config on the small world."""
    return made_steps(tmp_path, "default")


def change(steps: Steps, artist: str, kind: ChangeKind, payload: dict[str, Any] | None = None) -> int:
    return write_change(steps.database, ChangeRequest(artist, kind, payload or {}, True), by="test").number


def all_changes(steps: Steps) -> None:
    change(steps, "a004", DELETE)
    change(steps, "new", PUT, NEW)
    change(steps, "a003", PUT, {**MOVED, "tags": {"bop": 9.0, "Dub": 1.0}})
    change(steps, "a003", PATCH, {"tags": {"dub": None, "swing": 4.0}})  # the later change wins
    change(steps, "a006", PATCH, SILENT)
    change(steps, "a005", MERGE, {"into": "new"})
    change(steps, "a012", PATCH, MERGED)


def written_so(folder: Path) -> Path:
    """Write the small world with the same changes in its tables."""
    small_world(folder)

    def rows(table: str) -> list[dict[str, Any]]:
        table_rows: list[dict[str, Any]] = pq.read_table(folder / f"{table}.parquet").to_pylist()
        return [row for row in table_rows if row["artist_id"] not in ("a004", "a005")]

    artists = [{**row, "aliases": None, "country": None} for row in rows("artists")]
    next(row for row in artists if row["artist_id"] == "a003")["name"] = "Moved"
    artists.append({"artist_id": "new", "name": "New", "aliases": ["Newer"], "country": "IS"})
    tags = [row for row in rows("tags") if row["artist_id"] != "a003"]
    plays = [row for row in rows("plays") if row["artist_id"] != "a003"]
    audio = [row for row in rows("audio") if row["artist_id"] != "a006"]
    tags = [row for row in tags if (row["artist_id"], row["tag"]) != ("a012", "ska")]
    tags.append({"artist_id": "a012", "tag": "noise", "weight": 7.0})
    plays = [row for row in plays if (row["artist_id"], row["user_id"]) != ("a012", "u007")]
    plays.append({"user_id": "newcomer", "artist_id": "a012", "count": 4})
    for artist, payload in (("a003", MOVED), ("new", NEW)):
        tags += [{"artist_id": artist, "tag": tag, "weight": weight} for tag, weight in payload["tags"].items()]  # type: ignore[attr-defined]
        plays += [{"user_id": u, "artist_id": artist, "count": int(c)} for u, c in payload["plays"].items()]  # type: ignore[attr-defined]
    audio += [{"artist_id": "new", "track_id": "", "vector": vector} for vector in NEW["vectors"]["audio"]]  # type: ignore[call-overload,index]
    for table, table_rows in {"artists": artists, "tags": tags, "plays": plays, "audio": audio}.items():
        pq.write_table(pa.Table.from_pylist(table_rows), folder / f"{table}.parquet")
    return folder


def built(steps: Steps, tables: str | None = None) -> tuple[Snapshot, Version]:
    frozen = steps.freeze(tables, "test")
    model = steps.choose_model(None)["model"]
    snapshot = steps.featurize(frozen, model)["snapshot"]
    home = Home(steps.settings.home)
    version = steps.build(model, snapshot)["version"]
    return Snapshot.open(home.snapshots / snapshot), Version.open(home.versions / version)


def same(actual: tuple[Snapshot, Version], expected: tuple[Snapshot, Version]) -> None:
    assert actual[1].artists.select(expected[1].artists.column_names).to_pylist() == expected[1].artists.to_pylist()
    assert list(actual[0].modalities) == list(expected[0].modalities)
    for name, modality in actual[0].modalities.items():
        np.testing.assert_array_equal(modality.rows, expected[0].modalities[name].rows)
        np.testing.assert_allclose(modality.vectors, expected[0].modalities[name].vectors, atol=1e-6)
        np.testing.assert_array_equal(modality.evidence, expected[0].modalities[name].evidence)
    for each in ("listeners", "plays", "has_embedding", "patterns"):
        np.testing.assert_array_equal(getattr(actual[1], each), getattr(expected[1], each))
    np.testing.assert_allclose(actual[1].embeddings, expected[1].embeddings, atol=1e-6)
    np.testing.assert_allclose(actual[1].scores[:, :40], expected[1].scores[:, :40], atol=1e-5)


def test_changes_make_what_tables_written_so_would_make(steps: Steps, tmp_path: Path) -> None:
    plain = built(steps)
    all_changes(steps)
    changed = built(steps)
    assert changed[1].id != plain[1].id
    assert (changed[0].last_change, changed[1].manifest["last_change"]) == (7, 7)
    assert (plain[0].last_change, plain[1].manifest["last_change"]) == (0, 0)
    # the other way: tables with all these values, and no changes
    settings = steps.settings.model_copy(update={"home": tmp_path / "other"})
    other, home = Steps(settings, Database.of(settings), job="j1"), Home(settings.home)
    snapshot = build_snapshot(Tables.open(steps.settings.tables), SMALL_RECIPE, home.snapshots)  # type: ignore[arg-type]
    train("default", load_config("default")[1], snapshot, home.models)
    same(changed, built(other, str(written_so(tmp_path / "written"))))


def test_the_put_are_found_the_patched_move_and_the_deleted_are_nowhere(steps: Steps) -> None:
    _, before = built(steps)
    all_changes(steps)
    snapshot, version = built(steps)
    ids = version.artist_ids
    assert "a004" in before.artist_ids
    assert "a004" not in ids
    assert "a004" not in snapshot.artist_ids

    def scenes(version: Version, artist: str) -> list[int]:
        """Return the scenes of the five most similar artists; artist i is of scene i % 3."""
        row = version.artist_ids.index(artist)
        near = [version.artist_ids[i] for i in version.neighbours[row, :6].tolist()]
        return [int(each[1:]) % 3 for each in near if each not in ("new", "a003")][:5]

    assert set(scenes(version, "new")) == {1}
    assert set(scenes(before, "a003")) == {0}
    assert set(scenes(version, "a003")) <= {0, 2}  # only its audio is still that of its old scene
    assert 2 in scenes(version, "a003")
    assert version.artists.column("country").to_pylist()[ids.index("new")] == "IS"
    row = snapshot.artist_ids.index("a006")
    assert row not in snapshot.modalities["audio"].rows
    # listeners unknown to the featurizer are counted, but skipped in the artist's embedding
    cf = snapshot.modalities["cf"]
    new = snapshot.artist_ids.index("new")
    assert snapshot.listeners[new] == 3
    assert cf.evidence[np.flatnonzero(cf.rows == new)].tolist() == [2]


def test_an_import_does_not_undo_them_and_a_drop_does(steps: Steps, tmp_path: Path) -> None:
    plain, _ = built(steps)
    change(steps, "a004", DELETE)
    change(steps, "new", PUT, NEW)
    first, _ = built(steps)
    tonight = str(small_world(tmp_path / "tonight", seed=1))
    second, _ = built(steps, tonight)
    for snapshot in (first, second):
        assert "a004" not in snapshot.artist_ids
        assert "new" in snapshot.artist_ids
    drop_changes(steps.database, by="test", artist="a004")
    third, _ = built(steps, tonight)
    assert {"a004", "new"} <= set(third.artist_ids)
    drop_changes(steps.database, by="test", numbers=[2])
    frozen = steps.freeze(None, "test")
    assert (frozen["changes"], frozen["last_change"]) == (None, 0)
    fourth, version = built(steps)
    assert fourth.id == plain.id
    assert version.manifest["last_change"] == 0


def test_the_same_that_stands_is_the_same_snapshot_whatever_came_between(steps: Steps) -> None:
    change(steps, "a003", PUT, MOVED)
    first = built(steps)
    change(steps, "a003", PATCH, {"mbid": "m"})
    assert built(steps)[0].id != first[0].id
    change(steps, "a003", PUT, MOVED)
    again = built(steps)
    assert (again[0].id, again[1].id) == (first[0].id, first[1].id)
    assert again[1].manifest["last_change"] == 1


def test_a_job_folds_in_what_stood_when_it_began(steps: Steps) -> None:
    change(steps, "new", PUT, NEW)
    frozen = steps.freeze(None, "test")
    model = steps.choose_model(None)["model"]
    undisturbed = steps.featurize(frozen, model)
    home = Home(steps.settings.home)
    (home.snapshots / undisturbed["snapshot"]).rename(home.root / "away")  # as if the worker had died before
    change(steps, "a005", DELETE)
    drop_changes(steps.database, by="test", artist="new")
    assert steps.featurize(frozen, model) == undisturbed
    snapshot = Snapshot.open(home.snapshots / undisturbed["snapshot"])
    assert {"new", "a005"} <= set(snapshot.artist_ids)


def test_a_basis_may_be_fitted_with_changes(steps: Steps) -> None:
    all_changes(steps)
    snapshot = Snapshot.open(Home(steps.settings.home).snapshots / steps.fit(steps.freeze(None, "test"))["snapshot"])
    assert "new" in snapshot.artist_ids
    assert snapshot.last_change == 7
    cf = snapshot.modalities["cf"]
    assert cf.evidence[np.flatnonzero(cf.rows == snapshot.artist_ids.index("new"))].tolist() == [3]


def test_a_modality_that_changes_alone_have_does_not_make_up_for_a_lost_table(
    steps: Steps, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    change(steps, "new", PUT, {**NEW, "vectors": {"bio": [[1.0]]}})
    model = steps.choose_model(None)["model"]
    with caplog.at_level(logging.WARNING):
        built(steps)
    assert (
        "change_left_out artist=new field=bio: found vectors of 1 numbers; the tables have no such table" in caplog.text
    )
    unplayed = small_world(tmp_path / "unplayed")
    (unplayed / "plays.parquet").unlink()
    with pytest.raises(MismatchError, match="no artist has cf that the kept featurizer can use"):
        steps.featurize(steps.freeze(str(unplayed), "test"), model)


def test_what_jobs_wrote_down_is_removed_once_no_job_needs_it(steps: Steps) -> None:
    change(steps, "new", PUT, {"name": "1"})
    first = steps.freeze(None, "test")["changes"]
    change(steps, "new", PUT, {"name": "2"})
    second = steps.freeze(None, "test")["changes"]
    change(steps, "new", PUT, {"name": "3"})
    third = steps.freeze(None, "test")["changes"]
    folder = Home(steps.settings.home).changes
    assert steps.prune({first})["removed"]["changes"] == [second]
    assert sorted(path.stem for path in folder.iterdir()) == sorted([first, third])
