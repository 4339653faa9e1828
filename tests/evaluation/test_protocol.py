import math

import numpy as np
import pyarrow as pa
import pytest

from riyl.core.errors import MismatchError
from riyl.core.storage.ground_truth import Relevance
from riyl.core.storage.modality import Modality, write_modality
from riyl.core.storage.snapshot import Snapshot, seal_snapshot, write_artists
from riyl.evaluation.conditions import Condition, conditions_of
from riyl.evaluation.protocol import PROTOCOL, Setup, evaluate
from riyl.evaluation.retrieval import System, judge, retrieve
from riyl.evaluation.table import plain_rows
from riyl.index.scoring.tie_breaking import tie_break_rank


def truth_of(n, pairs):
    """Build the relevance of n artists from pairs (row, similar row), each counted in one direction."""
    unique_pairs = sorted(set(pairs))
    counts = np.bincount([a for a, _ in unique_pairs], minlength=n)
    return Relevance(
        np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), np.array([b for _, b in unique_pairs], np.int32), 0
    )


def system_of(vectors, covered=None, name="made"):
    matrix = np.array(vectors, np.float32)
    covered = np.ones(len(matrix), bool) if covered is None else np.array(covered, bool)
    matrix[~covered] = 0
    return System(name, matrix, matrix, covered)


def everyone(n):
    return Condition("raw", np.arange(n, dtype=np.int32))


def rows(*numbers):
    return Condition("some", np.array(numbers, np.int32))


def in_order(n):
    return np.arange(n, dtype=np.int32)


# Five artists on a line, the score of x and y is x * y: the best of each are 4, 3, 2, 1, 0, without itself.
LINE = system_of([[1], [2], [3], [4], [5]])
LINKS = truth_of(5, [(0, 4), (0, 1), (1, 0), (4, 0), (2, 3)])


def test_every_figure_by_hand():
    result = evaluate(LINE, everyone(5), Setup(LINKS, in_order(5), k=2))
    # Lists: 0: 4 3; 1: 4 3; 2: 4 3; 3: 4 2; 4: 3 2. Queries are 0, 1, 2 and 4; 3 has no links.
    half = 1 / math.log2(3)
    assert result.query_rows.tolist() == [0, 1, 2, 4]
    assert result.ndcg == pytest.approx([1 / (1 + half), 0, half, 0], abs=1e-12)
    assert result.ndcg_mean == pytest.approx((1 / (1 + half) + half) / 4, abs=1e-12)
    assert (result.n_artists, result.n_queries, result.n_without_links) == (5, 4, 1)
    assert (result.covered_share, result.ndcg_covered) == (1, result.ndcg_mean)
    # Counts 0 0 2 4 4: pairs differ by 0+2+4+4+2+4+4+2+2+0 = 24, twice, over 25, over twice the mean 2.
    assert result.gini == pytest.approx(2 * 24 / 25 / 4, abs=1e-12)
    assert result.coverage == 0.6
    # 0 finds one of its two and 2 its only one, both at rank 2; the first rank of 0 is a hit and that of 2 is not.
    assert result.lists["precision"].scores == pytest.approx([0.5, 0, 0.5, 0], abs=1e-12)
    assert result.lists["recall"].scores == pytest.approx([0.5, 0, 1, 0], abs=1e-12)
    assert result.lists["r_precision"].scores == pytest.approx([0.5, 0, 0, 0], abs=1e-12)
    assert [f.mean for f in result.lists.values()] == pytest.approx([result.ndcg_mean, 0.25, 0.375, 0.125], abs=1e-12)
    for figure in result.lists.values():
        assert figure.interval.low <= figure.mean <= figure.interval.high
    assert result.coverage_interval.low <= result.coverage <= result.coverage_interval.high
    assert result.gini_interval.low <= result.gini <= result.gini_interval.high


