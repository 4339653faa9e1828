from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from matplotlib.figure import Figure

import riyl
from riyl.app.evaluations.question import Question
from riyl.app.evaluations.run import run_evaluation
from riyl.app.python.catalog import Catalog
from riyl.app.python.evaluation import Evaluation
from riyl.app.python.frames import BACKENDS, Backend
from riyl.core.errors import InputError
from riyl.core.settings import Home
from tests.app.python.frames import columns_of, rows_of

PARAMETERS: dict[str, Any] = {"systems": ["mine", "single-cf"], "k": 10, "rounds": 20, "seed": 3}
CONDITIONS = ["raw", "fmc", "groups"]


@pytest.fixture(scope="module")
def evaluation(bench: Home) -> Evaluation:
    return riyl.open(bench.root, backend="pyarrow").evaluate(**PARAMETERS, conditions=CONDITIONS)


def under(evaluation: Evaluation, backend: Backend) -> Evaluation:
    return Evaluation(evaluation.evaluated, backend)


def without_nulls(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value is not None}


def test_the_figures_are_those_of_the_command_line(bench: Home, evaluation: Evaluation) -> None:
    assert evaluation.record == run_evaluation(bench, Question(**PARAMETERS, conditions=CONDITIONS)).figures
    assert (evaluation.id, evaluation.record["command"]) == (
        None,
        "riyl evaluate --systems mine,single-cf --conditions raw,fmc,groups -k 10 --rounds 20 --seed 3",
    )


@pytest.mark.parametrize("backend", BACKENDS)
def test_results_and_differences_are_the_rows_of_the_record(evaluation: Evaluation, backend: Backend) -> None:
    frames = under(evaluation, backend)
    for name in ("results", "differences"):
        assert rows_of(getattr(frames, name)) == frames.record[name]
    assert len(frames.record["results"]) == 2 * 4  # in raw and fmc: two systems, noise and popularity


@pytest.mark.parametrize("backend", BACKENDS)
def test_depths_are_the_rows_of_the_record(bench: Home, evaluation: Evaluation, backend: Backend) -> None:
    deeper = riyl.open(bench.root, backend=backend).evaluate(**{**PARAMETERS, "k": 20}, conditions=["raw"])
    assert rows_of(deeper.depths) == deeper.record["depths"]
    assert [(row["system"], row["depth"]) for row in deeper.record["depths"]] == [
        (system, 10) for system in ("mine", "single-cf", "noise", "popularity")
    ]
    none = under(evaluation, backend).depths
    assert rows_of(none) == []
    assert columns_of(none) == columns_of(deeper.depths)


@pytest.mark.parametrize("backend", BACKENDS)
def test_systems_are_those_of_the_record(evaluation: Evaluation, backend: Backend) -> None:
    rows = rows_of(under(evaluation, backend).systems)
    assert [(row["name"], row["role"], row["seed"]) for row in rows] == [
        ("mine", "system", 5),
        ("single-cf", "system", 3),
        ("noise", "floor", None),
        ("popularity", "floor", None),
    ]


@pytest.mark.parametrize("backend", BACKENDS)
def test_groups_have_mean_and_deviation(evaluation: Evaluation, backend: Backend) -> None:
    rows = rows_of(under(evaluation, backend).groups)
    groups = evaluation.record["groups"]
    assert [(row["condition"], row["system"]) for row in rows] == [(g["condition"], g["system"]) for g in groups]
    assert [row["system"] for row in rows] == ["mine", "single-cf", "noise"]
    for row, group in zip(rows, groups, strict=True):
        assert row["groupings"] == len(group["groupings"])
        for name in ("entropy", "ndcg", "ndcg_own"):
            assert (row[name], row[f"{name}_deviation"]) == (group[name]["mean"], group[name]["deviation"])


@pytest.mark.parametrize("backend", BACKENDS)
def test_group_shares_are_the_matrices(evaluation: Evaluation, backend: Backend) -> None:
    rows = rows_of(under(evaluation, backend).group_shares)
    shares = {(r["system"], r["query_group"], r["neighbour_group"]): r["share"] for r in rows}
    (mine,) = (group for group in evaluation.record["groups"] if group["system"] == "mine")
    at, to = mine["subsets"].index(["audio", "tags"]), mine["subsets"].index(["cf"])
    assert shares["mine", "audio+tags", "cf"] == mine["shares"][at][to]
    assert len(rows) == 3 * len(mine["subsets"]) ** 2


