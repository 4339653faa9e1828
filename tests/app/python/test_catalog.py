from __future__ import annotations

import inspect
import shlex
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

import riyl
from riyl.app.evaluations import store
from riyl.app.evaluations.question import Question
from riyl.app.python.catalog import Catalog
from riyl.core.errors import InputError, NotFoundError, OutdatedError, SettingsError
from riyl.core.settings import Home
from riyl.core.storage.model import Model
from riyl.core.storage.snapshot import Snapshot
from riyl.evaluation.systems import fuse, model_parts
from riyl.index.artifact.version import Version
from riyl.index.versions.lifecycle import current
from riyl.training.config import load_config
from riyl.training.train import train
from tests.app.conftest import as_json, database, flip_a_byte
from tests.app.python.frames import rows_of


def only(folder: Path) -> str:
    """Return the name of the only entry of a folder of immutable folders."""
    (entry,) = (path.name for path in folder.glob("[!.]*") if path.is_dir())
    return entry


def test_the_home_is_the_one_of_the_command_line(bench: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIYL_HOME", str(bench.root))
    assert riyl.open(backend="pyarrow").home == bench
    monkeypatch.delenv("RIYL_HOME")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotFoundError, match=r"/riyl-home: found no such folder; wanted a home of RIYL, as `riyl"):
        riyl.open()
    (tmp_path / "riyl-home").mkdir()
    assert riyl.open().home.root == tmp_path / "riyl-home"
    assert repr(riyl.open("riyl-home", backend="pandas")) == f"<Catalog {tmp_path / 'riyl-home'}, frames of pandas>"


def test_what_cannot_be_opened_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotFoundError, match="none: found no such folder"):
        riyl.open(tmp_path / "none")
    with pytest.raises(InputError, match="backend: found 'excel'; wanted polars, pandas or pyarrow"):
        riyl.open(tmp_path, backend="excel")
    (tmp_path / "fixed").mkdir()
    with pytest.raises(OutdatedError, match="rename with: riyl db upgrade"):
        riyl.open(tmp_path)
    monkeypatch.setenv("RIYL_THREADS", "many")
    with pytest.raises(SettingsError, match="RIYL_THREADS"):
        riyl.open(tmp_path)


def test_the_lists_are_those_of_the_command_line(bench: Home, catalog: Catalog) -> None:
    (snapshot,) = rows_of(catalog.snapshots())
    (listed,) = as_json(bench, "snapshot", "list")
    assert snapshot == {
        "id": listed["id"],
        "artists": 60,
        "modalities": "audio+cf+tags",
        "featurizer": listed["featurizer"],
        "unreadable": None,
    }
    models = {row["id"]: row for row in rows_of(catalog.models())}
    wanted = as_json(bench, "models", "list")
    assert [{**row, "trained_at": row["trained_at"].isoformat()[:19]} for row in models.values()] == [
        {**row, "trained_at": row["trained_at"][:19], "unreadable": None} for row in wanted
    ]
    (version,) = rows_of(catalog.versions())
    (listed,) = as_json(bench, "index", "list")
    assert version == {
        **{name: listed[name] for name in ("id", "model", "model_name", "snapshot")},
        "artists": 60,
        "embedded": 59,
        "passed": listed["quality_checks"]["passed"],
        "current": True,
        "unreadable": None,
    }
    (truth,) = rows_of(catalog.truths())
    (listed,) = as_json(bench, "truth", "list")
    assert (truth["id"], truth["name"], truth["pairs"]) == (listed["id"], "similar", listed["counts"]["pairs"])


def test_damaged_folders_are_listed_with_the_reason(copied: Callable[[], Home]) -> None:
    home = copied()
    catalog = riyl.open(home.root, backend="pyarrow")
    for folder, manifest, frame in (
        (home.snapshots, "manifest.json", catalog.snapshots),
        (home.models, "card.json", catalog.models),
        (home.versions, "manifest.json", catalog.versions),
        (home.truths, "manifest.json", catalog.truths),
    ):
        id = rows_of(frame())[0]["id"]
        (folder / id / manifest).write_text("{")
        row = (
            rows_of(frame())[0]
            if manifest == "manifest.json"
            else next(row for row in rows_of(frame()) if row["id"] == id)
        )
        assert row["id"] == id
        assert manifest in row["unreadable"]


def test_lists_of_an_empty_home_are_empty(tmp_path: Path) -> None:
    catalog = riyl.open(tmp_path, backend="polars")
    for frame in (catalog.snapshots(), catalog.models(), catalog.versions(), catalog.truths()):
        assert frame.height == 0
        assert "id" in frame.columns
    for act in (catalog.snapshot, catalog.model, catalog.version, catalog.truth, lambda: catalog.similar("x")):
        with pytest.raises(NotFoundError):
            act()
    assert list(tmp_path.iterdir()) == []  # reading creates nothing


def test_the_newest_is_first(copied: Callable[[], Home]) -> None:
    home = copied()
    snapshot = Snapshot.open(home.snapshots / only(home.snapshots))
    newer = train("newer", load_config("random-projection")[1], snapshot, home.models)
    catalog = riyl.open(home.root, backend="pyarrow")
    assert [row["name"] for row in rows_of(catalog.models())][:2] == ["newer", "mine"]
    assert [row["current"] for row in rows_of(catalog.models())][:2] == [False, True]
    assert catalog.model().id == newer.id