def test_what_a_system_cannot_embed_scores_zero_is_not_counted_and_never_found():
    system = system_of([[1], [2], [3], [4], [5]], covered=[1, 1, 1, 1, 0])
    lists = retrieve(system, everyone(5), in_order(5), k=2)
    assert lists.tolist() == [[3, 2], [3, 2], [3, 1], [2, 1], [-1, -1]]
    result = evaluate(system, everyone(5), Setup(LINKS, in_order(5), k=2))
    # 0 has two relevant candidates although the system can never find 4; 4 itself is a query that scores 0.
    assert result.n_queries == 4
    assert result.ndcg == pytest.approx([0, 0, 1, 0], abs=1e-12)
    assert result.ndcg_mean == 0.25
    assert result.covered_share == 0.75
    assert result.ndcg_covered == pytest.approx(1 / 3, abs=1e-12)
    # Counts 0 2 3 3 0: pairs differ by 2+3+3+0+1+1+2+0+3+3 = 18, twice, over 25, over twice the mean 8 / 5.
    assert result.gini == pytest.approx(2 * 18 / 25 / (2 * 8 / 5), abs=1e-12)
    assert result.coverage == 0.6


def test_a_system_that_embeds_nothing_scores_zero_and_has_no_gini():
    result = evaluate(system_of(np.ones((5, 1)), covered=[0] * 5), everyone(5), Setup(LINKS, in_order(5), k=2))
    assert (result.ndcg_mean, result.covered_share, result.coverage) == (0, 0, 0)
    undefined = [result.ndcg_covered, result.gini, result.gini_interval.low, result.gini_interval.high]
    assert np.isnan(undefined).all()


def test_a_condition_bounds_queries_candidates_and_what_is_relevant():
    result = evaluate(LINE, rows(0, 1, 3), Setup(LINKS, in_order(5), k=2))
    assert retrieve(LINE, rows(0, 1, 3), in_order(5), k=2).tolist() == [[3, 1], [3, 0], [1, 0]]
    assert result.query_rows.tolist() == [0, 1]
    assert result.n_without_links == 1
    # 1 is the only relevant candidate left for 0, at rank 2; 1 finds 0 at rank 2.
    assert result.ndcg == pytest.approx([1 / math.log2(3)] * 2, abs=1e-12)
    assert result.gini == pytest.approx(0, abs=1e-12)


def test_a_condition_without_links_has_no_ndcg_but_a_gini():
    result = evaluate(LINE, rows(1, 2), Setup(LINKS, in_order(5), k=2))
    assert (result.n_queries, result.n_without_links) == (0, 2)
    assert np.isnan([result.ndcg_mean, result.ndcg_covered, result.covered_share, result.ndcg_interval.low]).all()
    assert result.gini == pytest.approx(0, abs=1e-12)


def test_an_empty_condition_has_no_figures():
    result = evaluate(LINE, rows(), Setup(LINKS, in_order(5), k=2))
    assert (result.n_artists, result.n_queries) == (0, 0)
    assert np.isnan([result.ndcg_mean, result.gini, result.coverage]).all()


def test_hits_equal_plain_loops():
    rng = np.random.default_rng(0)
    pairs = [(int(a), int(b)) for a, b in rng.integers(0, 60, (300, 2)) if a != b]
    links = truth_of(60, pairs)
    condition = Condition("some", np.flatnonzero(rng.random(60) < 0.7).astype(np.int32))
    system = system_of(rng.standard_normal((60, 4)), covered=rng.random(60) < 0.8)
    lists = retrieve(system, condition, in_order(60), k=12)
    inside = set(condition.rows.tolist())
    relevant = {a: {b for x, b in pairs if x == a and b in inside} for a in inside}
    queries = [a for a in condition.rows.tolist() if relevant[a]]
    by_row = dict(zip(condition.rows.tolist(), lists.tolist(), strict=True))
    result = judge(lists, condition, links)
    assert result.query_rows.tolist() == queries
    assert result.n_relevant.tolist() == [len(relevant[a]) for a in queries]
    assert result.hits.tolist() == [[c in relevant[a] for c in by_row[a]] for a in queries]


