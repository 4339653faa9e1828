from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import index.cells
from app.jobs.steps import Steps, worker_threads
from app.jobs.types import EvaluateParams, ImportParams
from core.db.evaluations import find_evaluation, list_evaluations
from core.db.promotions import last_promotion, last_verdicts
from core.db.session import Database
from core.errors import GateError, InputError, MismatchError, NotFoundError
from core.evaluations import EvaluationFiles, save_evaluation
from core.settings import Home, Settings
from core.snapshot import Snapshot
from core.tables import Tables
from index.artifact import Version
from index.versions import current, find_version, history
from tests.conftest import SMALL_RECIPE, made_up_run, small_world, write_tables
from tests.training.features.others import world_of_strangers
from training.config import load_config
from training.features.build import build_snapshot
from training.features.recipe import Recipe
from training.train import train


@pytest.fixture
def steps(tmp_path: Path) -> Steps:
    """Steps over a home with a model of the small world; RIYL_TABLES is that world's tables."""
    tables = small_world(tmp_path / "catalog")
    settings = Settings(home=tmp_path / "home", tables=tables)
    home = Home(settings.home)
    snapshot = build_snapshot(Tables.open(tables), SMALL_RECIPE, home.snapshots)
    name, config = load_config("pca")
    train(name, config, snapshot, home.models)
    return Steps(settings, Database.of(settings), job="j1")


def reindexed(steps: Steps) -> str:
    """The version that the steps up to the promotion make."""
    fixed = steps.fix(None)
    model = steps.choose_model(None)["model"]
    snapshot = steps.place(fixed, model)["snapshot"]
    steps.embed(model, snapshot)
    version: str = steps.build(model, snapshot)["version"]
    assert steps.promote(version, steps.judge(version)["verdict"], "ann") == {"promoted": True, "truth": None}
    return version


def test_every_step_run_twice_gives_what_it_gave(steps: Steps) -> None:
    fixed = steps.fix(None)
    assert steps.fix(None) == fixed
    model = steps.choose_model(None)["model"]
    placed = steps.place(fixed, model)
    assert steps.place(fixed, model) == placed
    snapshot = placed["snapshot"]
    assert steps.embed(model, snapshot) == steps.embed(model, snapshot) == {}
    built = steps.build(model, snapshot)
    assert steps.embed(model, snapshot) == {}
    assert steps.build(model, snapshot) == built
    judged = steps.judge(built["version"])
    assert steps.judge(built["version"]) == judged
    for _ in range(2):
        assert steps.promote(built["version"], judged["verdict"], "ann") == {"promoted": True, "truth": None}
    assert [(e.version, e.by, e.job) for e in history(steps.database)] == [(built["version"], "ann", "j1")]


def test_what_is_current_is_not_promoted_again(steps: Steps) -> None:
    version = reindexed(steps)
    later = steps.for_job("j2", steps.progress)
    assert later.promote(version, later.judge(version)["verdict"], "bob") == {"promoted": False}
    assert len(history(steps.database)) == 1


def test_tables_are_those_named_or_set_or_imported_last(steps: Steps, tmp_path: Path) -> None:
    set_ = steps.fix(None)["tables"]
    named = steps.fix(str(small_world(tmp_path / "other", seed=1)))["tables"]
    assert named != set_
    unset = Steps(steps.settings.model_copy(update={"tables": None}), steps.database)
    assert unset.fix(None)["tables"] == named
    os.utime(Home(steps.settings.home).fixed / named / "artists.parquet", (1e9, 1e9))
    assert unset.fix(None)["tables"] == set_
    assert unset.fix(named)["tables"] == named  # by the id that a job gave
    os.utime(Home(steps.settings.home).fixed / set_ / "artists.parquet", (1e9, 1e9))
    assert unset.fix(None)["tables"] == named


def test_tables_that_nobody_named_are_those_behind_the_current_version(steps: Steps, tmp_path: Path) -> None:
    unset = Steps(steps.settings.model_copy(update={"tables": None}), steps.database, job="j1")
    reindexed(steps)
    catalog = steps.settings.tables
    assert catalog is not None
    first = unset.fix(None)
    assert first["source"] == str(catalog)
    # another catalog is looked at, and is not taken at night
    unset.place(unset.fix(str(small_world(tmp_path / "other", seed=1))), unset.choose_model(None)["model"])
    assert unset.fix(None) == first
    # the folder is read anew
    (catalog / "similar.parquet").unlink()
    assert unset.fix(None)["tables"] not in (first["tables"], unset.fix(str(tmp_path / "other"))["tables"])
    catalog.rename(tmp_path / "moved")
    with pytest.raises(
        NotFoundError, match=r"catalog: found no such folder; .* -p tables=FOLDER\), or set RIYL_TABLES"
    ):
        unset.fix(None)


