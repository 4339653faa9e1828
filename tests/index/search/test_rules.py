"""Lists under rules against a naive reference: every artist scored in plain Python, then each rule applied."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from riyl.core.catalog.tables import Tables
from riyl.core.errors import InputError, NothingKnownError
from riyl.core.rules import Rule, RuleKind, Rules
from riyl.index.artifact.version import Version
from riyl.index.build.build import build_version
from riyl.index.scoring.tie_breaking import tie_break_rank
from riyl.index.search.neighbours import Neighbours
from riyl.index.search.rules import BoundRules, RuleState, apply_rules, ready
from riyl.index.search.searcher import Searcher
from riyl.training.config import load_config
from riyl.training.features.build import build_snapshot
from riyl.training.train import train
from tests.conftest import SMALL_RECIPE
from tests.index.conftest import MBID, write_world

BLOCK, NEVER, PIN = RuleKind
Given = tuple[RuleKind, str, str | None]


def made(*definitions: Given) -> Rules:
    return Rules(len(definitions), tuple(Rule(number, *rule) for number, rule in enumerate(definitions, 1)))


def naive(
    version: Version, rules: Rules, x: int, k: int, *, uncorrected: bool = False
) -> list[tuple[str, float, bool]]:
    """Return id, score and whether pinned, of each artist of the list."""
    ids, order = version.artist_ids, tie_break_rank(version.artist_ids, 0)
    h, c, patterns = version.scoring.h, version.scoring.c, version.patterns
    e = version.embeddings.astype(np.float64)
    scores = {
        y: sum(float(a) * float(b) for a, b in zip(e[x], e[y], strict=True))
        + (0.0 if uncorrected else float(c[patterns[x], patterns[y]]) - float(h[y]))
        for y in range(len(ids))
        if y != x and version.has_embedding[y]
    }
    for rule in rules.rules:
        pair = {rule.artist, rule.other}
        for y in list(scores):
            blocked = rule.kind is BLOCK and ids[y] == rule.artist
            if blocked or (rule.kind is NEVER and pair == {ids[x], ids[y]}):
                del scores[y]
    pinned = [
        y for rule in rules.rules for y in scores if rule.kind is PIN and (rule.artist, rule.other) == (ids[x], ids[y])
    ]
    others = sorted(set(scores) - set(pinned), key=lambda y: (-np.float32(scores[y]), order[y]))
    return [(ids[y], scores[y], y in pinned) for y in (*pinned, *others)][:k]


def as_naive(searcher: Searcher, neighbours: Neighbours) -> list[tuple[str, float, bool]]:
    return [
        (artist, float(score), position < neighbours.n_pinned)
        for position, (artist, score) in enumerate(
            zip(searcher.ids_of(neighbours.rows), neighbours.scores, strict=True)
        )
    ]


def same(actual: list[tuple[str, float, bool]], wanted: list[tuple[str, float, bool]]) -> None:
    assert [(artist, pinned) for artist, _, pinned in actual] == [(artist, pinned) for artist, _, pinned in wanted]
    np.testing.assert_allclose([score for _, score, _ in actual], [score for _, score, _ in wanted], atol=2e-6)


def artist(row: int) -> str:
    return f"a{row:03d}"


@pytest.fixture
def short_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten ready lists to 8, so that rules leave too few in them."""
    long = Searcher.ready

    def ready(self: Searcher, row: int) -> Neighbours:
        listed = long(self, row)
        return Neighbours(listed.rows[:8], listed.scores[:8], whole=len(listed.rows) <= 8)

    monkeypatch.setattr(Searcher, "ready", ready)


