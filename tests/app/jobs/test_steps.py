from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import riyl.index.artifact.ivf
from riyl.app.jobs.steps import Steps, worker_threads
from riyl.app.jobs.types import EvaluateParams, TrainParams
from riyl.core.catalog.tables import Tables
from riyl.core.db.evaluations import find_evaluation, list_evaluations
from riyl.core.db.promotions import last_promotion, last_verdicts
from riyl.core.errors import MismatchError, NotFoundError, QualityCheckError
from riyl.core.settings import Home, Settings
from riyl.core.storage.embeddings import ExternalEmbeddings, save_embeddings
from riyl.core.storage.evaluations import EvaluationFiles, save_evaluation
from riyl.core.storage.ground_truth import save_truth
from riyl.core.storage.model import Model
from riyl.core.storage.snapshot import Snapshot
from riyl.index.artifact.version import Version
from riyl.index.versions.lifecycle import current, find_version, history
from riyl.training.config import load_config
from riyl.training.features.build import build_snapshot
from riyl.training.features.recipe import Recipe
from riyl.training.train import train
from tests.app.jobs.reindex import reindexed
from tests.conftest import made_up_run, small_world, write_tables
from tests.training.features.others import world_of_strangers


def test_every_step_run_twice_gives_what_it_gave(steps: Steps) -> None:
    frozen = steps.freeze(None, "test")
    assert steps.freeze(None, "test") == frozen
    model = steps.choose_model(None)["model"]
    placed = steps.featurize(frozen, model)
    assert steps.featurize(frozen, model) == placed
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


def test_the_current_versions_model_is_kept_and_a_newer_one_is_not_taken(steps: Steps) -> None:
    version = reindexed(steps)
    home = Home(steps.settings.home)
    newer = train(*load_config("random-projection"), Snapshot.open(next(home.snapshots.glob("[!.]*"))), home.models)
    assert steps.choose_model(None)["model"] != newer.id
    assert steps.choose_model(newer.id[:8])["model"] == newer.id
    assert current(home.versions) == version
    with pytest.raises(NotFoundError, match="model 'zzz' does not exist"):
        steps.choose_model("zzz")


def test_the_same_tables_need_no_new_snapshot_and_others_keep_the_basis(steps: Steps, tmp_path: Path) -> None:
    home = Home(steps.settings.home)
    model = steps.choose_model(None)["model"]
    same = steps.featurize(steps.freeze(None, "test"), model)["snapshot"]
    assert [path.name for path in home.snapshots.glob("[!.]*")] == [same]
    other = steps.freeze(str(small_world(tmp_path / "other", n=50)), "test")
    placed = Snapshot.open(home.snapshots / steps.featurize(other, model)["snapshot"])
    assert placed.id != same
    assert placed.featurizer_id == Snapshot.open(home.snapshots / same).featurizer_id
    assert placed.n_artists == 50


def test_a_night_that_would_lose_a_modality_fails(steps: Steps, tmp_path: Path) -> None:
    model = steps.choose_model(None)["model"]
    strangers = world_of_strangers(tmp_path / "strangers")
    with pytest.raises(MismatchError, match="no artist has audio, cf that the kept featurizer can use"):
        steps.featurize(steps.freeze(str(strangers), "test"), model)
    unplayed = small_world(tmp_path / "unplayed")
    (unplayed / "plays.parquet").unlink()
    with pytest.raises(MismatchError, match="no artist has cf that the kept featurizer can use"):
        steps.featurize(steps.freeze(str(unplayed), "test"), model)
    more = small_world(tmp_path / "more")
    write_tables(more, bio={"artist_id": ["a000"], "vector": [[1.0]]})
    with pytest.raises(MismatchError, match="the tables also have bio"):
        steps.featurize(steps.freeze(str(more), "test"), model)
    assert len(list(Home(steps.settings.home).snapshots.glob("[!.]*"))) == 1