def test_permuting_the_artists_changes_no_figure():
    rng = np.random.default_rng(1)
    n = 200
    ids = [f"artist {i}" for i in range(n)]
    vectors = rng.standard_normal((n, 5)).astype(np.float32)
    vectors[rng.integers(0, n, 120)] = vectors[0]
    pairs = [(int(a), int(b)) for a, b in rng.integers(0, n, (600, 2)) if a != b]
    moved = rng.permutation(n)
    position = np.argsort(moved)
    original = evaluate(system_of(vectors), everyone(n), Setup(truth_of(n, pairs), tie_break_rank(ids, 0), k=10))
    permuted = evaluate(
        system_of(vectors[moved]),
        everyone(n),
        Setup(
            truth_of(n, [(int(position[a]), int(position[b])) for a, b in pairs]),
            tie_break_rank([ids[i] for i in moved], 0),
            k=10,
        ),
    )
    by_id = dict(zip(moved[permuted.query_rows].tolist(), permuted.ndcg.tolist(), strict=True))
    assert [by_id[row] for row in original.query_rows.tolist()] == original.ndcg.tolist()
    assert permuted.gini == original.gini


def test_results_repeat_for_a_seed_and_do_not_depend_on_the_threads():
    rng = np.random.default_rng(5)
    system = system_of(rng.standard_normal((100, 6)))
    links = truth_of(100, [(int(a), int(b)) for a, b in rng.integers(0, 100, (200, 2)) if a != b])
    first, second = (evaluate(system, everyone(100), Setup(links, in_order(100), k=10, threads=t)) for t in (1, 2))
    assert plain_rows([first]) == plain_rows([second])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            (system_of(np.ones((4, 1))), everyone(5), Setup(LINKS, in_order(5), k=2)),
            "found 4 queries, 4 candidates and 4 marks",
        ),
        ((LINE, rows(2, 5), Setup(LINKS, in_order(5), k=2)), "condition 'some': found rows 2 to 5; wanted 0 to 4"),
        (
            (LINE, everyone(5), Setup(truth_of(4, [(0, 1)]), in_order(5), k=2)),
            "truth: found 4 artists; wanted the snapshot's 5",
        ),
    ],
)
def test_what_is_not_over_the_same_artists_is_refused(arguments, message):
    with pytest.raises(MismatchError, match=message):
        evaluate(*arguments)


def test_lists_of_another_condition_are_refused():
    with pytest.raises(MismatchError, match="found 2 lists; wanted 5"):
        judge(np.zeros((2, 3), np.int32), everyone(5), LINKS)


def test_raw_is_everyone_and_fmc_those_with_every_modality(tmp_path):
    write_artists(tmp_path, pa.table({"artist_id": ["a", "b", "c"]}), np.zeros(3, np.int64), np.zeros(3))
    for name, having in (("audio", [0, 2]), ("tags", [1, 2])):
        write_modality(
            tmp_path,
            Modality(name, np.array(having, np.int32), np.ones((2, 2), np.float32), np.ones(2, np.int32), None),
        )
    seal_snapshot(
        tmp_path, {"id": "made", "featurizer": "b", "artists": 3, "modalities": {"audio": 2, "tags": 2}, "tables": {}}
    )
    raw, fmc = conditions_of(Snapshot.open(tmp_path))
    assert (raw.name, raw.rows.tolist()) == ("raw", [0, 1, 2])
    assert (fmc.name, fmc.rows.tolist()) == ("fmc", [2])


def test_the_protocol_is_stated_in_words():
    for word in (
        "nDCG@200",
        "Gini@200",
        "recall at 200",
        "left out and counted",
        "seeded hash",
        "1,000 bootstrap rounds",
    ):
        assert word in PROTOCOL
