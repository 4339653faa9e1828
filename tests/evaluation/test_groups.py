from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest

import riyl.index.scoring.hubness
from riyl.core.errors import InputError, MismatchError
from riyl.core.storage.ground_truth import Relevance
from riyl.core.storage.scoring_settings import ScoringSettings
from riyl.evaluation.groups import Groups, deal_groups, group_matrix, group_scoring, grouped_system, over_groupings
from riyl.evaluation.protocol import Setup
from riyl.evaluation.retrieval import System
from riyl.evaluation.systems import subsets_of

THREE = ("audio", "cf", "tags")


def in_order(n):
    return np.arange(n, dtype=np.int32)


def links_of(n, pairs):
    unique_pairs = sorted(set(pairs))
    counts = np.bincount([a for a, _ in unique_pairs], minlength=n)
    columns = np.array([b for _, b in unique_pairs], np.int32)
    return Relevance(np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), columns, 0)


def asking(n, lists, covered=None):
    """Build a system with the given lists: a candidate is its own axis, and the first of a list scores highest."""
    queries = np.zeros((n, n), np.float32)
    for row, wanted in lists.items():
        queries[row, wanted] = np.arange(len(wanted), 0, -1)
    covered = np.ones(n, bool) if covered is None else covered
    return System("made", queries * covered[:, None], np.eye(n, dtype=np.float32) * covered[:, None], covered)


def every_group(n, modalities=THREE):
    """Put artist i into group i mod G."""
    subsets = tuple(subsets_of(modalities))
    return Groups(subsets, in_order(n), in_order(n) % len(subsets))


def test_a_single_modality_reaches_four_sevenths_of_log_four_and_no_more():
    # Four artists a group, artist i in group i % 7; groups 1, 3, 5 and 6 keep cf. The t-th artist of each of these has
    # one artist of each of the four in its list, and one more of the t-th: five places of each group for each.
    n, able = 28, [1, 3, 5, 6]
    lists = {
        g + 7 * t: [able[t] + 7 * ((t + 1) % 4), *(h + 7 * ((t + 2) % 4) for h in able)] for g in able for t in range(4)
    }
    system = asking(n, lists, np.isin(in_order(n) % 7, able))
    matrix = group_matrix(system, every_group(n), Setup(links_of(n, [(1, 3)]), in_order(n)))
    wanted = np.zeros((7, 7), np.int64)
    wanted[np.ix_(able, able)] = 5
    assert matrix.counts.tolist() == wanted.tolist()
    assert matrix.entropy == pytest.approx(4 / 7 * math.log(4), abs=1e-12)
    assert matrix.entropy == pytest.approx(0.79216, abs=1e-5)
    assert matrix.shares[0].tolist() == [0] * 7
    assert matrix.row_entropy.tolist() == pytest.approx([0, math.log(4), 0, math.log(4), 0, math.log(4), math.log(4)])


def test_a_single_modality_never_passes_its_ceiling():
    rng = np.random.default_rng(0)
    groups = deal_groups(in_order(700), THREE, seed=0, groupings=1)[0]
    system = grouped_system("single-cf", {"cf": rng.standard_normal((700, 8)).astype(np.float32)}, groups)
    matrix = group_matrix(system, groups, Setup(links_of(700, [(0, 1)]), in_order(700)))
    able = ["cf" in subset for subset in groups.subsets]
    assert (matrix.counts.sum(axis=1) > 0).tolist() == able
    assert (matrix.counts.sum(axis=0) > 0).tolist() == able
    assert 0.78 < matrix.entropy <= 4 / 7 * math.log(4)


def test_noise_spreads_over_all_groups_and_finds_nothing():
    rng = np.random.default_rng(1)
    groups = deal_groups(in_order(1400), THREE, seed=0, groupings=1)[0]
    noise = rng.standard_normal((1400, 30)).astype(np.float32)
    system = grouped_system("noise", dict.fromkeys(THREE, noise), groups)
    np.testing.assert_allclose(system.queries, noise / np.linalg.norm(noise, axis=1, keepdims=True), atol=1e-6)
    pairs = [(a, int(b)) for a in range(1400) for b in rng.choice(1400, 4, replace=False) if a != b]
    matrix = group_matrix(system, groups, Setup(links_of(1400, pairs), in_order(1400), k=50))
    assert math.log(7) - 0.01 < matrix.entropy < math.log(7)
    assert matrix.ndcg_mean < 0.03


