"""Pages of a list over a version with changes and rules, against one long list and a naive search among all."""

from __future__ import annotations

import numpy as np
import pytest

from riyl.core.rules import RuleKind
from riyl.index.search.rules import BoundRules, apply_rules, ready
from tests.index.overlay.naive import Naive
from tests.index.overlay.world import World, some
from tests.index.search.test_rules import made

BLOCK, NEVER, PIN = RuleKind


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("world"), "corrected")


@pytest.mark.parametrize("deleted", [15, 90])
@pytest.mark.parametrize("with_rules", [False, True])
def test_pages_are_the_parts_of_one_list_whatever_their_length(world: World, deleted: int, with_rules: bool) -> None:
    rng = np.random.default_rng(deleted)
    effective = some(rng, new=25, old=20, deleted=deleted)
    searcher, naive = world.searcher.under(world.changing()(effective, 200)), Naive(world, effective)
    artists = sorted(naive.known)
    blocked = {str(artist) for artist in rng.choice(artists, 80 * with_rules, replace=False)}
    seeds = [artist for artist in rng.permutation(artists).tolist() if artist not in blocked][:10]
    others = {seed: [other for other in rng.permutation(artists).tolist() if other != seed] for seed in seeds}
    never = {seed: set(others[seed][: 9 * with_rules]) for seed in seeds}
    pins = {seed: others[seed][5 : 5 + 12 * with_rules] for seed in seeds}
    rules = made(
        *((BLOCK, artist, None) for artist in blocked),
        *((NEVER, seed, other) for seed in seeds for other in never[seed]),
        *((PIN, seed, other) for seed in seeds for other in pins[seed]),
    )
    bound = BoundRules.of(rules, searcher)
    n_searched = 0
    for seed in seeds:
        row = searcher.row_of_id(seed)
        assert row is not None
        for uncorrected in (False, True):
            long = apply_rules(searcher, bound, row, 1000, uncorrected=uncorrected)
            assert long.whole
            for k in (1, 7, 100, 256, 999):
                for offset in range(0, len(long.rows) + k, max(k, 30)):
                    page = apply_rules(searcher, bound, row, k, offset=offset, uncorrected=uncorrected)
                    assert page.rows.tobytes() == long.rows[offset : offset + k].tobytes()
                    assert page.scores.tobytes() == long.scores[offset : offset + k].tobytes()
                    assert page.n_pinned == len(range(offset, min(offset + k, long.n_pinned)))
                    assert page.whole == (offset + k >= len(long.rows))
                    n_searched += ready(searcher, bound, row, k, offset) is None
        long = apply_rules(searcher, bound, row, 1000)
        hidden = blocked | never[seed] | {other for other in seeds if seed in never[other]}
        pinned = [other for other in pins[seed] if other not in hidden]
        scores = {other: score for other, score in naive.scores(seed).items() if other not in {*hidden, *pinned}}
        ids = searcher.ids_of(long.rows)
        assert ids[: long.n_pinned] == pinned
        assert set(ids[long.n_pinned :]) == set(scores)
        assert len(ids) == len(pinned) + len(scores)
        np.testing.assert_allclose(long.scores[long.n_pinned :], [scores[a] for a in ids[long.n_pinned :]], atol=2e-5)
        np.testing.assert_allclose(long.scores[long.n_pinned :], sorted(scores.values(), reverse=True), atol=2e-5)
    assert n_searched > 50
