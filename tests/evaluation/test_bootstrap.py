import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from riyl.core.errors import InputError, MismatchError
from riyl.core.ranking_metrics import coverage, gini, retrieval_counts
from riyl.evaluation.bootstrap import Evenness, evenness_intervals, interval, intervals, paired, unpaired


def evenness_and_intervals(lists, n, rounds=1000, seed=0, **options):
    counts = retrieval_counts(lists, n)
    estimates = Evenness(gini(counts), coverage(counts))
    return estimates, *evenness_intervals(lists, n, estimates, rounds, seed=seed, **options)


def gini_and_interval(lists, n, rounds=1000, seed=0, **options):
    estimates, gini_interval, _ = evenness_and_intervals(lists, n, rounds, seed, **options)
    return estimates.gini, gini_interval


def made_lists(rng, q, n, k, hubs):
    """Draw lists without duplicates in which some candidates are far more frequent than others."""
    pull = rng.pareto(hubs, n) + 0.05
    return np.argsort(-(np.log(pull) + rng.gumbel(size=(q, n))), axis=1)[:, :k].astype(np.int32)


def test_interval_agrees_with_scipy():
    values = np.random.default_rng(1).beta(0.5, 2, 400)
    ours = interval(values, 20_000, seed=2)
    theirs = scipy.stats.bootstrap(
        (values,), np.mean, n_resamples=20_000, method="percentile", rng=np.random.default_rng(3)
    ).confidence_interval
    width = theirs.high - theirs.low
    assert [ours.low, ours.high] == pytest.approx([theirs.low, theirs.high], abs=0.03 * width)


def test_interval_of_equal_values_is_that_value():
    span = interval(np.full(7, 0.25), seed=0)
    assert (span.low, span.high) == (0.25, 0.25)


def test_interval_repeats_for_a_seed_and_differs_between_seeds():
    values = np.random.default_rng(0).random(50)
    assert interval(values, 200, seed=1) == interval(values, 200, seed=1)
    assert interval(values, 200, seed=1) != interval(values, 200, seed=2)


def test_intervals_of_several_figures_are_those_of_each():
    table = np.random.default_rng(12).random((3, 40))
    assert intervals(list(table), 300, seed=1) == [interval(values, 300, seed=1) for values in table]
    assert np.isnan([intervals([np.zeros(0)], seed=0)[0].low]).all()
    assert intervals([], seed=0) == []
    with pytest.raises(MismatchError, match=r"found \[2, 3\] figures; wanted the same queries in each"):
        intervals([np.zeros(2), np.zeros(3)], seed=0)


def test_no_queries_have_no_interval():
    result = interval(np.zeros(0), seed=0)
    assert np.isnan([result.low, result.high]).all()
    result = paired(np.zeros(0), np.zeros(0), seed=0)
    assert np.isnan([result.difference, result.interval.low, result.interval.high, result.p]).all()


def test_paired_difference_is_judged_on_the_same_queries():
    # Queries differ far more than the systems: only pairing can detect a difference of 0.01.
    rng = np.random.default_rng(4)
    easy = rng.random(500)
    result = paired(easy + 0.01 + 0.02 * rng.standard_normal(500), easy, seed=5)
    assert result.difference == pytest.approx(0.01, abs=0.003)
    assert result.interval.low > 0
    assert result.interval.low < result.difference < result.interval.high
    assert result.p == pytest.approx(2 / 1001)


def test_unpaired_agrees_with_scipy():
    rng = np.random.default_rng(8)
    a, b = rng.beta(0.5, 2, 300), rng.random(120)
    ours = unpaired(a, b, 20_000, seed=9)
    theirs = scipy.stats.bootstrap(
        (a, b),
        lambda x, y, axis: x.mean(axis=axis) - y.mean(axis=axis),
        n_resamples=20_000,
        method="percentile",
        vectorized=True,
        rng=np.random.default_rng(10),
    ).confidence_interval
    width = theirs.high - theirs.low
    assert [ours.low, ours.high] == pytest.approx([theirs.low, theirs.high], abs=0.03 * width)