@pytest.mark.usefixtures("short_lists")
@pytest.mark.parametrize("which", ["version", "corrected"])
def test_lists_under_any_rules_are_the_naive_ones(which: str, request: pytest.FixtureRequest) -> None:
    version: Version = request.getfixturevalue(which)
    searcher, rng = Searcher(version), np.random.default_rng(5)
    searched = pins = 0
    for _ in range(40):
        definitions: list[Given] = [(BLOCK, artist(row), None) for row in rng.permutation(61)[: rng.integers(0, 12)]]
        for kind in (NEVER, PIN):
            pairs = rng.integers(0, 61, (rng.integers(0, 120), 2)).tolist()
            definitions += [(kind, artist(x), artist(y)) for x, y in pairs if x != y]
        definitions = list(dict.fromkeys(definitions[i] for i in rng.permutation(len(definitions))))
        rules = made((NEVER, "a000", "a001"), *definitions)  # at least one rule: without any, lists stay short
        bound = BoundRules.of(rules, searcher)
        for x in rng.permutation(59)[:8].tolist():
            if x in bound.blocked:
                continue
            for k in (1, 3, 8, 20):
                for uncorrected in (False, True):
                    actual = as_naive(searcher, apply_rules(searcher, bound, x, k, uncorrected=uncorrected))
                    same(actual, naive(version, rules, x, k, uncorrected=uncorrected))
                searched += ready(searcher, bound, x, k) is None
                pins += apply_rules(searcher, bound, x, k).n_pinned
    assert searched > 50
    assert pins > 50


def test_with_no_rules_a_list_is_the_ready_one(corrected: Version) -> None:
    searcher = Searcher(corrected)
    none = BoundRules.of(made((BLOCK, "nobody", None), (PIN, "a001", "nobody")), searcher)
    assert not none
    for neighbours in (apply_rules(searcher, none, 3, 200), ready(searcher, none, 3, 200)):
        assert neighbours is not None
        assert neighbours.rows.tobytes() == searcher.similar(3, 200).rows.tobytes()
        assert neighbours.scores.tobytes() == searcher.similar(3, 200).scores.tobytes()
    assert (
        apply_rules(searcher, none, 3, 9, uncorrected=True).rows.tolist()
        == searcher.similar(3, 9, uncorrected=True).rows.tolist()
    )


def test_a_pin_keeps_the_score_that_it_has_without(corrected: Version) -> None:
    searcher = Searcher(corrected)
    before = searcher.similar(3, 58)
    last = before.rows[-1]
    neighbours = apply_rules(searcher, BoundRules.of(made((PIN, "a003", artist(int(last)))), searcher), 3, 5)
    assert (neighbours.rows[0], neighbours.scores[0], neighbours.n_pinned) == (last, before.scores[-1], 1)
    assert neighbours.rows[1:].tolist() == before.rows[:4].tolist()


def test_asked_with_several_whoever_is_forbidden_with_one_is_hidden(version: Version) -> None:
    rules = made(
        (NEVER, "a001", "a002"),
        (NEVER, "a003", "a004"),
        (BLOCK, "a009", None),
        (PIN, "a004", "a010"),
        (PIN, "a001", "a011"),
        (PIN, "a004", "a011"),
        (PIN, "a001", "a003"),
        (PIN, "a001", "a004"),
    )
    bound = BoundRules.of(rules, Searcher(version))
    assert bound.hidden([1, 3]).tolist() == [2, 4, 9]
    assert bound.hidden([2]).tolist() == [1, 9]
    assert bound.hidden([]).tolist() == [9]
    rows = np.arange(12, dtype=np.int32)
    for seeds in ([1, 3], [2], []):
        assert rows[~bound.shows(rows, seeds)].tolist() == bound.hidden(seeds).tolist()
    assert bound.pins([1]) == [11, 3, 4]
    assert bound.pins([4, 1]) == [10, 11]  # 3 is forbidden with 4, and 4 is a seed itself
    assert bound.pins([1, 3]) == [11]


def test_rules_name_ids_and_never_an_mbid(version: Version) -> None:
    searcher = Searcher(version)
    mbid = searcher.artist(1).mbid
    assert mbid is not None
    assert not BoundRules.of(made((BLOCK, mbid, None), (BLOCK, mbid.lower(), None)), searcher)