def test_an_import_is_taken_until_a_version_is_promoted_and_is_behind_that_one_then(
    steps: Steps, tmp_path: Path
) -> None:
    unset = Steps(steps.settings.model_copy(update={"tables": None}), steps.database, job="j1")
    reindexed(steps)
    brought = unset.bring(ImportParams(source=str(small_world(tmp_path / "new", seed=3))))["tables"]
    assert unset.fix(None)["tables"] == brought
    reindexed(unset.for_job("j2", unset.progress))
    assert (unset.fix(None)["tables"], unset.fix(None)["source"]) == (brought, None)
    # and stays where it is needed, however many others come
    for seed in (4, 5):
        unset.fix(str(small_world(tmp_path / f"other {seed}", seed=seed)))
    assert brought not in unset.prune([])["removed"]["tables"]
    assert unset.fix(None)["tables"] == brought


def test_tables_in_the_home_are_found_where_the_home_is_moved_to(steps: Steps, tmp_path: Path) -> None:
    brought = steps.bring(ImportParams(source=str(steps.settings.tables)))["tables"]
    folder = steps.home.fixed / brought
    snapshot = build_snapshot(Tables.open(folder), SMALL_RECIPE, steps.home.snapshots, source=folder)
    steps.home.root.rename(tmp_path / "moved")
    moved = Snapshot.open(tmp_path / "moved" / "snapshots" / snapshot.id)
    assert moved.source == tmp_path / "moved" / "fixed" / brought