def test_what_a_model_was_trained_without_may_stay_away(steps: Steps, tmp_path: Path) -> None:
    home = Home(steps.settings.home)
    snapshot = Snapshot.open(next(home.snapshots.glob("[!.]*")))
    strangers = Tables.open(world_of_strangers(tmp_path / "strangers"))
    partial = build_snapshot(strangers, Recipe(), home.snapshots, keep=snapshot)
    model = train("tags alone", load_config("single-tags")[1], partial, home.models)
    (strangers.folder / "plays.parquet").unlink()
    placed = steps.featurize(steps.freeze(str(strangers.folder), "test"), model.id)["snapshot"]
    assert list(Snapshot.open(home.snapshots / placed).modalities) == ["tags"]


def test_a_version_that_lost_its_artists_is_refused_and_the_verdict_written_down(steps: Steps, tmp_path: Path) -> None:
    version = reindexed(steps)
    small = steps.for_job("j2", steps.progress)
    frozen = small.freeze(str(small_world(tmp_path / "shrunk", n=20)), "test")
    model = small.choose_model(None)["model"]
    shrunk = small.build(model, small.featurize(frozen, model)["snapshot"])["version"]
    verdict = small.judge(shrunk)["verdict"]
    assert not verdict["passed"]
    failed = [check for check in verdict["checks"] if not check["passed"]]
    assert any(check["found"] == pytest.approx(19 / 59) for check in failed)  # the last artist of each has no input
    with pytest.raises(QualityCheckError, match="wanted at least 0.9"):
        small.promote(shrunk, verdict, "ann")
    assert current(Home(steps.settings.home).versions) == version
    with steps.database.read() as connection:
        stored_verdict = last_verdicts(connection)[shrunk]
        assert last_promotion(connection).version == version  # type: ignore[union-attr]
    assert (stored_verdict.passed, stored_verdict.compared_to, stored_verdict.job, stored_verdict.checks) == (
        False,
        version,
        "j2",
        verdict["checks"],
    )


