"""Runs over the artists of a catalog: what cannot be retrieved is dropped and counted; figures are ir_measures' own."""

from __future__ import annotations

from pathlib import Path

import ir_measures
import numpy as np
import pyarrow as pa
import pytest
from ir_measures import nDCG

from riyl.core.errors import MismatchError
from riyl.core.external.runs import ExternalRun, read_run
from riyl.core.ranking_metrics import ndcg
from riyl.core.storage.ground_truth import save_truth
from riyl.evaluation.conditions import Condition
from riyl.evaluation.external_runs import RunCounts, align_run
from riyl.evaluation.retrieval import judge, retrieve

CATALOG = list("abcde")


def run_of(lists: dict[str, str], *, tied: int = 0, unordered: int = 0) -> ExternalRun:
    documents = sorted({each for retrieved in lists.values() for each in retrieved})
    flat = [documents.index(each) for retrieved in lists.values() for each in retrieved]
    indptr = np.cumsum([0, *(len(retrieved) for retrieved in lists.values())]).astype(np.int64)
    return ExternalRun(list(lists), indptr, documents, np.array(flat, np.int32), tied, unordered)


def test_lists_are_matched_by_id_and_counted() -> None:
    run = run_of({"c": "axbc", "x": "ab", "a": "ed", "b": "bx"}, tied=4, unordered=2)
    aligned = align_run(run, CATALOG)
    assert aligned.indptr.tolist() == [0, 2, 2, 4, 4, 4]
    assert aligned.rows.tolist() == [4, 3, 0, 1]
    assert aligned.rows.dtype == np.int32
    assert aligned.covered.tolist() == [True, True, True, False, False]
    assert aligned.counts == RunCounts(
        in_file=4,
        matched=3,
        missing=2,
        extra=1,
        unknown_entries=2,
        self_entries=2,
        min_length=0,
        median_length=2.0,
        max_length=2,
        tied=4,
        unordered=2,
    )
    assert aligned.counts.summary == (
        "4 lists: of 3 of the catalog's 5 artists, and of 1 others; 0 to 2 entries, median 2; dropped 2 entries "
        "outside the catalog and 2 of the query itself; 4 entries with equal scores, 2 of them without an order by rank"
    )


def test_a_run_of_other_artists_is_an_error_with_ids_of_both() -> None:
    with pytest.raises(MismatchError, match=r"none of the catalog \('x'\); wanted the catalog's ids \('a', 'b', 'c', "):
        align_run(run_of({"x": "a"}), CATALOG)


@pytest.mark.parametrize("seed", range(3))
def test_a_trec_run_has_the_ndcg_that_ir_measures_gives_it(tmp_path: Path, seed: int) -> None:
    """The file is shuffled, and ranks are misleading; lists are shorter and longer than 200."""
    rng = np.random.default_rng(seed)
    n = 400
    ids = [f"artist{row}" for row in range(n)]
    lines, pairs = [], []
    for query in range(60):
        others = rng.permutation(np.delete(np.arange(n), query))
        scores = rng.permutation(10_000)[: rng.integers(1, n - 1)] / 16 - 300  # distinct, also as float32
        lines += [f"{ids[query]} Q0 {ids[o]} 7 {s} tag" for o, s in zip(others, scores, strict=False)]
        relevant = rng.choice(np.delete(np.arange(n), query), rng.integers(1, 250), replace=False)
        pairs += [(ids[query], ids[other]) for other in relevant]
    path = tmp_path / "run.txt"
    path.write_text("\n".join(lines[line] for line in rng.permutation(len(lines))))

    qrels = [ir_measures.Qrel(query, other, 1) for query, other in pairs]
    expected = {
        m.query_id: m.value for m in ir_measures.iter_calc([nDCG @ 200], qrels, ir_measures.read_trec_run(str(path)))
    }

    run = read_run(path)
    assert (run.tied, run.unordered) == (0, 0)
    rows = np.arange(n, dtype=np.int32)
    table = pa.table({"artist_id": [query for query, _ in pairs], "similar_id": [other for _, other in pairs]})
    truth = save_truth(tmp_path / "truths", "t", table, directed=True, source="test").relevance(ids)
    everyone = Condition("raw", rows)
    judged = judge(retrieve(align_run(run, ids).system("run"), everyone, rows, k=200), everyone, truth)
    scores = ndcg(judged.hits, judged.n_relevant)
    assert len(expected) == len(judged.query_rows) == 60
    np.testing.assert_allclose(scores, [expected[ids[row]] for row in judged.query_rows], rtol=0, atol=1e-9)


def test_ties_without_ranks_are_in_the_order_of_ir_measures(tmp_path: Path) -> None:
    lines = [f"a Q0 {other} 0 {score} tag" for other, score in zip("bcde", (1, 1, 1, 0), strict=True)]
    path = tmp_path / "run.txt"
    path.write_text("\n".join(lines))
    aligned = align_run(read_run(path), CATALOG)
    rows = np.arange(5, dtype=np.int32)
    lists = retrieve(aligned.system("run"), Condition("raw", rows), rows, k=4)
    retrieved = [CATALOG[row] for row in lists[0]]
    assert aligned.counts.unordered == 3
    for rank, other in enumerate(retrieved, start=1):
        qrels = [ir_measures.Qrel("a", other, 1)]
        value = ir_measures.calc_aggregate([nDCG @ 200], qrels, ir_measures.read_trec_run(str(path)))[nDCG @ 200]
        assert value == pytest.approx(1 / np.log2(rank + 1), abs=1e-9)