def test_groups_that_keep_to_themselves_have_no_entropy():
    # Artist i is in group i % 7, and each group has an axis of its own.
    vectors = np.eye(7, dtype=np.float32)[in_order(70) % 7]
    groups = every_group(70)
    matrix = group_matrix(
        System("made", vectors, vectors, np.ones(70, bool)), groups, Setup(links_of(70, [(0, 7)]), in_order(70))
    )
    assert matrix.counts.tolist() == (np.eye(7, dtype=int) * 50).tolist()
    assert matrix.entropy == 0


def test_figures_by_hand():
    # Two modalities, three groups: a has 0 and 3, b has 1 and 4, a+b has 2 and 5.
    lists = {0: [1, 2, 3, 4, 5], 1: [0, 2, 3, 5, 4], 2: [5, 0, 1, 3, 4], 3: [0, 1, 2, 4, 5], 4: [1, 0, 2, 3, 5]}
    lists[5] = [0, 1, 2, 3, 4]
    links = links_of(6, [(0, 2), (0, 3), (1, 0), (2, 5), (5, 4), (3, 0)])
    matrix = group_matrix(asking(6, lists), every_group(6, "ab"), Setup(links, in_order(6), k=5))
    assert matrix.subsets == (("a",), ("b",), ("a", "b"))
    # Each list is all five others, so each artist finds one of its own group and two of each other.
    assert matrix.counts.tolist() == [[2, 4, 4], [4, 2, 4], [4, 4, 2]]
    assert matrix.shares[0].tolist() == [0.2, 0.4, 0.4]
    assert matrix.entropy == pytest.approx(-(0.2 * math.log(0.2) + 0.8 * math.log(0.4)), abs=1e-12)
    half, third = 1 / math.log2(3), 0.5
    zero = (half + third) / (1 + half)  # 2 and 3 at ranks 2 and 3
    last = 1 / math.log2(6)  # 4 at rank 5
    assert matrix.ndcg.tolist() == pytest.approx([(zero + 1) / 2, 1, (1 + last) / 2], abs=1e-12)
    assert matrix.ndcg_mean == pytest.approx((zero + 1 + 1 + 1 + last) / 5, abs=1e-12)
    # Limited to its own group each artist has one candidate: 0 and 3 find each other, and 2 finds 5.
    assert matrix.ndcg_own == 1


def test_ndcg_among_all_groups_falls_where_groups_mix_wrongly_and_that_inside_each_does_not():
    # Two scenes at the ends of an axis. Reversing one group leaves its own lists as they were, and puts each of its
    # artists into the wrong scene of the other groups: the mixture is as even, and wrong.
    rng = np.random.default_rng(2)
    n = 300
    scene = in_order(n) // 3 % 2
    groups = every_group(n, "ab")
    right = np.stack([2 * scene - 1, np.zeros(n)], axis=1) + 0.1 * rng.standard_normal((n, 2))
    wrong = np.where((groups.group == 1)[:, None], -right, right)
    links = links_of(n, [(a, b) for a in range(n) for b in range(n) if a != b and scene[a] == scene[b]])
    right_matrix, wrong_matrix = (
        group_matrix(
            grouped_system("made", dict.fromkeys("ab", v.astype(np.float32)), groups), groups, Setup(links, in_order(n))
        )
        for v in (right, wrong)
    )
    assert right_matrix.entropy == pytest.approx(wrong_matrix.entropy, abs=0.05)
    assert right_matrix.ndcg_own == pytest.approx(wrong_matrix.ndcg_own, abs=1e-6)
    assert right_matrix.ndcg_mean > wrong_matrix.ndcg_mean + 0.3