def test_parts_of_the_home_are_opened_by_name_or_id(bench: Home, catalog: Catalog) -> None:
    snapshot, version, model = catalog.snapshot(), catalog.version(), catalog.model("mine")
    assert isinstance(snapshot, Snapshot)
    assert isinstance(model, Model)
    assert isinstance(version, Version)
    assert (snapshot.id, version.id) == (only(bench.snapshots), current(bench.versions))
    assert catalog.snapshot(snapshot.id[:6]).id == snapshot.id
    assert catalog.version(version.id[:6]).id == version.id
    assert catalog.model(model.id).id == model.id == version.manifest["model"]
    assert catalog.truth().id == catalog.truth("similar").id
    with pytest.raises(NotFoundError, match="model 'hers' does not exist; there are: "):
        catalog.model("hers")


def test_artists_are_those_of_the_snapshot(catalog: Catalog) -> None:
    rows = {row["artist_id"]: row for row in rows_of(catalog.artists())}
    assert list(rows) == [f"a{i:03d}" for i in range(60)]
    assert (rows["a001"]["name"], rows["a001"]["year"]) == ("Radiohead", 1986)


def test_the_parameters_are_the_fields_of_a_question(catalog: Catalog) -> None:
    parameters = inspect.signature(catalog.evaluate).parameters
    defaults = {each.name: vars(Question())[each.name] for each in fields(Question)}
    assert {name: each.default for name, each in parameters.items() if name in defaults} == defaults
    assert next(iter(parameters)) == "systems"
    assert parameters.keys() - defaults.keys() == {"store", "progress"}


def test_an_unknown_keyword_names_the_nearest(catalog: Catalog) -> None:
    with pytest.raises(InputError, match=r"^evaluate: found the keyword 'condition'; wanted 'conditions'$"):
        catalog.evaluate(condition="raw")
    with pytest.raises(InputError, match=r"^evaluate: found the keyword 'zzz'; wanted one of "):
        catalog.evaluate(zzz=1)
    with pytest.raises(NotFoundError, match="there is no truth 'editorial'"):
        catalog.evaluate("pca", truth="editorial")


def test_an_evaluation_is_stored_where_it_is_asked_for(copied: Callable[[], Home]) -> None:
    home = copied()
    parameters: dict[str, Any] = {"conditions": ["raw"], "k": 5, "rounds": 5}
    evaluation = riyl.open(home.root, backend="pyarrow").evaluate("pca", store=True, **parameters)
    assert evaluation.id is not None
    stored = store.stored(database(home), evaluation.id)
    assert (stored.figures, stored.outline.by) == (evaluation.record, "python")
    assert stored.request["systems"] == ["pca"]
    assert store.files_of(home, evaluation.id).report() == evaluation.evaluated.report


def test_progress_is_told(catalog: Catalog) -> None:
    steps: list[str] = []
    catalog.evaluate("mine", conditions=["raw"], k=5, rounds=5, progress=lambda step, done, total: steps.append(step))
    assert any(step.startswith("raw, mine: ") for step in steps)


def test_a_damaged_version_is_refused(copied: Callable[[], Home]) -> None:
    home = copied()
    version = riyl.open(home.root).version()
    flip_a_byte(version.folder / "names" / next(iter(sorted(p.name for p in (version.folder / "names").iterdir()))))
    with pytest.raises(riyl.core.errors.FormatError):
        riyl.open(home.root).similar("a001")


def test_numbers_that_are_too_small_are_refused(catalog: Catalog) -> None:
    for name, value, least in (("k", 0, 1), ("rounds", 0, 1), ("seeds", 0, 1), ("seed", -1, 0)):
        with pytest.raises(InputError, match=rf"^{name}: found {value}; wanted at least {least}$"):
            catalog.evaluate("pca", **{name: value})


@pytest.mark.parametrize("form", ["matrix", "parts"])
def test_embeddings_in_memory_have_the_figures_of_the_model_that_made_them(
    copied: Callable[[], Home], form: str
) -> None:
    home = copied()
    catalog = riyl.open(home.root, backend="pyarrow")
    snapshot = catalog.snapshot()
    parts = model_parts(catalog.model("mine"), snapshot)
    arrays = dict(parts) if form == "parts" else fuse(parts)[0]
    parameters: dict[str, Any] = {"conditions": ["raw", "fmc", "groups"], "k": 10, "rounds": 10, "bias": "none"}
    evaluation = catalog.evaluate("mine", embeddings={"gnn": (snapshot.artist_ids, arrays)}, **parameters)
    for frame in (evaluation.results, evaluation.popularity, *([evaluation.groups] if form == "parts" else [])):
        mine, gnn = (
            [{**row, "system": None} for row in rows_of(frame) if row["system"] == name] for name in ("mine", "gnn")
        )
        assert mine == gnn
        assert mine
    assert " --embeddings gnn=stored:" in evaluation.record["command"]
    assert [row["name"] for row in rows_of(evaluation.systems)] == ["mine", "gnn", "noise", "popularity"]
    (external,) = (word for word in shlex.split(evaluation.record["command"]) if word.startswith("gnn="))
    again = catalog.evaluate("mine", embeddings={"gnn": external.removeprefix("gnn=")}, **parameters)
    assert again.record == evaluation.record