def test_unpaired_sides_are_drawn_independently():
    # With the same draws equal figures have no difference; with independent draws its deviation is sqrt(2) times one
    # side's.
    values = np.random.default_rng(11).random(400)
    single, both = interval(values, 5_000, seed=0), unpaired(values, values, 5_000, seed=0)
    assert both.high - both.low == pytest.approx(np.sqrt(2) * (single.high - single.low), rel=0.08)


def test_unpaired_figures_of_equal_values_differ_by_exactly_that():
    span = unpaired(np.full(5, 0.5), np.full(3, 0.25), seed=0)
    assert (span.low, span.high) == (0.25, 0.25)
    for a, b in ((np.zeros(0), np.ones(3)), (np.ones(3), np.zeros(0)), (np.zeros(0), np.zeros(0))):
        assert np.isnan([unpaired(a, b, seed=0).low, unpaired(a, b, seed=0).high]).all()


def test_paired_agrees_with_scipy():
    rng = np.random.default_rng(6)
    a, b = rng.random(300), rng.random(300)
    ours = paired(a, b, 20_000, seed=7)
    theirs = scipy.stats.bootstrap(
        (a, b),
        lambda x, y, axis: np.mean(x - y, axis=axis),
        paired=True,
        n_resamples=20_000,
        method="percentile",
        vectorized=True,
        rng=np.random.default_rng(8),
    )
    low, high = theirs.confidence_interval
    assert [ours.interval.low, ours.interval.high] == pytest.approx([low, high], abs=0.03 * (high - low))
    share = np.mean(theirs.bootstrap_distribution <= 0)
    assert ours.p == pytest.approx(2 * min(share, 1 - share), abs=0.02)


def test_a_system_does_not_differ_from_itself():
    values = np.random.default_rng(0).random(30)
    result = paired(values, values, seed=0)
    assert (result.difference, result.interval.low, result.interval.high, result.p) == (0, 0, 0, 1)


def test_pairs_of_different_length_are_refused():
    with pytest.raises(MismatchError, match="found 3 and 4 figures; wanted the same queries"):
        paired(np.zeros(3), np.zeros(4), seed=0)


def test_less_than_one_round_is_refused():
    for ask in (
        lambda: interval(np.ones(2), 0, seed=0),
        lambda: paired(np.ones(2), np.ones(2), 0, seed=0),
        lambda: unpaired(np.ones(2), np.ones(2), 0, seed=0),
        lambda: intervals([np.ones(2)], 0, seed=0),
        lambda: evenness_intervals(np.zeros((1, 1), np.int32), 1, Evenness(0.0, 1.0), 0, seed=0),
    ):
        with pytest.raises(InputError, match="bootstrap rounds: found 0; wanted at least 1"):
            ask()


@settings(max_examples=150, deadline=None)
@given(
    st.integers(1, 25), st.integers(1, 25), st.integers(1, 6), st.integers(1, 40), st.floats(0, 1), st.integers(0, 999)
)
def test_intervals_of_evenness_hold_the_estimates(q, n, k, rounds, empty, seed):
    rng = np.random.default_rng(seed)
    lists = np.full((q, k), -1, np.int32)
    for row in lists[rng.random(q) >= empty]:
        row[: min(k, n)] = rng.choice(n, min(k, n), replace=False)
    estimates, of_gini, of_coverage = evenness_and_intervals(lists, n, rounds, seed)
    assert 0 <= of_coverage.low <= estimates.coverage + 1e-12
    assert estimates.coverage - 1e-12 <= of_coverage.high <= 1
    if np.isnan(estimates.gini):
        assert np.isnan([of_gini.low, of_gini.high]).all()
    elif not np.isnan(of_gini.low):  # NaN where each of a few rounds drew empty lists alone
        assert 0 <= of_gini.low <= estimates.gini + 1e-12
        assert estimates.gini - 1e-12 <= of_gini.high <= 1


def test_gini_interval_holds_an_estimate_that_plain_percentiles_exclude():
    rng = np.random.default_rng(9)
    lists = made_lists(rng, 300, 600, 10, hubs=5)
    estimate, span = gini_and_interval(lists, 600)
    resampled = [gini(retrieval_counts(lists[rng.integers(0, 300, 300)], 600)) for _ in range(300)]
    assert np.percentile(resampled, 2.5) > estimate
    assert span.low < estimate < span.high