def test_the_matrix_equals_plain_loops():
    rng = np.random.default_rng(3)
    n = 120
    rows = np.sort(rng.choice(n, 90, replace=False)).astype(np.int32)
    groups = deal_groups(rows, THREE, seed=4, groupings=1)[0]
    parts = {name: rng.standard_normal((n, 4)).astype(np.float32) for name in THREE}
    pairs = [(int(a), int(b)) for a, b in rng.integers(0, n, (900, 2)) if a != b]
    matrix = group_matrix(grouped_system("made", parts, groups), groups, Setup(links_of(n, pairs), in_order(n), k=10))
    of = dict(zip(rows.tolist(), groups.group.tolist(), strict=True))
    vectors = {}
    for row, g in of.items():
        mean = np.mean([parts[name][row].astype(float) for name in groups.subsets[g]], axis=0)
        vectors[row] = mean / np.linalg.norm(mean)

    def ndcg_of(row, inside):
        relevant = {b for a, b in pairs if a == row and b in inside}
        ranked = sorted((y for y in inside if y != row), key=lambda y: -float(vectors[row] @ vectors[y]))[:10]
        gained = sum(1 / math.log2(i + 2) for i, y in enumerate(ranked) if y in relevant)
        return gained / sum(1 / math.log2(i + 2) for i in range(min(len(relevant), 10))) if relevant else None

    counts = Counter()
    for row in of:
        ranked = sorted((y for y in of if y != row), key=lambda y: -float(vectors[row] @ vectors[y]))
        counts.update((of[row], of[y]) for y in ranked[:5])
    assert matrix.counts.tolist() == [[counts[g, h] for h in range(7)] for g in range(7)]
    entropies = [-sum(c / sum(r) * math.log(c / sum(r)) for c in r if c) for r in matrix.counts.tolist()]
    assert matrix.row_entropy.tolist() == pytest.approx(entropies, abs=1e-12)
    assert matrix.entropy == pytest.approx(sum(entropies) / 7, abs=1e-12)
    everyone = [s for row in of if (s := ndcg_of(row, of)) is not None]
    assert matrix.ndcg_mean == pytest.approx(np.mean(everyone), abs=1e-12)
    own_group_scores = [s for row in of if (s := ndcg_of(row, [y for y in of if of[y] == of[row]])) is not None]
    assert matrix.ndcg_own == pytest.approx(np.mean(own_group_scores), abs=1e-12)


@pytest.mark.parametrize("modalities", [("a",), ("a", "b"), THREE, ("a", "b", "c", "d")])
def test_any_number_of_modalities_has_groups_of_equal_size(modalities):
    g = 2 ** len(modalities) - 1
    for groups in deal_groups(in_order(10 * g + 1), modalities, seed=0):
        assert groups.subsets == tuple(subsets_of(modalities))
        assert np.bincount(groups.group).tolist() == [11] + [10] * (g - 1)


def test_groupings_repeat_for_a_seed_and_do_not_depend_on_their_number():
    groupings, fewer = deal_groups(in_order(50), THREE, 3, 5), deal_groups(in_order(50), THREE, 3, 2)
    for actual, wanted in zip(groupings, fewer, strict=False):
        np.testing.assert_array_equal(actual.group, wanted.group)
    assert len({tuple(g.group.tolist()) for g in [*groupings, *deal_groups(in_order(50), THREE, 4, 5)]}) == 10


def test_an_artist_is_known_by_its_groups_modalities_alone():
    parts = {"a": np.array([[1, 0]] * 4, np.float32), "b": np.array([[0, 1]] * 4, np.float32)}
    groups = Groups((("a",), ("b",), ("a", "b")), np.array([0, 1, 3], np.int32), np.array([2, 0, 1], np.int32))
    system = grouped_system("made", parts, groups)
    half = math.sqrt(0.5)
    np.testing.assert_allclose(system.queries, [[half, half], [1, 0], [0, 0], [0, 1]], atol=1e-7)
    assert system.covered.tolist() == [True, True, False, True]
    alone = grouped_system("made", {"b": parts["b"]}, groups)
    np.testing.assert_array_equal(alone.queries, [[0, 1], [0, 0], [0, 0], [0, 1]])
    assert alone.covered.tolist() == [True, False, False, True]


def test_a_system_that_embeds_no_group_has_entropy_zero_and_scores_zero():
    groups = every_group(21)
    system = grouped_system("made", {"other": np.ones((21, 2), np.float32)}, groups)
    matrix = group_matrix(system, groups, Setup(links_of(21, [(0, 7)]), in_order(21)))
    assert (matrix.entropy, matrix.ndcg_mean, matrix.ndcg_own, matrix.counts.sum()) == (0, 0, 0, 0)
    assert np.isnan(matrix.ndcg[1:]).all()


