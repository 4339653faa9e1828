"""Exported lists under rules; without rules see test_neighbours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from riyl.core.rules import RuleKind, Rules
from riyl.index.artifact.version import Version
from riyl.index.build.neighbour_lists import restrict
from riyl.index.export import export_neighbours
from riyl.index.search.rules import BoundRules
from riyl.index.search.searcher import Searcher
from tests.index.search.test_rules import made, naive

BLOCK, NEVER, PIN = RuleKind
RULES = made(
    (BLOCK, "a001", None), (BLOCK, "a007", None), (NEVER, "a002", "a005"), (NEVER, "a002", "a008"),
    (PIN, "a003", "a010"), (PIN, "a003", "a002"), (PIN, "a003", "a007"), (PIN, "a020", "a059"), (PIN, "a004", "a003"),
)  # fmt: skip


def exported(version: Version, rules: Rules, out: Path, k: int, keep: list[str] | None) -> dict[str, dict[str, float]]:
    bound = BoundRules.of(rules, Searcher(version))
    mask = None if keep is None else restrict(version, None, keep)
    n = export_neighbours(version, out, k, keep=mask, rules=bound)
    lists: dict[str, dict[str, float]] = {}
    for line in pq.read_table(out).to_pylist():
        of = lists.setdefault(line["artist_id"], {})
        of[line["similar_id"]] = line["score"]
        assert line["rank"] == len(of)
    assert n == len(lists)
    return lists


@pytest.mark.parametrize("k", [3, 55, 300])
def test_lists_of_all_are_the_naive_ones(corrected: Version, tmp_path: Path, k: int) -> None:
    lists = exported(corrected, RULES, tmp_path / "o.parquet", k, None)
    assert set(lists) == {f"a{row:03d}" for row in range(59)} - {"a001", "a007"}
    for artist, similar in lists.items():
        wanted = naive(corrected, RULES, int(artist[1:]), k)
        assert list(similar) == [other for other, _, _ in wanted]
        np.testing.assert_allclose(list(similar.values()), [score for _, score, _ in wanted], atol=2e-6)


@pytest.mark.parametrize("k", [3, 300])
def test_lists_among_those_kept_are_the_ones_without_rules_put_right(
    corrected: Version, tmp_path: Path, k: int
) -> None:
    keep = [f"a{row:03d}" for row in range(0, 30) if row != 10]
    plain = exported(corrected, made(), tmp_path / "p.parquet", 300, [a for a in keep if a not in ("a001", "a007")])
    lists = exported(corrected, RULES, tmp_path / "o.parquet", k, keep)
    assert set(lists) == set(plain)
    hidden, first = {"a002": ["a005", "a008"], "a005": ["a002"], "a008": ["a002"]}, {"a003": ["a002"], "a004": ["a003"]}
    for artist, similar in lists.items():
        pins = first.get(artist, [])
        rest = [other for other in plain[artist] if other not in (*hidden.get(artist, []), *pins)]
        assert list(similar) == [*pins, *rest][:k]
        np.testing.assert_allclose(list(similar.values()), [plain[artist][other] for other in similar], atol=2e-6)