def test_gini_interval_is_as_wide_as_a_loop_over_resamples_finds():
    rng = np.random.default_rng(10)
    lists = made_lists(rng, 200, 80, 8, hubs=2)
    lists[::7, 3:] = -1
    estimate, span = gini_and_interval(lists, 80, 4000)
    resampled = [gini(retrieval_counts(lists[rng.integers(0, 200, 200)], 80)) for _ in range(4000)]
    low, middle, high = np.percentile(resampled, [2.5, 50, 97.5])
    expected = [estimate + low - middle, estimate + high - middle]
    assert [span.low, span.high] == pytest.approx(expected, abs=0.05 * (high - low))


def test_coverage_interval_is_as_wide_as_a_loop_over_resamples_finds():
    rng = np.random.default_rng(13)
    lists = made_lists(rng, 200, 400, 8, hubs=1)
    lists[::7, 3:] = -1
    estimates, _, span = evenness_and_intervals(lists, 400, 4000)
    resampled = [coverage(retrieval_counts(lists[rng.integers(0, 200, 200)], 400)) for _ in range(4000)]
    low, middle, high = np.percentile(resampled, [2.5, 50, 97.5])
    assert high < estimates.coverage  # so plain percentiles would exclude it
    expected = [estimates.coverage + low - middle, estimates.coverage + high - middle]
    assert [span.low, span.high] == pytest.approx(expected, abs=2 / 400 + 1e-9)  # two of its steps


def test_nothing_to_retrieve_has_no_evenness():
    for lists, n in ((np.zeros((0, 3), np.int32), 0), (np.full((4, 3), -1, np.int32), 0)):
        _, of_gini, of_coverage = evenness_and_intervals(lists, n)
        assert np.isnan([of_gini.low, of_gini.high, of_coverage.low, of_coverage.high]).all()
    _, of_gini, of_coverage = evenness_and_intervals(np.full((4, 3), -1, np.int32), 5)
    assert np.isnan([of_gini.low, of_gini.high]).all()
    assert (of_coverage.low, of_coverage.high) == (0, 0)


def test_intervals_of_evenness_do_not_depend_on_the_threads():
    lists = made_lists(np.random.default_rng(0), 60, 30, 5, hubs=2)
    assert evenness_and_intervals(lists, 30, 300, threads=1) == evenness_and_intervals(lists, 30, 300, threads=3)


def test_gini_interval_is_right_beyond_sixteen_bits():
    # 70,000 lists of one candidate, half of them the first: counts near 70,000 would overflow 16 bits.
    lists = np.zeros((70_000, 1), np.int32)
    lists[:100] = 1
    estimate, span = gini_and_interval(lists, 2, 70)
    assert estimate == pytest.approx(0.5 - 100 / 70_000, abs=1e-12)
    assert span.low < estimate < span.high < 0.5
    assert span.high - span.low == pytest.approx(2 * 1.96 * 10 / 70_000, rel=0.5)


@pytest.mark.slow
def test_intervals_of_evenness_cover_the_figures_of_fresh_samples():
    """Compare with an oracle: many samples of a known population of lists, and the mean figures of such samples."""
    rng = np.random.default_rng(11)
    population = made_lists(rng, 3000, 200, 20, hubs=1.5)

    def sample():
        return population[rng.integers(0, 3000, 300)]

    counts = [retrieval_counts(sample(), 200) for _ in range(4000)]
    truth = [np.mean([gini(c) for c in counts]), np.mean([coverage(c) for c in counts])]
    covered = np.zeros(2)
    for seed in range(400):
        _, *spans = evenness_and_intervals(sample(), 200, 400, seed)
        covered += [span.low <= right <= span.high for span, right in zip(spans, truth, strict=True)]
    # Of 400 at a true 95 % the share is 0.95 with a standard error of 0.011; coverage moves in steps of 1 / 200.
    assert 0.915 <= covered[0] / 400 <= 0.985
    assert 0.88 <= covered[1] / 400 <= 0.985