def test_mean_and_deviation_over_groupings():
    rng = np.random.default_rng(5)
    parts = {name: rng.standard_normal((100, 4)).astype(np.float32) for name in THREE}
    links = links_of(100, [(int(a), int(b)) for a, b in rng.integers(0, 100, (400, 2)) if a != b])
    matrices = [
        group_matrix(grouped_system("made", parts, groups), groups, Setup(links, in_order(100), k=20))
        for groups in deal_groups(in_order(100), THREE, 0, 3)
    ]
    summary = over_groupings(matrices)
    a, b, c = (m.entropy for m in matrices)
    mean = (a + b + c) / 3
    assert summary.entropy.mean == pytest.approx(mean, abs=1e-12)
    squares = (a - mean) ** 2 + (b - mean) ** 2 + (c - mean) ** 2
    assert summary.entropy.deviation == pytest.approx(math.sqrt(squares / 2), abs=1e-12)
    np.testing.assert_allclose(summary.shares, sum(m.shares for m in matrices) / 3, atol=1e-12)
    assert summary.ndcg.mean == pytest.approx(sum(m.ndcg_mean for m in matrices) / 3, abs=1e-12)
    assert math.isnan(over_groupings(matrices[:1]).entropy.deviation)


def test_what_does_not_fit_is_refused():
    with pytest.raises(InputError, match="found 6 artists, 7 groups and 5 groupings"):
        deal_groups(in_order(6), THREE, 0)
    with pytest.raises(InputError, match="found 6 artists, 0 groups"):
        deal_groups(in_order(6), (), 0)
    groups = every_group(7)
    system, links = grouped_system("made", {"audio": np.ones((7, 2), np.float32)}, groups), links_of(7, [(0, 1)])
    with pytest.raises(InputError, match="list length: found 4; wanted at least 5"):
        group_matrix(system, groups, Setup(links, in_order(7), k=4))
    unordered = Groups(groups.subsets, groups.rows[::-1], groups.group)
    with pytest.raises(MismatchError, match="wanted one group for each row, rows ascending"):
        group_matrix(system, unordered, Setup(links, in_order(7)))
    with pytest.raises(InputError, match="found no grouping"):
        over_groupings([])
    matrix = group_matrix(system, groups, Setup(links, in_order(7)))
    other_matrix = group_matrix(
        grouped_system("other", {"a": np.ones((7, 2), np.float32)}, groups), groups, Setup(links, in_order(7))
    )
    with pytest.raises(MismatchError, match="groupings of made, other; wanted one system"):
        over_groupings([matrix, other_matrix])


def test_calibration_lets_the_groups_meet():
    # two modalities with the same information, each with an axis of its own that attracts its artists to each other
    rng = np.random.default_rng(0)
    latent = rng.standard_normal((600, 6))
    parts = {}
    for axis, name in enumerate(("audio", "tags")):
        parts[name] = np.hstack([latent + 0.3 * rng.standard_normal((600, 6)), np.zeros((600, 2))]).astype(np.float32)
        parts[name][:, 6 + axis] = 1.5
    groups = deal_groups(in_order(600), ["audio", "tags"], seed=0, groupings=1)[0]
    links = links_of(600, [(i, j) for i in range(600) for j in np.argsort(-latent[i] @ latent.T)[1:4].tolist()])

    def figures(settings):
        scoring = None if settings is None else group_scoring(parts, groups, settings)
        system = grouped_system("made", parts, groups, scoring)
        return group_matrix(system, groups, Setup(links, in_order(600)))

    raw = figures(None)
    same = figures(ScoringSettings())
    assert same.counts.tolist() == raw.counts.tolist()
    calibrated = figures(ScoringSettings(calibration=1.0, tail=0.01))
    assert raw.entropy < 0.9
    assert calibrated.entropy > 1.0 > raw.entropy  # log 3 = 1.0986 is even
    assert calibrated.ndcg_mean > raw.ndcg_mean


def test_groups_are_balanced_to_equal_targets(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(riyl.index.scoring.hubness, "MAX_SHARE", 1.0)
    rng = np.random.default_rng(1)
    parts = {name: (rng.standard_normal((90, 6)) + np.eye(6)[0]).astype(np.float32) for name in ("audio", "tags")}
    groups = deal_groups(in_order(90), ["audio", "tags"], seed=0, groupings=1)[0]
    settings = ScoringSettings(balanced={10: 1.0}, target_exponent=1.0, sweeps=8)
    system = grouped_system("made", parts, groups, group_scoring(parts, groups, settings))
    counts = []
    for each in (system, grouped_system("made", parts, groups)):
        scores = each.queries @ each.candidates.T
        np.fill_diagonal(scores, -np.inf)
        counts.append(np.bincount(np.argsort(-scores, axis=1)[:, :10].ravel(), minlength=90))
    assert counts[0].std() < 0.4 * counts[1].std()