def test_each_rule_says_what_has_become_of_it(version: Version) -> None:
    searcher = Searcher(version)
    rules = made(
        (BLOCK, "a001", None), (BLOCK, "nobody", None), (NEVER, "a002", "nobody"), (NEVER, "a002", "a003"),
        (PIN, "a002", "a004"), (PIN, "a002", "a003"), (PIN, "a004", "a001"), (PIN, "a001", "a004"),
        (PIN, "a004", "a059"), (PIN, "a059", "a004"), (PIN, "nobody", "a004"),
    )  # fmt: skip
    bound = BoundRules.of(rules, searcher)
    force, unknown, over, none = RuleState.IN_FORCE, RuleState.UNKNOWN, RuleState.OVERRULED, RuleState.NO_EMBEDDING
    states = [bound.state(rule, searcher) for rule in rules.rules]
    assert states == [force, unknown, unknown, force, force, over, over, over, none, none, unknown]


def test_who_cannot_be_asked_is_an_error_under_rules_too(corrected: Version) -> None:
    searcher = Searcher(corrected)
    bound = BoundRules.of(made((BLOCK, "a001", None), (PIN, "a059", "a002")), searcher)
    for uncorrected in (False, True):
        with pytest.raises(NothingKnownError):
            apply_rules(searcher, bound, 59, 5, uncorrected=uncorrected)
        with pytest.raises(InputError, match="k: found 0"):
            apply_rules(searcher, bound, 2, 0, uncorrected=uncorrected)


def test_names_pass_over_whom_they_are_told_to(version: Version) -> None:
    searcher = Searcher(version)
    assert searcher.search_names("bjork", 10, {0}) == [12]
    assert searcher.search_names("bjork", 1, {0}) == [12]
    assert searcher.search_names("bjork", 10, {0, 12}) == []
    everyone = searcher.search_names("artist", 60)
    assert len(everyone) > 20
    for hidden in (set(everyone[:20]), set(everyone[1::2])):
        assert searcher.search_names("artist", 5, hidden) == [row for row in everyone if row not in hidden][:5]
    assert sorted(searcher.named("aurora", {5})) == [6]
    # no artist has exactly this name any more, so accents are ignored
    assert searcher.named("aurora", {5, 6}) == [7]
    assert searcher.named("aurora", {5, 6, 7}) == []


def test_of_several_with_one_mbid_one_is_meant_only_where_the_others_are_passed_over(tmp_path: Path) -> None:
    folder = write_world(tmp_path / "tables")
    artists = pq.read_table(folder / "artists.parquet")
    mbids = [MBID if row in (3, 20) else MBID.upper() if row == 7 else None for row in range(60)]
    column = artists.column_names.index("mbid")
    pq.write_table(artists.set_column(column, "mbid", pa.array(mbids)), folder / "artists.parquet")
    snapshot = build_snapshot(Tables.open(folder), SMALL_RECIPE, tmp_path / "snapshots")
    model = train(*load_config("random-projection"), snapshot, tmp_path / "models")
    searcher = Searcher(build_version(model, snapshot, tmp_path / "versions"))
    for text in (MBID, MBID.upper()):
        without = [(), {3}, {3, 7}, {7, 20}, {3, 7, 20}]
        assert [searcher.rows_of(text, each) for each in without] == [[3, 7, 20], [7, 20], [20], [3], []]
        assert [searcher.row_of(text, each) for each in without] == [None, None, 20, 3, None]
        assert searcher.rows_now(text) == searcher.rows_meant(text) == [3, 7, 20]
    assert [searcher.row_of("a003", {3}), searcher.row_of("a003", {7})] == [None, 3]
    assert [searcher.row_of_id(text) for text in (MBID, "a003")] == [None, 3]