def test_without_any_tables_it_says_what_to_do(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    with pytest.raises(NotFoundError, match="name a folder of tables, or set RIYL_TABLES"):
        Steps(settings, Database.of(settings)).fix(None)


def test_tables_that_are_none_are_not_imported(steps: Steps, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="artists"):
        steps.bring(ImportParams(source=str(tmp_path / "empty")))
    with pytest.raises(InputError, match="found no such folder"):
        steps.bring(ImportParams(source=str(tmp_path / "nowhere")))
    assert not list(Home(steps.settings.home).fixed.glob("*"))


def test_the_current_versions_model_is_kept_and_a_newer_one_is_not_taken(steps: Steps) -> None:
    version = reindexed(steps)
    home = Home(steps.settings.home)
    name, config = load_config("random-projection")
    newer = train(name, config, Snapshot.open(next(home.snapshots.glob("[!.]*"))), home.models)
    assert steps.choose_model(None)["model"] != newer.id
    assert steps.choose_model(newer.id[:8])["model"] == newer.id
    assert current(home.versions) == version
    with pytest.raises(NotFoundError, match="model 'zzz' does not exist"):
        steps.choose_model("zzz")


def test_the_same_tables_need_no_new_snapshot_and_others_keep_the_basis(steps: Steps, tmp_path: Path) -> None:
    home = Home(steps.settings.home)
    model = steps.choose_model(None)["model"]
    same = steps.place(steps.fix(None), model)["snapshot"]
    assert [path.name for path in home.snapshots.glob("[!.]*")] == [same]
    other = steps.fix(str(small_world(tmp_path / "other", n=50)))
    placed = Snapshot.open(home.snapshots / steps.place(other, model)["snapshot"])
    assert placed.id != same
    assert placed.basis_id == Snapshot.open(home.snapshots / same).basis_id
    assert placed.n_artists == 50


def test_a_night_that_would_lose_a_modality_fails(steps: Steps, tmp_path: Path) -> None:
    model = steps.choose_model(None)["model"]
    strangers = world_of_strangers(tmp_path / "strangers")
    with pytest.raises(MismatchError, match="nobody has audio, cf that the kept basis can use"):
        steps.place(steps.fix(str(strangers)), model)
    unplayed = small_world(tmp_path / "unplayed")
    (unplayed / "plays.parquet").unlink()
    with pytest.raises(MismatchError, match="nobody has cf that the kept basis can use"):
        steps.place(steps.fix(str(unplayed)), model)
    more = small_world(tmp_path / "more")
    write_tables(more, bio={"artist_id": ["a000"], "vector": [[1.0]]})
    with pytest.raises(MismatchError, match="the tables have bio besides"):
        steps.place(steps.fix(str(more)), model)
    assert len(list(Home(steps.settings.home).snapshots.glob("[!.]*"))) == 1


def test_what_a_model_was_trained_without_may_stay_away(steps: Steps, tmp_path: Path) -> None:
    home = Home(steps.settings.home)
    kept = Snapshot.open(next(home.snapshots.glob("[!.]*")))
    strangers = Tables.open(world_of_strangers(tmp_path / "strangers"))
    partial = build_snapshot(strangers, Recipe(), home.snapshots, keep=kept)
    model = train("tags alone", load_config("single-tags")[1], partial, home.models)
    (strangers.folder / "plays.parquet").unlink()
    placed = steps.place(steps.fix(str(strangers.folder)), model.id)["snapshot"]
    assert list(Snapshot.open(home.snapshots / placed).modalities) == ["tags"]


def test_a_version_that_lost_its_artists_is_refused_and_the_verdict_written_down(steps: Steps, tmp_path: Path) -> None:
    version = reindexed(steps)
    small = steps.for_job("j2", steps.progress)
    fixed = small.fix(str(small_world(tmp_path / "shrunk", n=20)))
    model = small.choose_model(None)["model"]
    shrunk = small.build(model, small.place(fixed, model)["snapshot"])["version"]
    verdict = small.judge(shrunk)["verdict"]
    assert not verdict["passed"]
    failed = [check for check in verdict["checks"] if not check["passed"]]
    assert any(check["found"] == pytest.approx(19 / 59) for check in failed)  # the last artist of each has no input
    with pytest.raises(GateError, match="wanted at least 0.9"):
        small.promote(shrunk, verdict, "ann")
    assert current(Home(steps.settings.home).versions) == version
    with steps.database.read() as connection:
        said = last_verdicts(connection)[shrunk]
        assert last_promotion(connection).version == version  # type: ignore[union-attr]
    assert (said.passed, said.against, said.job, said.checks) == (False, version, "j2", verdict["checks"])


def half_of_plays(plays: dict[str, list[object]]) -> None:
    for column in plays.values():
        del column[len(column) // 2 :]


def half_of_listeners_renamed(plays: dict[str, list[object]]) -> None:
    half = len(plays["user_id"]) // 2
    plays["user_id"][:half] = [f"other-{user}" for user in plays["user_id"][:half]]


@pytest.mark.parametrize(
    ("lose", "figure"), [(half_of_plays, "rows"), (half_of_listeners_renamed, "entries known to the basis")]
)
def test_a_night_that_lost_half_of_its_plays_is_refused_and_what_is_missing_is_named(
    steps: Steps, tmp_path: Path, lose: Callable[[dict[str, list[object]]], None], figure: str
) -> None:
    version = reindexed(steps)
    tables = small_world(tmp_path / "half")
    plays = pq.read_table(tables / "plays.parquet").to_pydict()
    lose(plays)
    write_tables(tables, plays=plays)
    later = steps.for_job("j2", steps.progress)
    fixed, model = later.fix(str(tables)), later.choose_model(None)["model"]
    made = later.build(model, later.place(fixed, model)["snapshot"])["version"]
    verdict = later.judge(made)["verdict"]
    told = f"{figure} of table plays, .*: found 0.(498039|501961), wanted at least 0.8 .RIYL_GATE_MIN_TABLE_SHARE."
    with pytest.raises(GateError, match=told):
        later.promote(made, verdict, "ann")
    assert current(Home(steps.settings.home).versions) == version
    lax = Settings(home=steps.settings.home, tables=steps.settings.tables, gate_min_table_share=0.4, gate_min_overlap=0)
    assert Steps(lax, steps.database, job="j3").judge(made)["verdict"]["passed"]


def test_the_recall_that_is_set_is_wanted_of_a_large_catalog(steps: Steps, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index.cells, "CELLS_FROM", 20)
    home = Home(steps.settings.home)
    steps = Steps(Settings(home=home.root, gate_min_recall=0.9, tables=steps.settings.tables), steps.database, job="j1")
    version = Version.open(find_version(home.versions, reindexed(steps)))
    assert version.manifest["cells"]["wanted"] == version.manifest["settings"]["recall"] == 0.9
    assert not list(home.versions.glob(".*.embedding"))  # the step before kept it for the same version


def test_an_evaluation_is_stored_once_under_its_job_however_often_it_runs(steps: Steps) -> None:
    home = Home(steps.settings.home)
    steps.place(steps.fix(None), steps.choose_model(None)["model"])
    params = EvaluateParams(systems=["pca"], conditions=["raw"], k=5, rounds=10)
    for by in ("ann", "bob"):
        assert steps.evaluate(params, by) == {"evaluation": "j1"}
    (listed,) = list_evaluations(steps.database)
    assert (listed.id, listed.by, listed.k) == ("j1", "ann", 5)
    stored = find_evaluation(steps.database, "j1")
    assert stored is not None
    assert stored.asked == params.model_dump(mode="json")
    assert [path.name for path in home.evaluations.iterdir()] == ["j1"]
    assert EvaluationFiles.open(home.evaluations / "j1").figures() == stored.figures


def test_an_evaluation_whose_files_are_there_gets_the_row_that_they_need(steps: Steps) -> None:
    home = Home(steps.settings.home)
    steps.place(steps.fix(None), steps.choose_model(None)["model"])
    before = made_up_run({("raw", "mine"): {"a": 0.5}})  # as if the worker had died between the two
    save_evaluation(home.evaluations, "j1", **before)
    steps.evaluate(EvaluateParams(systems=["pca"], conditions=["raw"], k=5, rounds=10), "ann")
    stored = find_evaluation(steps.database, "j1")
    assert stored is not None
    assert stored.figures == before["figures"]


def test_an_evaluation_that_fails_leaves_neither_files_nor_a_row(steps: Steps) -> None:
    steps.place(steps.fix(None), steps.choose_model(None)["model"])
    with pytest.raises(NotFoundError, match="there is no truth 'none'"):
        steps.evaluate(EvaluateParams(truth="none"), "ann")
    assert list_evaluations(steps.database) == []
    assert not Home(steps.settings.home).evaluations.exists()


def test_a_worker_takes_one_thread_unless_it_is_told_otherwise() -> None:
    assert worker_threads(Settings()) == 1
    assert worker_threads(Settings(threads=1)) == 1


def test_an_import_reads_every_row_and_says_what_became_of_them(steps: Steps, tmp_path: Path) -> None:
    folder = write_tables(tmp_path / "given", artists={"artist_id": ["a", "b"], "name": ["A", "B"]})
    (folder / "tags.csv").write_text("artist_id,tag,weight\na,rock,1\na,NULL,1\nzz,rock,2\n")
    (folder / "README.md").write_text("about")
    found = steps.bring(ImportParams(source=str(folder)))
    assert found["rows"] == {
        "artists": {"read": 2, "kept": 2, "left_out": {}},
        "tags": {"read": 3, "kept": 2, "left_out": {"of a tag that stands for nothing": 1}},
    }
    assert found["files_not_read"] == {"README.md": "a document"}
    assert found["examples"]["tags.csv: row of an artist that artists has not"] == ("row 3: zz",)


def test_tables_with_a_wrong_row_are_not_imported(steps: Steps, tmp_path: Path) -> None:
    folder = write_tables(tmp_path / "given", artists={"artist_id": ["a"], "name": ["A"]})
    (folder / "tags.csv").write_text('artist_id,tag,weight\na,rock,1\na,"80s,1\n')
    with pytest.raises(InputError, match=r"tags\.csv, row 2, line 3: found a quote that is opened and never closed"):
        steps.bring(ImportParams(source=str(folder)))
    assert not list(Home(steps.settings.home).fixed.glob("*"))


def test_a_night_says_which_file_it_does_not_read(steps: Steps, tmp_path: Path) -> None:
    folder = small_world(tmp_path / "given")
    (folder / "plays.csv.gz").write_bytes(b"x")
    with pytest.raises(InputError, match=r"found what is not read: plays\.csv\.gz \(packed: unpack it\)"):
        steps.fix(str(folder))
    told = Steps(steps.settings.model_copy(update={"ignore_unread": True}), steps.database)
    assert told.fix(str(folder))["files_not_read"] == {"plays.csv.gz": "packed: unpack it"}


def test_a_reindex_and_a_fit_say_what_became_of_rows(steps: Steps) -> None:
    fixed = steps.fix(None)
    placed, fitted = steps.place(fixed, steps.choose_model(None)["model"]), steps.fit(fixed)
    for rows in (placed["rows"], fitted["rows"]):
        assert sorted(rows) == ["artists", "audio", "plays", "similar", "tags"]
        assert all(each["read"] == each["kept"] + sum(each["left_out"].values()) for each in rows.values())