@pytest.mark.parametrize("backend", BACKENDS)
def test_popularity_has_a_row_for_each_group_of_queries(evaluation: Evaluation, backend: Backend) -> None:
    rows = rows_of(under(evaluation, backend).popularity)
    wanted = [
        {name: table[name] for name in ("condition", "system", "by")} | {"reference_system": table["reference"]} | row
        for table in evaluation.record["popularity"]
        for row in table["rows"]
    ]
    assert rows == wanted
    assert {row["reference_system"] for row in rows} == {"single-cf"}


@pytest.mark.parametrize("backend", BACKENDS)
def test_queries_have_the_measures_whose_mean_is_the_result(evaluation: Evaluation, backend: Backend) -> None:
    frame = under(evaluation, backend).queries
    measures = ["ndcg", "precision", "recall", "r_precision", "ndcg_10", "ndcg_50"]
    assert columns_of(frame) == ["condition", "system", "artist_id", *measures]
    rows = rows_of(frame)
    for result in evaluation.record["results"]:
        of = [r for r in rows if (r["condition"], r["system"]) == (result["condition"], result["system"])]
        assert len(of) == result["queries"]
        for name in ("ndcg", "precision"):
            assert sum(row[name] for row in of) / len(of) == pytest.approx(result[name], abs=1e-12)


@pytest.mark.parametrize("backend", BACKENDS)
def test_lists_are_those_that_are_stored(evaluation: Evaluation, backend: Backend) -> None:
    rows = rows_of(under(evaluation, backend).lists("single-cf", "raw"))
    lists: dict[str, list[str]] = {}
    for row in rows:
        lists.setdefault(row["artist_id"], []).append(row["similar_id"])
        assert row["rank"] == len(lists[row["artist_id"]])
    stored = [
        row
        for row in evaluation.evaluated.queries.to_pylist()
        if (row["condition"], row["system"]) == ("raw", "single-cf")
    ]
    assert lists == {row["artist_id"]: row["retrieved"] for row in stored if row["retrieved"]}
    assert any(not row["retrieved"] for row in stored)  # an artist without plays
    first = under(evaluation, backend).lists("mine")
    assert rows_of(first) == rows_of(under(evaluation, backend).lists("mine", "raw"))


def test_lists_of_nothing_measured_are_refused(evaluation: Evaluation) -> None:
    with pytest.raises(InputError, match=r"^system: found 'her'; wanted one of mine, single-cf, noise, popularity$"):
        evaluation.lists("her")
    with pytest.raises(InputError, match=r"^condition: found 'groups'; wanted one of raw, fmc$"):
        evaluation.lists("mine", "groups")


def test_without_groups_their_frames_have_columns_alone(catalog: Catalog) -> None:
    evaluation = catalog.evaluate("pca", conditions="raw", k=5, rounds=5)
    for frame, name in ((evaluation.groups, "entropy_deviation"), (evaluation.group_shares, "share")):
        assert rows_of(frame) == []
        assert name in columns_of(frame)
    with pytest.raises(InputError, match="figure-2-modality-groups: found no data of it"):
        evaluation.figure(2)


def test_a_figure_is_drawn_by_number_or_name(evaluation: Evaluation) -> None:
    figure = evaluation.figure(1)
    assert isinstance(figure, Figure)
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["mine", "single-cf"]
    assert len(evaluation.figure("figure-2").axes) == len(evaluation.figure("figure-2-modality-groups").axes)
    for name in (7, 0, "figure", "", "figure-9"):
        with pytest.raises(InputError, match=rf"^figure: found {name!r}; wanted 1 to 6, or one of figure-1-accuracy"):
            evaluation.figure(name)


def test_the_report_is_written(evaluation: Evaluation, tmp_path: Path) -> None:
    path = evaluation.report(tmp_path / "report.html")
    assert path == tmp_path / "report.html"
    assert path.read_bytes() == evaluation.evaluated.report
    assert b"single-cf" in path.read_bytes()


def test_an_evaluation_describes_itself_in_a_line(evaluation: Evaluation) -> None:
    assert repr(evaluation) == "<Evaluation of mine, single-cf in raw, fmc; ground truth similar>"
    assert isinstance(evaluation.results, pa.Table)
