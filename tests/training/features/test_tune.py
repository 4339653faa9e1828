from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from riyl.app.cli import app
from riyl.core.catalog.tables import Tables
from riyl.core.errors import ConfigError, FormatError, InputError
from riyl.core.storage.snapshot import Snapshot
from riyl.training.features.build import build_snapshot
from riyl.training.features.recipe import CfRecipe, Recipe
from riyl.training.features.tune import RANDOM_TRIALS, SPACE, Tuning, tune_cf
from tests.conftest import REPOSITORY, write_tables
from tests.training.features.scenes import write_scenes

OWN = Recipe(cf=CfRecipe(factors=8, regularization=500.0, iterations=6))
TRIALS = RANDOM_TRIALS + 3


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    return Tables.open(write_scenes(tmp_path_factory.mktemp("scenes") / "tables"))


@pytest.fixture(scope="module")
def tuning(tables: Tables, tmp_path_factory: pytest.TempPathFactory) -> Tuning:
    return tune_cf(tables, OWN, tmp_path_factory.mktemp("tunings"), trials=TRIALS)


def test_a_penalty_that_shrinks_all_to_nothing_is_left_behind(tuning: Tuning) -> None:
    # a scene becomes one direction: its 20 artists but the 8 kept tie, so both validation artists have rank 12
    assert tuning.trials[0].score == pytest.approx(2 / np.log2(13) / (1 + 1 / np.log2(3)))
    assert tuning.best.score > 0.45
    assert tuning.recipe.cf.regularization < 100 * tuning.recipe.cf.alpha


def test_the_first_trial_is_the_recipes_own_and_the_best_is_never_below_it(tuning: Tuning, tables: Tables) -> None:
    assert tuning.trials[0].values == {"regularization": 500.0, "alpha": 1.0, "iterations": 6}
    assert tuning.best.score == max(trial.score for trial in tuning.trials) >= tuning.trials[0].score
    assert tuning.recipe.cf == OWN.cf.model_copy(update=tuning.best.values)
    assert (tuning.recipe.tags, tuning.recipe.seed) == (OWN.tags, OWN.seed)


def test_every_value_is_in_its_range_in_three_digits(tuning: Tuning) -> None:
    for trial in tuning.trials:
        for name, value in trial.values.items():
            assert SPACE[name].low <= value <= SPACE[name].high
            assert float(f"{value:.3g}") == value
        assert isinstance(trial.values["iterations"], int)


def test_a_search_repeats_and_a_longer_one_begins_with_a_shorter_one(
    tuning: Tuning, tables: Tables, tmp_path: Path
) -> None:
    short = tune_cf(tables, OWN, tmp_path, trials=2)
    assert tune_cf(tables, OWN, tmp_path, trials=TRIALS) == tuning
    assert tune_cf(tables, OWN, tmp_path, trials=2) == short
    assert list(tuning.trials[:2]) == list(short.trials)


def test_another_seed_is_another_search(tuning: Tuning, tables: Tables, tmp_path: Path) -> None:
    other = tune_cf(tables, OWN.model_copy(update={"seed": 1}), tmp_path, trials=2)
    assert other.id != tuning.id
    assert other.trials[1].values != tuning.trials[1].values


@pytest.mark.parametrize("after", [3, RANDOM_TRIALS + 1])
def test_a_search_that_was_killed_goes_on_to_the_same_trials(
    after: int, tuning: Tuning, tables: Tables, tmp_path: Path
) -> None:
    child = f"""
import os, signal
from pathlib import Path
from riyl.core.catalog.tables import Tables
from riyl.training.features.recipe import Recipe
from riyl.training.features.tune import tune_cf

def kill(step, done, total):
    if step == "tune cf" and done == {after}:
        os.kill(os.getpid(), signal.SIGKILL)

recipe = Recipe.model_validate_json({OWN.model_dump_json()!r})
tune_cf(Tables.open(Path({str(tables.folder)!r})), recipe, Path({str(tmp_path)!r}), trials={TRIALS}, progress=kill)
"""
    done = subprocess.run([sys.executable, "-c", child], check=False, cwd=REPOSITORY)
    assert done.returncode == -signal.SIGKILL
    assert len(json.loads((tmp_path / f"{tuning.id}.json").read_text())["trials"]) == after
    assert tune_cf(tables, OWN, tmp_path, trials=TRIALS) == tuning


def test_stored_trials_are_not_made_again(tables: Tables, tmp_path: Path) -> None:
    tuning = tune_cf(tables, OWN, tmp_path, trials=1)
    path = tmp_path / f"{tuning.id}.json"
    stored = json.loads(path.read_text())
    stored["trials"][0]["score"] = 0.125
    path.write_text(json.dumps(stored))
    assert tune_cf(tables, OWN, tmp_path, trials=1).trials[0].score == 0.125


def test_a_value_outside_the_range_widens_it(tables: Tables, tmp_path: Path) -> None:
    recipe = Recipe(cf=CfRecipe(factors=8, regularization=0.0012345, alpha=321.0, iterations=1))
    tuning = tune_cf(tables, recipe, tmp_path, trials=RANDOM_TRIALS + 1)
    assert tuning.trials[0].values == {"regularization": 0.0012345, "alpha": 321.0, "iterations": 1}


