"""Studies over made-up systems; expected values by hand."""

import dataclasses

import numpy as np
import pytest

from riyl.core.errors import InputError, MismatchError, NotFoundError
from riyl.evaluation.protocol import Setup, evaluate
from riyl.evaluation.retrieval import retrieve
from riyl.evaluation.study import noise_system, popularity_system, study
from riyl.evaluation.subject import Subject
from riyl.evaluation.table import compare, plain_rows
from tests.evaluation.test_protocol import LINE, LINKS, everyone, in_order, rows, truth_of


def test_popularity_gives_everyone_the_most_popular_others():
    system = popularity_system(np.array([3, 1 << 40, (1 << 40) + 1, 3, 0]))
    lists = retrieve(system, everyone(5), np.array([4, 3, 2, 1, 0], np.int32), k=4)
    assert lists.tolist() == [[2, 1, 3, 4], [2, 3, 0, 4], [1, 3, 0, 4], [2, 1, 0, 4], [2, 1, 3, 0]]


def test_noise_is_random_unit_vectors_and_repeats_for_a_seed():
    system = noise_system(50, 7, 3)
    np.testing.assert_allclose(np.linalg.norm(system.queries, axis=1), 1, rtol=1e-6)
    np.testing.assert_array_equal(noise_system(50, 7, 3).candidates, system.candidates)
    assert not np.array_equal(noise_system(50, 7, 4).candidates, system.candidates)
    assert system.covered.all()


def test_noise_finds_what_chance_does():
    n = 400
    rng = np.random.default_rng(2)
    pairs = [(a, int(b)) for a in range(n) for b in rng.choice(n, 5, replace=False) if a != b]
    result = evaluate(noise_system(n, 50, 0), everyone(n), Setup(truth_of(n, pairs), in_order(n), k=20, rounds=200))
    # The first k places hold k / (n - 1) of the relevant artists on average, evenly spread over the ranks.
    discounts = 1 / np.log2(np.arange(2, 22))
    chance = (discounts.sum() * 5 / (n - 1)) / discounts[:5].sum()
    assert result.ndcg_interval.low < chance < result.ndcg_interval.high


def of(*systems):
    """Return the results of a study of these systems over all artists and over two of them."""
    subjects = [Subject(system) for system in systems]
    return study(
        subjects, [everyone(5), rows(0, 1)], {}, Setup(LINKS, in_order(5), k=2, rounds=50), np.arange(5)
    ).results


def test_every_table_ends_each_condition_with_noise_and_popularity():
    results = study(
        [Subject(LINE)], [everyone(5), rows(0, 1)], {}, Setup(LINKS, in_order(5), k=2, rounds=50), np.arange(5)
    ).results
    names = [(r.condition, r.system) for r in results]
    systems = ["made", "noise", "popularity"]
    assert names == [("raw", s) for s in systems] + [("some", s) for s in systems]


def test_systems_of_one_name_are_refused():
    with pytest.raises(InputError, match="noise, noise; wanted each once"):
        study(
            [Subject(dataclasses.replace(LINE, name="noise"))],
            [everyone(5)],
            {},
            Setup(LINKS, in_order(5), k=2),
            np.arange(5),
        )


def test_progress_names_condition_and_system():
    heard = []
    study(
        [Subject(LINE)],
        [everyone(5)],
        {},
        Setup(LINKS, in_order(5), k=2, rounds=5),
        np.arange(5),
        progress=lambda step, done, total: heard.append((step, done, total)),
    )
    assert heard[0] == ("raw, made: exact search", 5, 5)


def test_plain_rows_hold_the_figures():
    result = evaluate(LINE, everyone(5), Setup(LINKS, in_order(5), k=2, rounds=50))
    (row,) = plain_rows([result])
    assert row["ndcg"] == result.ndcg_mean
    assert (row["recall"], row["recall_high"]) == (result.lists["recall"].mean, result.lists["recall"].interval.high)
    assert row["coverage_low"] == result.coverage_interval.low
    assert row["without_links"] == 1
    assert all(isinstance(value, str | int | float) for value in row.values())


def test_systems_are_compared_on_the_same_queries_of_each_condition():
    results = study(
        [Subject(LINE)], [everyone(5), rows(0, 1)], {}, Setup(LINKS, in_order(5), k=2, rounds=50), np.arange(5)
    ).results
    comparisons = compare(results, "made", rounds=100)
    assert [(c.condition, c.system) for c in comparisons] == [
        ("raw", "noise"),
        ("raw", "popularity"),
        ("some", "noise"),
        ("some", "popularity"),
    ]
    assert comparisons[0].ndcg.difference == pytest.approx(results[1].ndcg_mean - results[0].ndcg_mean, abs=1e-12)
    # Popularity 0..4 and the line have the same ranking, so they do not differ.
    assert (comparisons[1].ndcg.difference, comparisons[1].ndcg.p) == (0, 1)


def test_results_over_different_queries_are_not_compared():
    result = evaluate(LINE, everyone(5), Setup(LINKS, in_order(5), k=2, rounds=5))
    other = dataclasses.replace(result, system="other", query_rows=result.query_rows[::-1])
    with pytest.raises(MismatchError, match="wanted the same queries and k"):
        compare([result, other], "made")
    with pytest.raises(NotFoundError, match="no result of a system 'absent'"):
        compare([result], "absent")