def half_of_plays(plays: dict[str, list[object]]) -> None:
    for column in plays.values():
        del column[len(column) // 2 :]


def half_of_listeners_renamed(plays: dict[str, list[object]]) -> None:
    half = len(plays["user_id"]) // 2
    plays["user_id"][:half] = [f"other-{user}" for user in plays["user_id"][:half]]


@pytest.mark.parametrize(
    ("lose", "figure"), [(half_of_plays, "rows"), (half_of_listeners_renamed, "entries known to the featurizer")]
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
    frozen, model = later.freeze(str(tables), "test"), later.choose_model(None)["model"]
    new_version = later.build(model, later.featurize(frozen, model)["snapshot"])["version"]
    verdict = later.judge(new_version)["verdict"]
    message = (
        f"{figure} of table plays, .*: found 0.(498039|501961), wanted at least 0.8 .RIYL_QUALITY_MIN_TABLE_SHARE."
    )
    with pytest.raises(QualityCheckError, match=message):
        later.promote(new_version, verdict, "ann")
    assert current(Home(steps.settings.home).versions) == version
    lax = Settings(
        home=steps.settings.home, tables=steps.settings.tables, quality_min_table_share=0.4, quality_min_overlap=0
    )
    assert Steps(lax, steps.database, job="j3").judge(new_version)["verdict"]["passed"]


def test_the_recall_that_is_set_is_wanted_of_a_large_catalog(steps: Steps, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(riyl.index.artifact.ivf, "IVF_MIN_ARTISTS", 20)
    home = Home(steps.settings.home)
    steps = Steps(
        Settings(home=home.root, quality_min_recall=0.9, tables=steps.settings.tables), steps.database, job="j1"
    )
    version = Version.open(find_version(home.versions, reindexed(steps)))
    assert version.manifest["ivf"]["wanted"] == version.manifest["settings"]["recall"] == 0.9
    assert not list(home.versions.glob(".*.embedding"))  # the previous step kept it for the same version


def test_a_model_is_trained_on_several_relations(steps: Steps) -> None:
    home = Home(steps.settings.home)
    snapshot = steps.fit(steps.freeze(None, "test"))["snapshot"]
    ids = Snapshot.open(home.snapshots / snapshot).artist_ids[:40]
    near, far = (
        save_truth(
            home.truths,
            name,
            pa.table({"artist_id": ids[:-gap], "similar_id": ids[gap:]}),
            directed=False,
            source="test",
        )
        for name, gap in (("near", 1), ("far", 3))
    )
    params = TrainParams(supervision=["near", f"{far.id}=0.25"])
    model = Model.open(home.models / steps.train(params, snapshot)["model"])
    assert model.relations == {near.id: 1.0, far.id: 0.25}
    with pytest.raises(NotFoundError, match="there is no truth 'nothing'"):
        steps.train(TrainParams(supervision="nothing"), snapshot)


def test_an_evaluation_is_stored_once_under_its_job_however_often_it_runs(steps: Steps) -> None:
    home = Home(steps.settings.home)
    steps.featurize(steps.freeze(None, "test"), steps.choose_model(None)["model"])
    params = EvaluateParams(systems=["pca"], conditions=["raw"], k=5, rounds=10)
    for by in ("ann", "bob"):
        assert steps.evaluate(params, by) == {"evaluation": "j1"}
    (listed,) = list_evaluations(steps.database)
    assert (listed.id, listed.by, listed.k) == ("j1", "ann", 5)
    stored = find_evaluation(steps.database, "j1")
    assert stored is not None
    assert stored.request == params.model_dump(mode="json")
    assert [path.name for path in home.evaluations.iterdir()] == ["j1"]
    assert EvaluationFiles.open(home.evaluations / "j1").figures() == stored.figures


def test_stored_embeddings_are_a_system_of_an_evaluation(steps: Steps) -> None:
    home = Home(steps.settings.home)
    snapshot = steps.featurize(steps.freeze(None, "test"), steps.choose_model(None)["model"])["snapshot"]
    ids = list(Snapshot.open(home.snapshots / snapshot).artist_ids)
    vectors = np.tile(np.array([[0.6, 0.8]], np.float32), (len(ids), 1))
    stored = save_embeddings(home.embeddings, "gnn", ExternalEmbeddings(ids, vectors, None), source="gnn.npy")
    params = EvaluateParams(systems=["pca"], embeddings=["gnn"], bias=["none"], conditions=["raw"], k=5, rounds=10)
    assert steps.evaluate(params, "ann") == {"evaluation": "j1"}
    run = find_evaluation(steps.database, "j1")
    assert run is not None
    assert run.request["embeddings"] == ["gnn"]
    assert f"--embeddings gnn=stored:{stored.id}" in run.figures["command"]
    (external,) = run.figures["external"]
    assert (external["source"], external["history"]) == (f"stored:{stored.id}", "unknown")
    assert {"pca", "gnn"} <= {row["system"] for row in run.figures["results"]}


def test_an_evaluation_whose_files_are_there_gets_the_row_that_they_need(steps: Steps) -> None:
    home = Home(steps.settings.home)
    steps.featurize(steps.freeze(None, "test"), steps.choose_model(None)["model"])
    before = made_up_run({("raw", "mine"): {"a": 0.5}})  # as if the worker had died between the two
    save_evaluation(home.evaluations, "j1", **before)
    steps.evaluate(EvaluateParams(systems=["pca"], conditions=["raw"], k=5, rounds=10), "ann")
    stored = find_evaluation(steps.database, "j1")
    assert stored is not None
    assert stored.figures == before["figures"]


def test_an_evaluation_that_fails_leaves_neither_files_nor_a_row(steps: Steps) -> None:
    steps.featurize(steps.freeze(None, "test"), steps.choose_model(None)["model"])
    with pytest.raises(NotFoundError, match="there is no truth 'none'"):
        steps.evaluate(EvaluateParams(truth="none"), "ann")
    assert list_evaluations(steps.database) == []
    assert not Home(steps.settings.home).evaluations.exists()


def test_a_worker_takes_one_thread_unless_it_is_told_otherwise() -> None:
    assert worker_threads(Settings()) == 1
    assert worker_threads(Settings(threads=1)) == 1


def test_a_reindex_and_a_fit_say_what_became_of_rows(steps: Steps) -> None:
    frozen = steps.freeze(None, "test")
    placed, fitted = steps.featurize(frozen, steps.choose_model(None)["model"]), steps.fit(frozen)
    for rows in (placed["rows"], fitted["rows"]):
        assert sorted(rows) == ["artists", "audio", "plays", "similar", "tags"]
        assert all(each["read"] == each["kept"] + sum(each["skipped"].values()) for each in rows.values())
