"""Files of a stored evaluation, made by hand, and read by condition, system and artist."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from riyl.core.errors import FormatError, NotFoundError
from riyl.core.files import seal
from riyl.core.storage.evaluations import EvaluationFiles, Expected, save_evaluation
from tests.conftest import made_up_run

SCORES = {
    ("raw", "mine"): {"a": 0.5, "b": 0.25, "ü": 0.0},
    ("raw", "pca"): {"a": 0.0, "b": 0.5, "ü": 1.0},
    ("fmc", "mine"): {"a": 0.125},
}
RUN = made_up_run(SCORES, retrieved={"a": ["b", "ü"], "b": ["a"]}, expected={"a": ["ü"], "ü": ["a", "b"]})


@pytest.fixture
def files(tmp_path: Path) -> EvaluationFiles:
    return save_evaluation(tmp_path / "evaluations", "e1", **RUN)


def test_what_is_saved_is_read(files: EvaluationFiles) -> None:
    assert files.folder.name == files.manifest["id"] == "e1"
    assert files.figures() == RUN["figures"]
    assert files.report() == RUN["report"]
    for (condition, system), scores in SCORES.items():
        assert dict(zip(*files.ndcg(condition, system).to_pydict().values(), strict=True)) == scores
    assert files.ndcg("raw", "nobody").num_rows == files.ndcg("groups", "mine").num_rows == 0
    assert files.retrieved("raw", "pca", ["ü", "a", "x"]) == {"a": ["b", "ü"], "ü": []}
    assert files.retrieved("raw", "pca", []) == files.expected("raw", []) == {}
    assert files.expected("raw", ["a", "ü"]) == {"a": Expected(2, ["ü"]), "ü": Expected(2, ["a", "b"])}
    assert files.expected("fmc", ["a", "ü"]) == {"a": Expected(2, ["ü"])}


def test_a_system_in_a_condition_is_a_part_of_the_file_of_its_own(files: EvaluationFiles) -> None:
    metadata = pq.ParquetFile(files.folder / "queries.parquet").metadata
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    assert [group.num_rows for group in groups] == [3, 3, 1]
    for group, (condition, system) in zip(groups, SCORES, strict=True):
        for column, value in enumerate((condition, system)):
            statistics = group.column(column).statistics
            assert statistics.min == statistics.max == value


def test_every_metric_and_the_whole_list_of_a_query_are_stored(tmp_path: Path) -> None:
    long = [f"a{number}" for number in range(200)]
    run = made_up_run({("raw", "mine"): {"a": 0.5}}, retrieved={"a": long})
    files = save_evaluation(tmp_path, "e1", **run)
    assert files.manifest["format"] == 3
    (row,) = pq.read_table(files.folder / "queries.parquet").to_pylist()
    assert row == {
        "condition": "raw",
        "system": "mine",
        "artist_id": "a",
        "ndcg": 0.5,
        "precision": 0.25,
        "recall": 0.25,
        "r_precision": 0.25,
        "ndcg_10": 0.125,
        "ndcg_50": None,
        "retrieved": long,
    }
    assert files.retrieved("raw", "mine", ["a"]) == {"a": long[:10]}


@pytest.mark.parametrize(("number", "measures"), [(1, ["ndcg"]), (2, ["ndcg", "precision", "recall", "r_precision"])])
def test_an_evaluation_of_an_earlier_format_is_read(tmp_path: Path, number: int, measures: list[str]) -> None:
    folder = tmp_path / "e1"
    folder.mkdir()
    texts = {"condition": pa.string(), "system": pa.string(), "artist_id": pa.string()}
    figures = dict.fromkeys(measures, pa.float64())
    earlier = pa.schema({**texts, **figures, "retrieved": pa.list_(pa.string())})
    pq.write_table(RUN["queries"].select(earlier.names).cast(earlier), folder / "queries.parquet")
    of_queries = pa.schema({"condition": pa.string(), "artist_id": pa.string(), "n_relevant": pa.int32()})
    wanted = RUN["expected"].cast(of_queries.append(pa.field("expected", pa.list_(pa.string()))))
    pq.write_table(wanted, folder / "expected.parquet", store_schema=False)
    (folder / "figures.json").write_text("{}")
    (folder / "report.html").write_text("<p>")
    seal(folder, "manifest.json", {"kind": "riyl-evaluation", "format": number, "id": "e1"})
    files = EvaluationFiles.open(folder)
    assert dict(zip(*files.ndcg("raw", "pca").to_pydict().values(), strict=True)) == SCORES["raw", "pca"]
    assert files.retrieved("raw", "pca", ["a"]) == {"a": ["b", "ü"]}
    assert files.expected("fmc", ["a"]) == {"a": Expected(2, ["ü"])}


def test_what_is_there_already_stays(files: EvaluationFiles) -> None:
    again = save_evaluation(files.folder.parent, "e1", **made_up_run({("raw", "other"): {"a": 1.0}}))
    assert again.figures() == RUN["figures"]


def test_one_without_a_query_is_kept(tmp_path: Path) -> None:
    assert save_evaluation(tmp_path, "e1", **made_up_run({})).ndcg("raw", "mine").num_rows == 0


def test_a_table_that_lacks_a_column_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="retrieved"):
        save_evaluation(tmp_path, "e1", **{**RUN, "queries": RUN["queries"].drop_columns("retrieved")})
    assert list(tmp_path.iterdir()) == []


def test_an_undefined_figure_is_no_json_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        save_evaluation(tmp_path, "e1", **{**RUN, "figures": {"ndcg": float("nan")}})
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_removed(files: EvaluationFiles) -> None:
    left = files.folder.parent / ".e0.abcd1234.aside"
    left.mkdir()
    (left / "queries.parquet").write_bytes(b"half")
    save_evaluation(files.folder.parent, "e2", **RUN)
    assert sorted(path.name for path in files.folder.parent.iterdir()) == ["e1", "e2"]


def test_what_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="found no folder .*e1; wanted the files of an evaluation"):
        EvaluationFiles.open(tmp_path / "e1")


@pytest.mark.parametrize("file", ["figures.json", "report.html", "queries.parquet", "expected.parquet"])
def test_a_flipped_bit_is_found_when_the_file_is_read(files: EvaluationFiles, file: str) -> None:
    path = files.folder / file
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    opened = EvaluationFiles.open(files.folder)
    acts = {
        "figures.json": opened.figures,
        "report.html": opened.report,
        "queries.parquet": lambda: opened.ndcg("raw", "mine"),
        "expected.parquet": lambda: opened.expected("raw", ["a"]),
    }
    for name, act in acts.items():
        if name == file:
            with pytest.raises(FormatError, match=f"{file}: damaged, found sha256"):
                act()
        else:
            act()


def test_another_kind_and_a_newer_format_are_refused(files: EvaluationFiles) -> None:
    manifest = json.loads((files.folder / "manifest.json").read_text())
    for change, message in (({"kind": "riyl-truth"}, "found kind 'riyl-truth'"), ({"format": 4}, "found format 4")):
        (files.folder / "manifest.json").write_text(json.dumps({**manifest, **change}))
        with pytest.raises(FormatError, match=message):
            EvaluationFiles.open(files.folder)


def test_many_queries_are_read_by_the_artists_asked_for(tmp_path: Path) -> None:
    scores = {f"a{i:05d}": i / 40_000 for i in range(40_000)}
    run = made_up_run({("raw", "mine"): scores}, retrieved={"a31000": ["a1"]})
    files = save_evaluation(tmp_path, "e1", **run)
    assert files.retrieved("raw", "mine", ["a31000", "a00007"]) == {"a00007": [], "a31000": ["a1"]}
    assert files.ndcg("raw", "mine").column("ndcg").type == pa.float64()
    assert files.ndcg("raw", "mine").num_rows == 40_000
