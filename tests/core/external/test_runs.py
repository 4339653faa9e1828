"""Runs from TREC and Parquet files: lists are ordered as documented, ties are counted, faults name their line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from riyl.core.errors import InputError
from riyl.core.external.runs import ExternalRun, read_run


def lists(run: ExternalRun) -> dict[str, list[str]]:
    return {
        query: [run.documents[each] for each in run.retrieved[run.indptr[i] : run.indptr[i + 1]]]
        for i, query in enumerate(run.queries)
    }


def trec(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "run.txt"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def parquet(tmp_path: Path, **columns: Any) -> Path:
    path = tmp_path / "run.parquet"
    pq.write_table(pa.table(columns), path)
    return path


def fault(path: Path) -> str:
    with pytest.raises(InputError) as error:
        read_run(path)
    return str(error.value)


def test_a_trec_run_is_ordered_by_score_whatever_its_lines_and_ranks(tmp_path: Path) -> None:
    text = "q Q0 a 1 0.5 t\nr\tQ0\tb 1 -1e3 t\n\nq Q0 b 2 2 t\r\nr Q0 Bj\u00f6rk 2 -10 t\nq Q0 c 3 1.5 t"
    run = read_run(trec(tmp_path, text))
    assert lists(run) == {"q": ["b", "c", "a"], "r": ["Björk", "b"]}
    assert (run.tied, run.unordered) == (0, 0)


def test_equal_scores_are_ordered_by_rank_and_then_by_descending_id(tmp_path: Path) -> None:
    lines = ["q Q0 a 2 1 t", "q Q0 z 1 1 t", "q Q0 x 3 0.5 t", "q Q0 y 3 0.5 t", "q Q0 w 3 0.25 t", "p Q0 w 3 0.25 t"]
    run = read_run(trec(tmp_path, "\n".join(lines)))
    assert lists(run) == {"q": ["z", "a", "y", "x", "w"], "p": ["w"]}
    assert (run.tied, run.unordered) == (4, 2)


def test_three_equal_entries_are_three(tmp_path: Path) -> None:
    run = read_run(trec(tmp_path, "q Q0 a 0 1 t\nq Q0 b 0 1 t\nq Q0 c 0 1 t\n"))
    assert lists(run) == {"q": ["c", "b", "a"]}
    assert (run.tied, run.unordered) == (3, 3)


def test_scores_that_float32_cannot_tell_apart_count_as_tied(tmp_path: Path) -> None:
    run = read_run(trec(tmp_path, "q Q0 a 1 1.000000001 t\nq Q0 b 2 1.0 t\n"))
    assert lists(run) == {"q": ["a", "b"]}
    assert (run.tied, run.unordered) == (2, 0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "run.txt: found an empty run; wanted lines of query Q0 document rank score tag"),
        (b"\n \n", "run.txt: found an empty run"),
        (b"q Q0 a 1 1 t\nq Q0 b 2 1\n", "run.txt, line 2: found 5 fields; wanted six: query Q0 document"),
        (b"q Q0 a 1 1 t\n\nq Q0 b 2 1 t t\n", "run.txt, line 3: found 7 fields; wanted six"),
        (b"q Q0 a 1 nan t", "run.txt, line 1: found score 'nan'; wanted a finite number"),
        (b"q Q0 a 1 -inf t", "found score '-inf'; wanted a finite number"),
        (b"q Q0 a 1 1e999 t", "found score '1e999'; wanted a finite number"),
        (b"q Q0 a 1 high t", "found score 'high'; wanted a finite number"),
        (b"q Q0 a 1 1_0 t", "found score '1_0'; wanted a finite number"),
        (b"q Q0 a 1.5 1 t", "found rank '1.5'; wanted an integer of 64 bits"),
        (b"q Q0 a 99999999999999999999 1 t", "wanted an integer of 64 bits"),
        (
            b"q Q0 a 1 1 t\nq\xff Q0 b 2 1 t\n",
            "run.txt, line 2: found byte 0xff, which is not UTF-8; wanted UTF-8 text",
        ),
        (
            b"q Q0 a 1 3 t\nr Q0 a 1 3 t\nq Q0 a 2 2 t\nq Q0 a 3 1 t\n",
            "found 'a' twice in the list of 'q', and 2 repeated entries in all; wanted each artist once",
        ),
    ],
)
def test_a_fault_of_a_trec_run_is_an_error_with_its_line(tmp_path: Path, text: bytes, message: str) -> None:
    assert message in fault(trec(tmp_path, text))


def test_ready_lists_keep_their_order(tmp_path: Path) -> None:
    run = read_run(parquet(tmp_path, artist_id=["q", "p", "r"], retrieved=[["b", "a"], [], ["b"]]))
    assert lists(run) == {"q": ["b", "a"], "p": [], "r": ["b"]}
    assert (run.tied, run.unordered) == (0, 0)


@pytest.mark.parametrize(
    ("ids", "retrieved", "message"),
    [
        (["q", "q"], [["a"], ["b"]], "found 1 repeated artist id: 'q' (rows 1 and 2)"),
        (["q", None], [["a"], ["b"]], "row 2: found nothing in column 'artist_id'"),
        (["q", "r"], [["a"], None], "row 2: found nothing in column 'retrieved'; wanted a list of ids"),
        (["q", "r"], [["a"], ["b", None]], "row 2: found None in the list of column 'retrieved'"),
        (["q", "p", "r"], [["a"], [], ["b", " "]], "row 3: found ' ' in the list of column 'retrieved'"),
        (["q"], [["a", "b", "a"]], "found 'a' twice in the list of 'q', and 1 repeated entries in all"),
        (["q"], [[]], "found only empty lists; wanted at least one retrieved artist"),
        ([], [], "found no rows"),
    ],
)
def test_a_fault_of_ready_lists_is_an_error(tmp_path: Path, ids: Any, retrieved: Any, message: str) -> None:
    columns = {"artist_id": pa.array(ids, pa.string()), "retrieved": pa.array(retrieved, pa.list_(pa.string()))}
    assert message in fault(parquet(tmp_path, **columns))


@pytest.mark.parametrize("kind", [pa.float32(), pa.float64(), pa.int64()])
def test_scored_pairs_are_ordered_by_score_and_rank(tmp_path: Path, kind: pa.DataType) -> None:
    run = read_run(
        parquet(
            tmp_path,
            artist_id=["q", "p", "q", "q"],
            similar_id=["a", "c", "b", "c"],
            score=pa.array([1, 7, 1, 9], kind),
            rank=[3, 1, 2, 1],
        )
    )
    assert lists(run) == {"q": ["c", "b", "a"], "p": ["c"]}
    assert (run.tied, run.unordered) == (2, 0)


def test_equal_scores_without_ranks_are_ordered_by_descending_id(tmp_path: Path) -> None:
    run = read_run(parquet(tmp_path, artist_id=["q", "q"], similar_id=["a", "b"], score=[0.5, 0.5]))
    assert lists(run) == {"q": ["b", "a"]}
    assert (run.tied, run.unordered) == (2, 2)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"score": [1.0, None]}, "row 2: found nothing; wanted a finite number in column 'score'"),
        ({"score": [float("nan"), 1.0]}, "row 1: found nan; wanted a finite number in column 'score'"),
        ({"score": ["1", "2"]}, "found type string in column 'score'; wanted a finite number"),
        ({"score": [1.0, 2.0], "rank": [1.0, 1.5]}, "row 2: found 1.5 in column 'rank'; wanted an integer"),
        ({"rank": [1, 2]}, "wanted artist_id with either retrieved (a list of ids), or similar_id and score"),
    ],
)
def test_a_fault_of_scored_pairs_is_an_error(tmp_path: Path, columns: dict[str, Any], message: str) -> None:
    assert message in fault(parquet(tmp_path, artist_id=["q", "q"], similar_id=["a", "b"], **columns))


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    assert "no.txt: found no such file; wanted a TREC run, or a .parquet file" in fault(tmp_path / "no.txt")
