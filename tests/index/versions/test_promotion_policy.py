from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from riyl.core.settings import Settings
from riyl.core.storage.memory_map import write_arrow
from riyl.index.artifact.arrays import LIST_LENGTH
from riyl.index.artifact.version import Version, seal_version
from riyl.index.versions.promotion_policy import FIGURES, Limits, judge, overlap

Sizes = dict[str, dict[str, int]]

LIMITS = Limits(min_share=0.9, min_table_share=0.8, min_overlap=0.3, max_drop=0.05)
SHARE = "artists embedded, as a share of the current version's"
OVERLAP = "mean overlap@50 with the current version's lists"
TABLES = "tables compared with the current version's"
NDCG = "nDCG@200 on the truth"


def made(
    folder: Path, lists: dict[str, list[str] | None], *, quality_checks: bool = True, sizes: Sizes | None = None
) -> Version:
    """Write a version with the files that the policy reads: each artist's list, None where it is not embedded."""
    ids = sorted(lists)
    at = {artist: row for row, artist in enumerate(ids)}
    neighbours = np.full((len(ids), LIST_LENGTH), -1, np.int32)
    for artist, similar in lists.items():
        neighbours[at[artist], : len(similar or [])] = [at[other] for other in similar or []]
    has_embedding = np.array([lists[artist] is not None for artist in ids], np.bool_)
    folder.mkdir()
    np.save(folder / "neighbours.npy", neighbours)
    np.save(folder / "scores.npy", np.where(neighbours < 0, np.nan, 0).astype(np.float32))
    np.save(folder / "has_embedding.npy", has_embedding)
    nothing = {"mbid": pa.nulls(len(ids), pa.string()), "aliases": pa.nulls(len(ids), pa.list_(pa.string()))}
    write_arrow(folder / "artists.arrow", pa.table({"artist_id": pa.array(ids, pa.string()), "name": ids, **nothing}))
    checks = [
        {"name": "recall@10 of the ready lists", "found": 1.0, "wanted": "at least 0.99", "passed": quality_checks}
    ]
    fields = {"id": folder.name, "quality_checks": {"passed": quality_checks, "checks": checks}}
    if sizes is not None:
        fields["sizes"] = sizes
    counts = {"artists": len(ids), "embedded": int(has_embedding.sum()), "not_embedded": {}, "by_pattern": {}}
    made_of = dict.fromkeys(("model", "model_name", "snapshot"), "x") | {"last_change": 0, "settings": {}, "dim": 8}
    lists_of_names = {name: [] for name in ("patterns", "evidence", "parts", "sets")}
    seal_version(folder, {**fields, "counts": counts, **made_of, **lists_of_names})
    return Version.open(folder)


def ring(ids: list[str], length: int) -> dict[str, list[str] | None]:
    """Return each artist's list: the artists that follow it, cyclically."""
    return {artist: (ids[i + 1 :] + ids[:i])[:length] for i, artist in enumerate(ids)}


def named(n: int) -> list[str]:
    return [f"a{i:03d}" for i in range(n)]


THREE = {"a": ["b", "c"], "b": ["a", "c"], "c": ["a", "b"]}


def test_the_overlap_by_hand_over_the_artists_known_in_both(tmp_path: Path) -> None:
    last = made(tmp_path / "last", {"a": ["b", "d"], "b": ["a", "c"], "c": None, "d": ["a", "b"], "z": ["a", "b"]})
    new = made(tmp_path / "new", {"0": ["a", "b"], "a": ["b", "0"], "b": ["d", "a"], "c": ["a", "b"], "d": ["b", "a"]})
    # a: b of 2; b: a of 2; c has no embedding in the last; d: both, in any order; 0 and z are only in one.
    assert overlap(new, last) == pytest.approx((1 / 2 + 1 / 2 + 2 / 2) / 3, abs=1e-12)
    assert overlap(last, new) == overlap(new, last)


def test_the_overlap_is_that_of_sets_of_the_first_fifty(tmp_path: Path) -> None:
    ids = named(130)
    rng = np.random.default_rng(3)
    left, right = (
        made(
            tmp_path / name,
            {a: [b for b in rng.permutation(artist_ids).tolist() if b != a][:60] for a in artist_ids},
        )
        for name, artist_ids in (("one", ids[:120]), ("two", ids[10:]))
    )
    shares = []
    for artist in ids[10:120]:
        first, second = (
            {v.artist_ids[row] for row in v.neighbours[v.artist_ids.index(artist), :50].tolist()} for v in (left, right)
        )
        shares.append(len(first & second) / 50)
    assert overlap(left, right) == pytest.approx(np.mean(shares), abs=1e-12)


