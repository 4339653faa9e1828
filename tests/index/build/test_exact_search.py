import faiss
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_info

from riyl.core.errors import InputError, MismatchError
from riyl.index.build import exact_search
from riyl.index.build.exact_search import exact_top_k
from riyl.index.scoring.tie_breaking import tie_break_rank


def top(vectors, k, order=None, candidates=None, self_positions=None, **options):
    """Search among the vectors themselves, or among `candidates`."""
    queries = np.array(vectors, np.float32)
    search_vectors = queries if candidates is None else np.array(candidates, np.float32)
    self_positions = np.arange(len(queries)) if self_positions is None and candidates is None else self_positions
    self_positions = np.full(len(queries), -1) if self_positions is None else np.array(self_positions)
    order = np.arange(len(search_vectors)) if order is None else np.array(order)
    return exact_top_k(
        queries,
        search_vectors,
        k,
        order=order.astype(np.int32),
        self_positions=self_positions.astype(np.int32),
        **options,
    )


def brute_force(queries, candidates, k, order, self_positions):
    """Compute every score in float64 (exact for small whole numbers), and sort by (-score, tie rank)."""
    lists = np.full((len(queries), k), -1)
    for row, query in enumerate(np.asarray(queries, np.float64)):
        ranked = sorted(
            (-float(query @ np.asarray(c, np.float64)), order[i], i)
            for i, c in enumerate(candidates)
            if i != self_positions[row]
        )[:k]
        lists[row, : len(ranked)] = [i for _, _, i in ranked]
    return lists


@st.composite
def tied_problems(draw):
    """Draw whole numbers in few dimensions: many equal vectors, and many equal scores of different ones."""
    d, n, q = draw(st.integers(1, 3)), draw(st.integers(0, 40)), draw(st.integers(0, 8))
    reach = draw(st.integers(0, 3))
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    candidates = rng.integers(-reach, reach + 1, (n, d)).astype(np.float32)
    queries = rng.integers(-reach, reach + 1, (q, d)).astype(np.float32)
    candidates[rng.random((n, d)) < 0.1] = -0.0
    self_positions = rng.integers(-1, n, q)
    k = draw(st.integers(1, 45))
    return queries, candidates, k, rng.permutation(n), self_positions


@settings(max_examples=300, deadline=None)
@given(tied_problems(), st.sampled_from([0, 1, 16]))
def test_lists_equal_brute_force_where_most_scores_tie(problem, margin):
    queries, candidates, k, order, self_positions = problem
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exact_search, "MARGIN", margin)
        lists, scores = top(queries, k, order, candidates, self_positions)
    np.testing.assert_array_equal(lists, brute_force(queries, candidates, k, order, self_positions))
    filled = lists >= 0
    rows, _ = np.nonzero(filled)
    np.testing.assert_array_equal(scores[filled], (queries[rows] * candidates[lists[filled]]).sum(axis=1))
    assert np.isnan(scores[~filled]).all()


@settings(max_examples=50, deadline=None)
@given(tied_problems())
def test_lists_do_not_depend_on_how_work_is_cut(problem):
    queries, candidates, k, order, self_positions = problem
    expected, _ = top(queries, k, order, candidates, self_positions)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exact_search, "BUDGET", 8)
        patch.setattr(exact_search, "QUERIES_AT_ONCE", 3)
        cut, _ = top(queries, k, order, candidates, self_positions)
    np.testing.assert_array_equal(cut, expected)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
@example(0)
def test_permuting_the_rows_gives_the_same_lists_by_id(seed):
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((300, 17)).astype(np.float32)
    vectors[rng.integers(0, 300, 120)] = vectors[rng.integers(0, 20, 120)]
    ids = np.array([f"artist {i}" for i in range(300)])
    moved = rng.permutation(300)
    before, _ = top(vectors, 25, tie_break_rank(list(ids), 5))
    after, _ = top(vectors[moved], 25, tie_break_rank(list(ids[moved]), 5))
    np.testing.assert_array_equal(ids[moved][after], ids[before][moved])


def test_real_vectors_are_ranked_as_in_float64():
    rng = np.random.default_rng(3)
    vectors = rng.standard_normal((2000, 64)).astype(np.float32)
    lists, scores = top(vectors, 50)
    exact = vectors.astype(np.float64) @ vectors.astype(np.float64).T
    np.fill_diagonal(exact, -np.inf)
    best = -np.sort(-exact, axis=1)[:, :50]
    np.testing.assert_allclose(np.take_along_axis(exact, lists.astype(np.int64), axis=1), best, rtol=0, atol=1e-4)
    np.testing.assert_allclose(scores, best, rtol=0, atol=1e-4)
    assert not (lists == np.arange(2000)[:, None]).any()


