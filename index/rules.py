"""Editorial rules over a version: who may be shown for whom, and the one way in which a list obeys them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

import numpy as np

from core.errors import InputError
from core.rules import NO_RULES, Rule, RuleKind, Rules
from core.types import Mask, Rows
from index.lists import Neighbours, best_of, exact_scores
from index.search import Searcher


class RuleState(StrEnum):
    """What has become of a rule in a version."""

    IN_FORCE = "in force"
    UNKNOWN = "unknown artist"
    NO_EMBEDDING = "no embedding"
    OVERRULED = "overruled"


@dataclass(frozen=True)
class BoundRules:
    """Rules in the rows of one version.

    Attributes:
        blocked: rows that are as if they were not there.
        never: by row, those that are not shown for it; of each pair both ways.
        pinned: by row, number of the rule and row of each that stands at the head of its list, by number: only those
            that can be shown, which have an embedding and are not hidden.
        n_rows: of the version and the changes on it.
    """

    rules: Rules
    blocked: frozenset[int]
    never: Mapping[int, frozenset[int]]
    pinned: Mapping[int, tuple[tuple[int, int], ...]]
    n_rows: int

    @staticmethod
    def of(rules: Rules, searcher: Searcher) -> BoundRules:
        """The rules for the artists of a version; what it has not is passed over."""
        blocked, never = set[int](), dict[int, set[int]]()
        pins: list[tuple[int, int, int]] = []
        for rule in rules.rules:
            row, other = _rows(rule, searcher)
            match rule.kind:
                case RuleKind.BLOCK if row is not None:
                    blocked.add(row)
                case RuleKind.NEVER if row is not None and other is not None:
                    never.setdefault(row, set()).add(other)
                    never.setdefault(other, set()).add(row)
                case RuleKind.PIN if row is not None and other is not None and searcher.is_known(other):
                    pins.append((rule.number, row, other))
        pinned: dict[int, tuple[tuple[int, int], ...]] = {}
        for number, row, other in pins:
            if other not in blocked and other not in never.get(row, ()):
                pinned[row] = (*pinned.get(row, ()), (number, other))
        apart = {row: frozenset(others) for row, others in never.items()}
        return BoundRules(rules, frozenset(blocked), apart, pinned, searcher.n_rows)

    def __bool__(self) -> bool:
        """Whether any rule changes anything in this version."""
        return bool(self.blocked or self.never or self.pinned)

    @cached_property
    def _blocked_mask(self) -> Mask:
        mask = np.zeros(self.n_rows, bool)
        mask[list(self.blocked)] = True
        return mask

    def hidden(self, seeds: Sequence[int]) -> Rows:
        """(m,) rows that must not be shown where these are asked with: who is blocked, or forbidden with any seed."""
        return np.array(sorted(self.blocked.union(*(self.never.get(seed, ()) for seed in seeds))), np.int32)

    def shows(self, rows: Rows, seeds: Sequence[int]) -> Mask:
        """(m,) bool: which of `rows` are not among `hidden(seeds)`; in time of `rows`, however many are blocked."""
        shown = ~self._blocked_mask[rows]
        for seed in seeds:
            if seed in self.never:
                shown &= ~np.isin(rows, list(self.never[seed]))
        return np.asarray(shown)

    def pins(self, seeds: Sequence[int]) -> list[int]:
        """Rows that stand first where these are asked with, by the numbers of their rules; none is hidden."""
        numbered = sorted(pin for seed in seeds for pin in self.pinned.get(seed, ()))
        apart = frozenset[int]().union(*(self.never.get(seed, ()) for seed in seeds))
        return list(dict.fromkeys(row for _, row in numbered if row not in seeds and row not in apart))

    def state(self, rule: Rule, searcher: Searcher) -> RuleState:
        """What has become of a rule in the version that these are bound to."""
        row, other = _rows(rule, searcher)
        if row is None or (rule.other is not None and other is None):
            return RuleState.UNKNOWN
        if rule.kind is RuleKind.PIN and other is not None:
            if row in self.blocked or other in self.blocked or other in self.never.get(row, ()):
                return RuleState.OVERRULED
            if not searcher.is_known(row) or not searcher.is_known(other):
                return RuleState.NO_EMBEDDING
        return RuleState.IN_FORCE


def unruled(n_rows: int) -> BoundRules:
    """No rules, bound to a version of so many rows."""
    return BoundRules(NO_RULES, frozenset(), {}, {}, n_rows)


def ruled(searcher: Searcher, rules: BoundRules, row: int, k: int, *, raw: bool = False) -> Neighbours:
    """The k artists most similar to the one in `row` that the rules let through, behind those pinned to it.

    Where too few of the ready list are left, the rest is searched for exactly among all artists.

    Args:
        rules: of this version; the artist is none that they block.
        raw: see `Searcher.similar`.

    Raises:
        InputError: k is below 1.
        NothingKnownError: the artist has no embedding.
    """
    if not rules:
        return searcher.similar(row, k, raw=raw)
    _check_k(k)
    raw = raw and searcher.corrects
    if not raw and (found := ready(searcher, rules, row, k)) is not None:
        return found
    listed = searcher.ready(row)
    if raw:  # a ready list is of no use
        listed = Neighbours(listed.rows[:0], listed.scores[:0])
    first = _first(searcher, rules, row, listed, raw=raw)
    scores = exact_scores(searcher.live, row, raw=raw)
    scores[rules.hidden([row])] = -np.inf
    scores[first.rows] = -np.inf
    scores[row] = -np.inf
    return _cut(first, k, best_of(searcher.live, scores, k - len(first.rows)))


def ready(searcher: Searcher, rules: BoundRules, row: int, k: int) -> Neighbours | None:
    """What `ruled` finds, where the ready list is enough for it; None where it is not. Raises as `ruled`."""
    _check_k(k)
    listed = searcher.ready(row)
    first = _first(searcher, rules, row, listed) if rules else listed
    if len(first.rows) < k and not listed.whole:
        return None
    return _cut(first, k)


def _check_k(k: int) -> None:
    if k < 1:
        raise InputError(f"k: found {k}; wanted at least 1")


def _first(searcher: Searcher, rules: BoundRules, row: int, listed: Neighbours, *, raw: bool = False) -> Neighbours:
    """The pins, and behind them what is left of a list."""
    pins = np.array(rules.pins([row]), np.int32)
    kept = rules.shows(listed.rows, [row])
    if not len(pins):
        return Neighbours(listed.rows[kept], listed.scores[kept])
    scores = exact_scores(searcher.live, row, raw=raw, rows=pins)
    at = {other: place for place, other in enumerate(listed.rows.tolist())}
    for place, pin in enumerate(pins.tolist()):
        if pin in at:  # the score that it has without the rule, to the last bit
            scores[place] = listed.scores[at[pin]]
    kept &= ~np.isin(listed.rows, pins)
    return Neighbours(
        np.concatenate([pins, listed.rows[kept]]), np.concatenate([scores, listed.scores[kept]]), len(pins)
    )


def _cut(first: Neighbours, k: int, rest: Neighbours | None = None) -> Neighbours:
    rows, scores = first.rows, first.scores
    if rest is not None:
        rows, scores = np.concatenate([rows, rest.rows]), np.concatenate([scores, rest.scores])
    return Neighbours(rows[:k], scores[:k], min(first.n_pinned, k))


def _rows(rule: Rule, searcher: Searcher) -> tuple[int | None, int | None]:
    return searcher.row_of_id(rule.artist), None if rule.other is None else searcher.row_of_id(rule.other)