def test_a_list_as_long_as_it_can_be_counts_in_full(tmp_path: Path) -> None:
    last = made(tmp_path / "last", {"a": ["b"], "b": ["a"]})
    assert overlap(made(tmp_path / "new", THREE), last) == (1 / 1 + 1 / 1) / 2


def test_a_sample_repeats_for_a_seed(tmp_path: Path) -> None:
    ids = named(40)
    last = made(tmp_path / "last", ring(ids, 5))
    new = made(tmp_path / "new", {a: ring(ids, 5)[a] if i % 2 else ids[:1] for i, a in enumerate(ids)})
    assert overlap(new, last, sample=9, seed=4) == overlap(new, last, sample=9, seed=4)
    assert len({overlap(new, last, sample=9, seed=seed) for seed in range(9)}) > 1


def test_no_artist_in_common_is_an_overlap_of_nothing(tmp_path: Path) -> None:
    assert overlap(made(tmp_path / "new", {"x": ["y"], "y": ["x"]}), made(tmp_path / "last", THREE)) == 0


def test_artists_without_any_neighbour_are_passed_over(tmp_path: Path) -> None:
    alone = made(tmp_path / "alone", {"a": [], "b": None})
    assert overlap(alone, made(tmp_path / "same", {"a": [], "b": None})) == 1
    assert overlap(alone, made(tmp_path / "last", THREE)) == 1


def test_a_first_version_is_judged_by_its_own_gate(tmp_path: Path) -> None:
    report = judge(made(tmp_path / "new", THREE), None, LIMITS)
    assert [(c.name, c.found, c.wanted) for c in report.checks] == [
        ("recall@10 of the ready lists", 1.0, "at least 0.99")
    ]
    assert report.passed
    assert not judge(made(tmp_path / "bad", THREE, quality_checks=False), None, LIMITS).passed


def test_there_is_nothing_to_compare_with_itself_or_with_nobody(tmp_path: Path) -> None:
    new, nobody = made(tmp_path / "new", THREE), made(tmp_path / "nobody", {"a": None, "b": None})
    for last in (new, nobody):
        assert len(judge(new, last, LIMITS, ndcg=lambda version: 0.0).checks) == 1


def test_its_own_gate_stands_before_what_is_compared(tmp_path: Path) -> None:
    new, last = made(tmp_path / "new", THREE, quality_checks=False), made(tmp_path / "last", THREE)
    report = judge(new, last, LIMITS, ndcg=lambda version: 0.2)
    assert [(c.name, c.found, c.wanted, c.passed) for c in report.checks] == [
        ("recall@10 of the ready lists", 1.0, "at least 0.99", False),
        (SHARE, 1.0, "at least 0.9 (RIYL_QUALITY_MIN_SHARE)", True),
        (TABLES, 0, "any number: version last records no table sizes", True),
        (OVERLAP, 1.0, "at least 0.3 (RIYL_QUALITY_MIN_OVERLAP)", True),
        (NDCG, 0.2, "at least 0.19 (RIYL_QUALITY_MAX_DROP)", True),
    ]
    assert not report.passed


def test_too_few_artists_fail(tmp_path: Path) -> None:
    ids = named(20)
    last = made(tmp_path / "last", ring(ids, 5))
    for n, passed in ((18, True), (17, False)):
        lists = {a: similar if i < n else None for i, (a, similar) in enumerate(ring(ids, 5).items())}
        share = judge(made(tmp_path / f"of{n}", lists), last, LIMITS).checks[1]
        assert (share.name, share.found, share.passed) == (SHARE, n / 20, passed)


def test_lists_of_others_fail(tmp_path: Path) -> None:
    ids = named(40)
    last = made(tmp_path / "last", ring(ids, 5))
    turned = judge(made(tmp_path / "turned", ring(ids[::-1], 5)), last, LIMITS)
    assert turned.failures == f"{OVERLAP}: found 0, wanted at least 0.3 (RIYL_QUALITY_MIN_OVERLAP)"
    assert judge(made(tmp_path / "same", ring(ids, 5)), last, LIMITS).passed


