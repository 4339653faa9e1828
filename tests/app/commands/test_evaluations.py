from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from riyl.app.cli import app
from riyl.app.evaluations.store import store
from riyl.core.catalog.tables import Tables
from riyl.core.db.evaluations import list_evaluations
from riyl.core.db.session import Database
from riyl.core.errors import FormatError, MismatchError, NotFoundError
from riyl.core.settings import Home, Settings
from riyl.training.features.build import build_snapshot, import_similar
from tests.app.conftest import as_json, flip_a_byte, riyl
from tests.conftest import SMALL_RECIPE, made_up_run, small_world


def database(home: Home) -> Database:
    return Database.of(Settings(home=home.root))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Create a home with the evaluations aa1 and ab2 of one ground truth, and ab3 of another."""
    home, scores = Home(tmp_path), {"a": 0.5, "b": 0.0, "c": 1.0}
    runs = {
        "aa1": made_up_run({("raw", "mine"): scores, ("fmc", "mine"): scores}, version="5f2a9c0e41d7b386"),
        "ab2": made_up_run({("raw", "pca"): {**scores, "a": 0.25}, ("raw", "noise"): {"x": 0.0}}),
        "ab3": made_up_run({("raw", "mine"): scores}, truth="ff" * 8),
    }
    for identity, run in runs.items():
        store(home, database(home), identity, {"k": 10}, by="ann", **run)
    return home


def test_they_are_listed_for_people_and_for_programs(home: Home) -> None:
    output = as_json(home, "evaluations", "list")
    assert [each["id"] for each in output] == ["ab3", "ab2", "aa1"]
    assert (output[1]["by"], output[1]["k"], output[1]["summary"][0]["system"]) == ("ann", 10, "pca")
    table = riyl(home, "evaluations", "list").stdout
    assert "raw 0.5000, fmc 0.5000" in table  # (0.5 + 0 + 1) / 3
    for options, wanted in (
        (["--limit", "1"], ["ab3"]),
        (["--truth", "ff" * 8], ["ab3"]),
        (["--version", "5f2a"], ["aa1"]),
        (["--truth", "none"], []),
    ):
        assert [each["id"] for each in as_json(home, "evaluations", "list", *options)] == wanted


def test_one_is_shown_by_how_its_id_begins(home: Home) -> None:
    output = as_json(home, "evaluations", "show", "aa")
    assert (output["id"], output["files"], output["request"], output["figures"]["k"]) == ("aa1", True, {"k": 10}, 10)
    printed = riyl(home, "evaluations", "show", "aa1").stdout
    assert "fmc: 3 queries" in printed
    assert printed.splitlines()[4].split() == ["mine", "0.5000", "0.3750", "0.6250", "0.2500", "0.7500"]
    assert str(home.evaluations / "aa1") in printed
    with pytest.raises(NotFoundError, match="evaluation 'ab' is ambiguous: ab2, ab3"):
        riyl(home, "evaluations", "show", "ab")
    (home.evaluations / "aa1").rename(home.evaluations / "elsewhere")
    assert "not in this home" in riyl(home, "evaluations", "show", "aa1").stdout


def test_two_are_compared(home: Home) -> None:
    output = as_json(home, "evaluations", "compare", "aa1", "ab2")
    assert (output["a"], output["b"]) == ({"id": "aa1", "system": "mine"}, {"id": "ab2", "system": "pca"})
    (raw,) = output["conditions"]
    assert (raw["common"], raw["difference"]) == (3, pytest.approx(0.25 / 3))
    assert raw["gained"] == [{"artist_id": "a", "a": 0.5, "b": 0.25}]
    shown = riyl(home, "evaluations", "compare", "aa", "ab2").stdout.splitlines()[-1].split()
    assert shown[:6] == ["raw", "3", "0,", "0", "0.5000", "0.4167"]
    assert shown[6] == "+0.0833"
    (apart,) = as_json(home, "evaluations", "compare", "aa1", "ab2", "--system-b", "noise")["conditions"]
    assert (apart["common"], apart["only_a"], apart["only_b"], apart["difference"]) == (0, 3, 1, None)
    assert "raw" in riyl(home, "evaluations", "compare", "aa1", "ab2", "--system-b", "noise").stdout


def test_what_cannot_be_compared_says_why(home: Home) -> None:
    with pytest.raises(MismatchError, match="'aa1' and 'ab3': found truth 0123456789abcdef and ffffffffffffffff"):
        riyl(home, "evaluations", "compare", "aa1", "ab3")
    with pytest.raises(NotFoundError, match="'ab2': found no system 'x'; wanted one of pca, noise"):
        riyl(home, "evaluations", "compare", "aa1", "ab2", "--system-b", "x")
    flip_a_byte(home.evaluations / "aa1" / "queries.parquet")
    with pytest.raises(FormatError, match="damaged"):
        riyl(home, "evaluations", "compare", "aa1", "ab2")


def test_evaluate_stores_its_run_unless_told_not_to(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    tables = Tables.open(small_world(tmp_path / "tables"))
    build_snapshot(tables, SMALL_RECIPE, home.snapshots)
    import_similar(tables, home.truths)
    arguments = ["evaluate", "--systems", "pca", "--conditions", "raw", "-k", "5", "--rounds", "10"]
    riyl(home, *arguments, "--no-store")
    assert list_evaluations(database(home)) == []
    assert not home.evaluations.exists()
    printed = riyl(home, *arguments).stdout
    (listed,) = list_evaluations(database(home))
    assert f"stored as evaluation {listed.id}" in printed
    assert (len(listed.id), listed.by, listed.k) == (32, "command line", 5)
    output = as_json(home, "evaluations", "show", listed.id)
    assert (output["request"]["systems"], output["files"]) == (["pca"], True)
    assert output["figures"] == as_json(home, *arguments)
    assert len(list_evaluations(database(home))) == 2


def test_a_stored_evaluation_shows_its_first_lists_and_one_of_an_earlier_release_has_none(home: Home) -> None:
    assert "first lists" not in riyl(home, "evaluations", "show", "aa1").stdout
    run = made_up_run({("raw", "mine"): {"a": 0.5}, ("raw", "pca"): {"a": 0.25}}, k=20)
    at_ten = {"condition": "raw", "depth": 10, "ndcg": 0.5, "gini": 0.25, "never_retrieved": 0.125}
    minus = {"difference": -0.25, "difference_low": -0.5, "difference_high": 0.0}
    run["figures"]["depths"] = [{**at_ten, "system": "mine"}, {**at_ten, **minus, "system": "pca"}]
    store(home, database(home), "ab9", {"k": 20}, by="ann", **run)
    printed = riyl(home, "evaluations", "show", "ab9").stdout
    mine, pca = printed[printed.index("first lists of raw") :].splitlines()[3:5]
    assert mine.split() == ["mine", "0.5000", "0.2500", "12.5%"]
    assert pca.split() == ["pca", "0.5000", "-0.2500", "[-0.5000,", "+0.0000]", "0.2500", "12.5%"]


def test_an_evaluation_that_cannot_be_stored_does_not_begin(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, database_url="postgresql://riyl@127.0.0.1:1/riyl")  # type: ignore[arg-type]
    done = CliRunner().invoke(
        app,
        ["--home", str(tmp_path), "evaluate"],
        env={"RIYL_DATABASE_URL": settings.database_url.get_secret_value()},  # type: ignore[union-attr]
    )
    assert "the database cannot be reached" in str(done.exception)