def test_self_is_left_out_and_its_double_stays():
    lists, scores = top([[1, 0], [1, 0], [0, 1], [1, 0]], 2, order=[3, 2, 1, 0])
    assert lists.tolist() == [[3, 1], [3, 0], [3, 1], [1, 0]]
    assert scores.tolist() == [[1, 1], [1, 1], [0, 0], [1, 1]]


def test_self_behind_the_end_of_the_list_is_left_out_too():
    # Artist 0 scores lowest with itself, so the third place stays empty.
    lists, _ = top([[-1.0], [0.0], [1.0]], 3, self_positions=[1, 1, 1])
    assert lists.tolist() == [[0, 2, -1], [0, 2, -1], [2, 0, -1]]


def test_a_group_of_equals_larger_than_the_list_is_cut_by_tie_rank():
    order = np.random.default_rng(0).permutation(500)
    lists, _ = top(np.ones((500, 3)), 7, order)
    by_rank = np.argsort(order)
    for row in range(500):
        assert lists[row].tolist() == [c for c in by_rank[:8] if c != row][:7]


def test_popularity_with_ties_is_one_list_for_everyone():
    lists, scores = top(
        np.ones((4, 1)),
        4,
        order=[5, 4, 3, 2, 1, 0],
        candidates=[[0], [2], [9], [2], [0], [2]],
        self_positions=[0, 2, 5, 3],
    )
    assert lists.tolist() == [[2, 5, 3, 1], [5, 3, 1, 4], [2, 3, 1, 4], [2, 5, 1, 4]]
    assert scores[0].tolist() == [9, 2, 2, 2]


def test_fewer_candidates_than_places_leave_places_empty():
    lists, scores = top([[1.0]], 3, candidates=[[2.0], [3.0]])
    assert lists.tolist() == [[1, 0, -1]]
    assert np.isnan(scores[0, 2])


def test_no_candidates_give_empty_lists_and_no_queries_none():
    assert top(np.ones((2, 3)), 2, candidates=np.ones((0, 3)))[0].tolist() == [[-1, -1], [-1, -1]]
    assert top(np.ones((0, 3)), 2, candidates=np.ones((5, 3)))[0].shape == (0, 2)
    assert top(np.ones((0, 3)), 2)[0].shape == (0, 2)


def test_inputs_are_left_as_they_are():
    vectors = np.array([[-0.0, 1], [0, 1]], np.float32)
    top(vectors, 1)
    assert np.signbit(vectors[0, 0])


def test_progress_ends_at_the_total():
    heard = []
    top(np.ones((5, 2)), 1, progress=lambda step, done, total: heard.append((step, done, total)))
    assert heard[-1] == ("exact search", 5, 5)


def test_threads_are_as_before_after_a_search():
    before = [(pool["filepath"], pool["num_threads"]) for pool in threadpool_info()]
    top(np.ones((5, 2)), 1, threads=1)
    assert [(pool["filepath"], pool["num_threads"]) for pool in threadpool_info()] == before
    assert faiss.omp_get_max_threads() >= 1


def test_tie_order_goes_with_the_ids_and_not_with_the_rows():
    ids = [f"a{i}" for i in range(50)]
    moved = np.random.default_rng(1).permutation(50)
    order = tie_break_rank(ids, 3)
    assert sorted(order) == list(range(50))
    np.testing.assert_array_equal(tie_break_rank([ids[i] for i in moved], 3), order[moved])
    assert tie_break_rank(ids, 4).tolist() != order.tolist()
    assert tie_break_rank([], 3).shape == (0,)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"vectors": [[1.0]], "k": 0}, InputError, "list length: found 0; wanted at least 1"),
        ({"vectors": [[1.0]], "k": 1, "candidates": [[1.0, 2.0]]}, MismatchError, r"shape \(1, 1\).*shape \(1, 2\)"),
        ({"vectors": [[], []], "k": 1}, InputError, "found a width of 0"),
        ({"vectors": [[1.0], [np.nan]], "k": 1}, InputError, "query 1: found a number that is not finite"),
        ({"vectors": [[1.0]], "k": 1, "candidates": [[np.inf]]}, InputError, "candidate 0: found a number that is not"),
        ({"vectors": [[1.0]], "k": 1, "order": [0, 1]}, MismatchError, "2 tie ranks for 1 candidates"),
        ({"vectors": [[1.0], [2.0]], "k": 1, "order": [4, 4]}, InputError, "found 1 distinct among 2"),
        ({"vectors": [[1.0], [2.0]], "k": 1, "self_positions": [0]}, MismatchError, "1 own positions for 2 queries"),
        (
            {"vectors": [[1.0]], "k": 1, "self_positions": [1]},
            MismatchError,
            "found 1 to 1; wanted -1, or a candidate below 1",
        ),
        ({"vectors": [[3e38], [2e38]], "k": 1}, InputError, "scores: found one that is not finite"),
    ],
)
def test_what_does_not_fit_is_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        top(**arguments)