def test_a_fit_that_breaks_down_has_no_score(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rng = np.random.default_rng(0)
    ids: list[object] = [f"a{i}" for i in range(30)]
    pairs = [(u, a) for u in range(20) for a in rng.permutation(30)[:8]]
    plays: dict[str, list[object]] = {
        "user_id": [f"u{u}" for u, _ in pairs],
        "artist_id": [f"a{a}" for _, a in pairs],
        "count": [10**10] * len(pairs),
    }
    folder = write_tables(tmp_path / "t", artists={"artist_id": ids, "name": ids}, plays=plays)
    recipe = Recipe(cf=CfRecipe(counts="raw", regularization=0.01, alpha=100.0, factors=16))
    assert tune_cf(Tables.open(folder), recipe, tmp_path, trials=1).trials[0].score == 0.0
    assert "cf_fit_failed" in caplog.text


def test_the_snapshot_is_that_of_the_chosen_values_with_the_trials_sealed_in(
    tuning: Tuning, tables: Tables, tmp_path: Path
) -> None:
    tuned = build_snapshot(tables, tuning.recipe, tmp_path / "tuned", tuning=tuning.record())
    plain = build_snapshot(tables, tuning.recipe, tmp_path / "plain")
    assert (tuned.id, tuned.featurizer_id) == (plain.id, plain.featurizer_id)
    np.testing.assert_array_equal(tuned.modalities["cf"].vectors, plain.modalities["cf"].vectors)
    stored = json.loads((Snapshot.open(tuned.folder, verify=True).folder / "tuning.json").read_text())
    assert tuned.manifest["files"].keys() - plain.manifest["files"].keys() == {"tuning.json"}
    assert (stored["id"], stored["best"]) == (tuning.id, tuning.best.number)
    assert stored["trials"] == [asdict(trial) for trial in tuning.trials]


def test_the_block_of_listeners_is_neither_searched_nor_lost(tables: Tables, tmp_path: Path) -> None:
    bare = OWN.model_copy(update={"cf": OWN.cf.model_copy(update={"listener_factors": 0})})
    with_block, without = (tune_cf(tables, recipe, tmp_path, trials=1) for recipe in (OWN, bare))
    assert with_block.id == without.id
    assert (with_block.recipe.cf.listener_factors, without.recipe.cf.listener_factors) == (150, 0)
    assert list(build_snapshot(tables, with_block.recipe, tmp_path / "s").modalities["cf"].blocks) == ["listeners"]


def test_without_plays_there_is_nothing_to_tune(tmp_path: Path) -> None:
    folder = write_tables(tmp_path / "t", artists={"artist_id": ["a"], "name": ["A"]})
    with pytest.raises(InputError, match="found no plays table; wanted one to tune cf on"):
        tune_cf(Tables.open(folder), Recipe(), tmp_path, trials=1)


def test_fewer_than_one_trial_are_refused(tables: Tables, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="trials: found 0; wanted at least 1"):
        tune_cf(tables, OWN, tmp_path, trials=0)


@pytest.mark.parametrize("damage", ["{", '{"format": 1}', '{"format": 9, "trials": []}'])
def test_damaged_or_newer_trials_are_refused(damage: str, tables: Tables, tmp_path: Path) -> None:
    tuning = tune_cf(tables, OWN, tmp_path, trials=1)
    (tmp_path / f"{tuning.id}.json").write_text(damage)
    with pytest.raises(FormatError, match="damaged trials|found tuning format 9"):
        tune_cf(tables, OWN, tmp_path, trials=1)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def test_the_command_says_what_was_gained_and_finds_the_snapshot_again(tables: Tables, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text("[cf]\nfactors = 8\nregularization = 500.0\niterations = 6\n")
    home = ("--home", str(tmp_path / "home"))
    build = ("snapshot", "build", str(tables.folder), "--features", str(recipe))
    tune = ("--tune", "cf", "--trials", str(TRIALS))
    output = run(*home, *build, *tune).output
    assert f"best of {TRIALS} trials is" in output
    assert "with the recipe's own values 0.3314 (+" in output
    again = json.loads(run(*home, "--json", *build, *tune).output)
    best = again["tuning"]["trials"][again["tuning"]["best"]]["values"]
    assert again["recipe"]["cf"] == {**CfRecipe(factors=8).model_dump(), **best}
    recipe.write_text("[cf]\nfactors = 8\n" + "".join(f"{name} = {value}\n" for name, value in best.items()))
    assert json.loads(run(*home, "--json", *build).output)["id"] == again["id"]


def test_where_nothing_is_better_the_recipe_stays_and_its_snapshot_is_left_as_it_is(
    tables: Tables, tmp_path: Path
) -> None:
    arguments = ("--home", str(tmp_path), "snapshot", "build", str(tables.folder))
    run(*arguments)
    before = {path: path.read_bytes() for path in tmp_path.glob("snapshots/*/*.json")}
    output = run(*arguments, "--tune", "cf", "--trials", "1").output
    assert "cf: none of 1 trials exceeds the recipe's values" in output
    assert "this snapshot existed already" in output
    assert {path: path.read_bytes() for path in tmp_path.glob("snapshots/*/*.json")} == before


@pytest.mark.parametrize("wrong", [("tags",), ("cf", "--trials", "0"), ("cf", "--featurizer-from", "x")])
def test_misuse_of_tuning_is_exit_2(wrong: tuple[str, ...], tables: Tables, tmp_path: Path) -> None:
    assert run("--home", str(tmp_path), "snapshot", "build", str(tables.folder), "--tune", *wrong).exit_code == 2