@pytest.mark.parametrize(
    ("new", "last", "actual", "wanted", "passed"),
    [
        (0.19, 0.2, 0.19, "at least 0.19", True),
        (0.18, 0.2, 0.18, "at least 0.19", False),
        (0.1, 0.0, 0.1, "at least 0", True),
        (float("nan"), 0.2, -1.0, "at least 0.19", False),
        (0.1, float("nan"), 0.1, "at least 0", True),
        (float("nan"), float("nan"), -1.0, "at least 0", False),
    ],
)
def test_a_drop_on_the_truth_and_a_figure_that_is_undefined_fail(
    tmp_path: Path, new: float, last: float, actual: float, wanted: str, passed: bool
) -> None:
    figures = {"new": new, "last": last}
    versions = [made(tmp_path / name, THREE) for name in figures]
    check = judge(*versions, LIMITS, ndcg=lambda version: figures[version.id]).checks[-1]
    assert (check.name, check.found, check.wanted, check.passed) == (
        NDCG,
        actual,
        f"{wanted} (RIYL_QUALITY_MAX_DROP)",
        passed,
    )


def test_the_limits_are_the_settings(tmp_path: Path) -> None:
    settings = Settings(
        home=tmp_path, quality_min_share=0.7, quality_min_table_share=0.6, quality_min_overlap=0.2, quality_max_drop=0.1
    )
    assert Limits.of(settings) == Limits(min_share=0.7, min_table_share=0.6, min_overlap=0.2, max_drop=0.1)


WHOLE: Sizes = {
    "artists": {"rows": 3},
    "plays": {"rows": 1000, "artists": 3, "listeners": 50, "used": 900},
    "tags": {"rows": 20, "artists": 2, "used": 0},
}
OF = "as a share of the current version's"


def tables_of(folder: Path, new: Sizes | None, last: Sizes | None) -> list[tuple[str, float, bool]]:
    report = judge(made(folder / "new", THREE, sizes=new), made(folder / "last", THREE, sizes=last), LIMITS)
    return [(c.name, c.found, c.passed) for c in report.checks if c.name.endswith(OF) and "table" in c.name]


def test_every_figure_of_every_table_is_held_against_the_current_versions(tmp_path: Path) -> None:
    more = {**WHOLE, "plays": {"rows": 1500, "artists": 3, "listeners": 60, "used": 800}, "bio": {"rows": 9}}
    assert tables_of(tmp_path, more, WHOLE) == [
        (f"rows of table artists, {OF}", 1.0, True),
        (f"rows of table plays, {OF}", 1.5, True),
        (f"artists of table plays, {OF}", 1.0, True),
        (f"listeners of table plays, {OF}", 1.2, True),
        (f"entries known to the featurizer of table plays, {OF}", 800 / 900, True),
        (f"rows of table tags, {OF}", 1.0, True),
        (f"artists of table tags, {OF}", 1.0, True),
    ]


@pytest.mark.parametrize("figure", ["rows", "artists", "listeners", "used"])
def test_a_table_that_shrank_in_any_figure_is_refused(tmp_path: Path, figure: str) -> None:
    checks = tables_of(tmp_path, {**WHOLE, "plays": {**WHOLE["plays"], figure: 1}}, WHOLE)
    (failed,) = [(name, share) for name, share, passed in checks if not passed]
    assert failed == (f"{FIGURES[figure]} of table plays, {OF}", 1 / WHOLE["plays"][figure])


def test_the_least_share_is_let_through_and_less_is_not(tmp_path: Path) -> None:
    for rows, passed in ((800, True), (799, False)):
        (tmp_path / str(rows)).mkdir()
        now = {**WHOLE, "plays": {**WHOLE["plays"], "rows": rows}}
        assert all(ok for _, _, ok in tables_of(tmp_path / str(rows), now, WHOLE)) is passed


def test_a_table_that_is_missing_whole_is_refused_and_said_how_much_there_was(tmp_path: Path) -> None:
    last = made(tmp_path / "last", THREE, sizes=WHOLE)
    without = {name: figures for name, figures in WHOLE.items() if name != "tags"}
    report = judge(made(tmp_path / "new", THREE, sizes=without), last, LIMITS)
    assert report.failures == "; ".join(
        f"{figure} of table tags, {OF}: found 0, wanted at least 0.8 (RIYL_QUALITY_MIN_TABLE_SHARE) "
        f"(0, where version last had {count}: check that the table is complete; if it is, "
        "promote by hand with --force)"
        for figure, count in (("rows", 20), ("artists", 2))
    )


@pytest.mark.parametrize(("new", "last", "silent"), [(WHOLE, None, "last"), (None, WHOLE, "new"), (None, None, "last")])
def test_what_a_version_does_not_say_is_not_compared_and_that_is_said(
    tmp_path: Path, new: Sizes | None, last: Sizes | None, silent: str
) -> None:
    report = judge(made(tmp_path / "new", THREE, sizes=new), made(tmp_path / "last", THREE, sizes=last), LIMITS)
    assert report.passed
    (check,) = [c for c in report.checks if c.name == TABLES]
    assert check.wanted == f"any number: version {silent} records no table sizes"
